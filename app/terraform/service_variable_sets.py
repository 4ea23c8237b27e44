"""Commands on sets of variables, and on which projects have them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.terraform import queries
from app.terraform import queries_variable_sets as reads
from app.terraform.models import TerraformProject
from app.terraform.models_variable_sets import TerraformProjectVariableSet, TerraformVariableSet
from app.terraform.trail import project_resource, set_resource

MAX_SETS = 500  # of a tenant
MAX_ATTACHED = 50  # to one project
MAX_DESCRIPTION = 10_000


class SetInput(TypedDict, total=False):
    """What people set on a set."""

    name: str
    description: str | None
    is_global: bool


def add_set(actor: Actor, given: SetInput) -> TerraformVariableSet:
    """Add an empty set. Raises InvalidInput by field, Conflict for a name that is taken."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    wanted = _checked(given)
    if "name" not in wanted:
        raise InvalidInput(name="This is needed.")
    if reads.count_sets(actor) >= MAX_SETS:
        raise Conflict(f"There are at most {MAX_SETS} sets. Put values that go together into one.")
    made = TerraformVariableSet(tenant_id=actor.tenant_id, uuid=new_uuid(), **wanted)
    _store(made)
    audit.record(actor, "terraform_variable_set:create", set_resource(made), details=wanted)
    return made


def change_set(actor: Actor, uuid: str, given: SetInput, *, version: int | None = None) -> TerraformVariableSet:
    """Change the given fields. Raises InvalidInput by field, NotFound, Conflict, VersionConflict."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, uuid)
    checked = _checked(given)
    check_version(found, version)
    before = {name: getattr(found, name) for name in checked}
    changed = sorted(name for name in checked if checked[name] != before[name])
    if not changed:
        found.version -= 1
        return found
    for name in changed:
        setattr(found, name, checked[name])
    _store(found)
    audit.record(
        actor, "terraform_variable_set:update", set_resource(found), details=audit.changes(before, checked, changed)
    )
    return found


def remove_set(actor: Actor, uuid: str) -> None:
    """Remove a set with its values. Raises NotFound, Conflict with their names while projects are attached to it."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    found = reads.get_set(actor, uuid)
    db.session.refresh(found, with_for_update=True)  # nobody attaches it meanwhile
    projects = reads.projects_of_set(actor, found)
    if projects:
        names = ", ".join(project.name for project in projects[:5])
        more = f" and {len(projects) - 5} more" if len(projects) > 5 else ""
        raise Conflict(f"{found.name} is attached to {names}{more}. Detach it there first.", error="in_use")
    variables, _projects = reads.counts(actor, [found.id])[found.id]
    audit.record(
        actor,
        "terraform_variable_set:delete",
        set_resource(found),
        details={"name": found.name, "is_global": found.is_global, "variables": variables},
    )
    db.session.delete(found)
    db.session.flush()


def attach(actor: Actor, project_uuid: str, set_uuid: str) -> None:
    """Give a project a set, behind those that it has. Its code can read what is in it, so both rights are needed.

    Raises NotFound, Conflict when the project has it, or too many.
    """
    require(actor, Permission.TERRAFORM_SET_EDIT)
    project, present = _of_project(actor, project_uuid)
    found = reads.get_set(actor, set_uuid)
    if found.id in {one.id for one in present}:
        raise Conflict(f"{project.name} has {found.name} already.", error="attached")
    _arrange(actor, project, present, [*present, found])


def detach(actor: Actor, project_uuid: str, set_uuid: str) -> None:
    """Take a set away from a project. Raises NotFound, Conflict when the project does not have it."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    project, present = _of_project(actor, project_uuid)
    found = reads.get_set(actor, set_uuid)
    if found.id not in {one.id for one in present}:
        raise Conflict(f"{found.name} is not attached to {project.name}.", error="not_attached")
    _arrange(actor, project, present, [one for one in present if one.id != found.id])


def put_first(actor: Actor, project_uuid: str, set_uuid: str) -> None:
    """Have a set's values count before those of the project's other sets. Raises NotFound, Conflict."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    project, present = _of_project(actor, project_uuid)
    found = reads.get_set(actor, set_uuid)
    if found.id not in {one.id for one in present}:
        raise Conflict(f"{found.name} is not attached to {project.name}.", error="not_attached")
    _arrange(actor, project, present, [found, *(one for one in present if one.id != found.id)])


