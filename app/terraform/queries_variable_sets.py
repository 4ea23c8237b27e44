"""Reads of variable sets, and of the values that a project has from them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import escaped
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.terraform import queries, set_values
from app.terraform.models import TerraformProject
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.models_variable_sets import (
    Category,
    TerraformProjectVariableSet,
    TerraformSetVariable,
    TerraformVariableSet,
)
from app.terraform.models_variables import TerraformVariable
from app.terraform.set_values import AppliedSet, Candidate

SORT = SortKeys("name", {"name": TerraformVariableSet.name, "created": TerraformVariableSet.id})
MOST_PROJECTS = 500  # of one set, or to choose from, that are listed


@dataclass(frozen=True, slots=True)
class InForce:
    """A name with what a project has for it: the row of its own, and what sets have, the first that counts first."""

    name: str
    own: TerraformVariable | TerraformEnvironment | None
    from_sets: Sequence[Candidate]

    @property
    def has_own_value(self) -> bool:
        """Whether the project's own value counts."""
        return isinstance(self.own, TerraformEnvironment) or (self.own is not None and self.own.is_set)

    @property
    def chosen(self) -> Candidate | None:
        """What counts when it is a set's."""
        return None if self.has_own_value or not self.from_sets else self.from_sets[0]

    @property
    def overridden(self) -> Sequence[TerraformVariableSet]:
        """The sets whose value for this name does not count."""
        passed = self.from_sets if self.has_own_value else self.from_sets[1:]
        return [one.variable_set for one in passed]


@dataclass(frozen=True, slots=True)
class ProjectValues:
    """Everything that executions of a project are given, by name, and the sets that it has in their order."""

    sets: Sequence[AppliedSet]
    variables: Sequence[InForce]
    environment: Sequence[InForce]


def list_sets(
    actor: Actor,
    *,
    text: str | None = None,
    is_global: bool | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[TerraformVariableSet]:
    """Return sets; ``text`` is looked for in their names."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformVariableSet)
    if text:
        statement = statement.where(TerraformVariableSet.name.like(f"%{escaped(text)}%", escape="\\"))
    if is_global is not None:
        statement = statement.where(TerraformVariableSet.is_global == is_global)
    return paginate(
        statement, TerraformVariableSet.id, page=page, page_size=page_size, after=after, sort=SORT.pick(sort)
    )


def get_set(actor: Actor, uuid: str) -> TerraformVariableSet:
    """Return a set; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(scoped(actor, TerraformVariableSet).where(TerraformVariableSet.uuid == uuid))
    if found is None:
        raise NotFound("This variable set")
    return found


def count_sets(actor: Actor) -> int:
    """Return how many sets there are."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalar(select(func.count()).select_from(scoped(actor, TerraformVariableSet).subquery())) or 0


def counts(actor: Actor, ids: Collection[int]) -> Mapping[int, tuple[int, int]]:
    """Return how many variables and how many projects these sets have, by id; two queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    if not ids:
        return {}
    found: list[dict[int, int]] = []
    for model in (TerraformSetVariable, TerraformProjectVariableSet):
        rows = db.session.execute(
            select(model.set_id, func.count())
            .where(model.tenant_id == actor.tenant_id, model.set_id.in_(ids))
            .group_by(model.set_id)
        )
        found.append({row[0]: row[1] for row in rows})
    return {one: (found[0].get(one, 0), found[1].get(one, 0)) for one in ids}


def list_set_variables(actor: Actor, variable_set: TerraformVariableSet) -> Sequence[TerraformSetVariable]:
    """Return a set's variables, input variables first, by name; sensitive ones without their value."""
    require(actor, Permission.TERRAFORM_VIEW)
    rows = db.session.scalars(
        scoped(actor, TerraformSetVariable).where(TerraformSetVariable.set_id == variable_set.id)
    ).all()
    return sorted(rows, key=lambda row: (row.category is not Category.TERRAFORM, row.name))


def get_set_variable(actor: Actor, variable_set: TerraformVariableSet, uuid: str) -> TerraformSetVariable:
    """Return a variable of a set; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(
        scoped(actor, TerraformSetVariable).where(
            TerraformSetVariable.set_id == variable_set.id, TerraformSetVariable.uuid == uuid
        )
    )
    if found is None:
        raise NotFound("This variable")
    return found


def projects_of_set(actor: Actor, variable_set: TerraformVariableSet) -> Sequence[TerraformProject]:
    """Return the projects that a set is attached to, by name."""
    require(actor, Permission.TERRAFORM_VIEW)
    link = TerraformProjectVariableSet
    ids = select(link.project_id).where(link.tenant_id == actor.tenant_id, link.set_id == variable_set.id)
    statement = scoped(actor, TerraformProject).where(TerraformProject.id.in_(ids))
    return db.session.scalars(statement.order_by(TerraformProject.name).limit(MOST_PROJECTS)).all()


def projects_without_set(actor: Actor, variable_set: TerraformVariableSet) -> Sequence[TerraformProject]:
    """Return projects in use that a set could be attached to, by name."""
    require(actor, Permission.TERRAFORM_VIEW)
    link = TerraformProjectVariableSet
    ids = select(link.project_id).where(link.tenant_id == actor.tenant_id, link.set_id == variable_set.id)
    statement = scoped(actor, TerraformProject).where(
        TerraformProject.id.not_in(ids), TerraformProject.is_active == true()
    )
    return db.session.scalars(statement.order_by(TerraformProject.name).limit(MOST_PROJECTS)).all()


def sets_to_attach(actor: Actor, applied: Sequence[AppliedSet]) -> Sequence[TerraformVariableSet]:
    """Return the sets that a project with these could get, by name."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformVariableSet).where(
        TerraformVariableSet.id.not_in([one.variable_set.id for one in applied])
    )
    return db.session.scalars(statement.order_by(TerraformVariableSet.name).limit(MOST_PROJECTS)).all()


def applied_sets(actor: Actor, project: TerraformProject) -> Sequence[AppliedSet]:
    """Return the sets of a project, the first that counts first: its own in their order, then global ones by name."""
    require(actor, Permission.TERRAFORM_VIEW)
    return set_values.sets_of_project(actor.tenant_id, project.id)


def project_values(actor: Actor, project: TerraformProject) -> ProjectValues:
    """Return what executions of a project are given, and from where; five queries at most."""
    require(actor, Permission.TERRAFORM_VIEW)
    applied = applied_sets(actor, project)
    variables = {row.name: row for row in queries.list_variables(actor, project)}
    environment = {row.name: row for row in queries.list_environment(actor, project)}
    return ProjectValues(
        applied,
        _in_force(variables, set_values.candidates(applied, Category.TERRAFORM)),
        _in_force(environment, set_values.candidates(applied, Category.ENVIRONMENT)),
    )


def _in_force(
    own: Mapping[str, TerraformVariable] | Mapping[str, TerraformEnvironment],
    from_sets: Mapping[str, Sequence[Candidate]],
) -> Sequence[InForce]:
    return [InForce(name, own.get(name), from_sets.get(name, ())) for name in sorted({*own, *from_sets})]
