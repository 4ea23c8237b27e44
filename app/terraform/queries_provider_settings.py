"""Reads of providers with what the files say of each instance and what people set for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.terraform import queries_configuration
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import TerraformProvider
from app.terraform.models_provider_settings import TerraformProviderSettings


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a provider: declared by the files, with settings, or both."""

    name: str
    alias: str
    declared: TerraformProvider | None
    settings: TerraformProviderSettings | None

    @property
    def instance(self) -> str:
        """Return it as configurations name it: aws, or aws.west."""
        return f"{self.name}.{self.alias}" if self.alias else self.name

    @property
    def is_declared(self) -> bool:
        """Say whether the files in force declare or use it."""
        return self.declared is not None and self.declared.missing_since is None


def list_settings(actor: Actor, project: TerraformProject) -> Sequence[TerraformProviderSettings]:
    """Return what people set, by name and alias (at most as many as a project may have)."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(
        scoped(actor, TerraformProviderSettings)
        .where(TerraformProviderSettings.project_id == project.id)
        .order_by(TerraformProviderSettings.name, TerraformProviderSettings.alias)
    ).all()


def find_settings(
    actor: Actor, project: TerraformProject, name: str, alias: str, *, for_update: bool = False
) -> TerraformProviderSettings | None:
    """Return the settings of an instance, None when there are none."""
    require(actor, Permission.TERRAFORM_VIEW)
    if not (name.isascii() and alias.isascii()):  # names are kept in ASCII, and MySQL refuses to compare others
        return None
    statement = scoped(actor, TerraformProviderSettings).where(
        TerraformProviderSettings.project_id == project.id,
        TerraformProviderSettings.name == name,
        TerraformProviderSettings.alias == alias,
    )
    return db.session.scalar(statement.with_for_update() if for_update else statement)


def get_settings(actor: Actor, project: TerraformProject, instance: str) -> TerraformProviderSettings:
    """Return the settings of an instance, named as configurations do; raises NotFound."""
    name, _, alias = instance.partition(".")
    found = find_settings(actor, project, name, alias)
    if found is None:
        raise NotFound("Settings of this provider")
    return found


def get_instance(actor: Actor, project: TerraformProject, instance: str) -> Instance:
    """Return an instance that has settings, with what the files say of it; raises NotFound."""
    settings = get_settings(actor, project, instance)
    declared = db.session.scalar(
        scoped(actor, TerraformProvider).where(
            TerraformProvider.project_id == project.id,
            TerraformProvider.name == settings.name,
            TerraformProvider.alias == settings.alias,
        )
    )
    return Instance(settings.name, settings.alias, declared, settings)


def list_instances(actor: Actor, project: TerraformProject) -> list[Instance]:
    """Return every instance that the files declare or people set something for, by name and alias; two queries."""
    declared = {(row.name, row.alias): row for row in queries_configuration.list_providers(actor, project)}
    given = {(row.name, row.alias): row for row in list_settings(actor, project)}
    return [Instance(*key, declared.get(key), given.get(key)) for key in sorted(declared.keys() | given.keys())]