def arrange(actor: Actor, project_uuid: str, set_uuids: Sequence[str]) -> None:
    """Make these the sets of a project, the first that counts first. Raises NotFound, InvalidInput for ``set_ids``."""
    require(actor, Permission.TERRAFORM_SET_EDIT)
    if len(set(set_uuids)) != len(set_uuids):
        raise InvalidInput(set_ids="Name each set once.")
    if len(set_uuids) > MAX_ATTACHED:
        raise InvalidInput(set_ids=f"A project has at most {MAX_ATTACHED} sets.")
    project, present = _of_project(actor, project_uuid)
    rows = db.session.scalars(scoped(actor, TerraformVariableSet).where(TerraformVariableSet.uuid.in_(set_uuids))).all()
    by_uuid = {row.uuid: row for row in rows}
    unknown = [uuid for uuid in set_uuids if uuid not in by_uuid]
    if unknown:
        raise InvalidInput(set_ids=f"There is no variable set with the id {unknown[0]}.")
    _arrange(actor, project, present, [by_uuid[uuid] for uuid in set_uuids])


def _of_project(actor: Actor, uuid: str) -> tuple[TerraformProject, Sequence[TerraformVariableSet]]:
    """Return a project, locked, and the sets that it has in their order."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, uuid)
    db.session.refresh(project, with_for_update=True)  # two at once must not lose one
    return project, [one.variable_set for one in reads.applied_sets(actor, project) if one.is_attached]


def _arrange(
    actor: Actor,
    project: TerraformProject,
    before: Sequence[TerraformVariableSet],
    wanted: Sequence[TerraformVariableSet],
) -> None:
    if len(wanted) > MAX_ATTACHED:
        raise Conflict(f"A project has at most {MAX_ATTACHED} sets. Detach one first.")
    if [one.id for one in before] == [one.id for one in wanted]:
        return
    links = {
        link.set_id: link
        for link in db.session.scalars(
            scoped(actor, TerraformProjectVariableSet).where(TerraformProjectVariableSet.project_id == project.id)
        )
    }
    for position, one in enumerate(wanted):
        link = links.pop(one.id, None)
        if link is None:
            link = TerraformProjectVariableSet(
                tenant_id=actor.tenant_id, project_id=project.id, set_id=one.id, position=position
            )
            db.session.add(link)
        link.position = position
    for link in links.values():
        db.session.delete(link)
    try:
        with db.session.begin_nested():
            db.session.flush()
    except IntegrityError:
        raise Conflict("One of these sets was removed a moment ago. Look at them again.", error="set_gone") from None
    audit.record(
        actor,
        "terraform_project:variable_sets",
        project_resource(project),
        action="UPDATE",
        details={
            "name": project.name,
            "variable_sets": [[one.name for one in before], [one.name for one in wanted]],
        },
    )
    for verb, sets, others in (("attach", wanted, before), ("detach", before, wanted)):
        kept = {one.id for one in others}
        for one in sets:
            if one.id not in kept:
                audit.record(
                    actor,
                    f"terraform_variable_set:{verb}",
                    set_resource(one),
                    action="UPDATE",
                    details={"name": one.name, "project": project.name},
                )


def _checked(given: SetInput) -> dict[str, Any]:
    wanted: dict[str, Any] = dict(given)
    if "name" in wanted:
        wanted["name"] = wanted["name"].strip()
        if not 1 <= len(wanted["name"]) <= 200:
            raise InvalidInput(name="Give 1 to 200 characters.")
    if "description" in wanted:
        wanted["description"] = (wanted["description"] or "").strip() or None
        if len(wanted["description"] or "") > MAX_DESCRIPTION:
            raise InvalidInput(description=f"At most {MAX_DESCRIPTION} characters.")
    return wanted


def _store(variable_set: TerraformVariableSet) -> None:
    name = variable_set.name
    try:
        with db.session.begin_nested():
            db.session.add(variable_set)
    except IntegrityError:
        raise Conflict(
            f"There is already a variable set named '{name}'. Choose another name.", error="name_taken"
        ) from None
    db.session.refresh(variable_set)
