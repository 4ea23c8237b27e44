"""Brings the tables of a project in line with what a reading found: by address, never by deleting and making anew.

A row that is found again keeps its id, its status and how the graph shows it. One that is found no more is marked, and
only when the whole configuration could be read: a typing error in one file takes nothing away.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert
from sqlalchemy.orm import undefer

from app.core.actor import Actor
from app.core.crypto import Keyring
from app.core.db import db
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.table import new_uuid
from app.core.tenancy import scoped
from app.terraform import variable_rules, variable_values
from app.terraform.configuration.shapes import Configuration, FoundResource, FoundVariable
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import (
    DependencyType,
    ResourceDependency,
    TerraformOutput,
    TerraformProvider,
    TerraformResource,
)
from app.terraform.models_modules import TerraformModule
from app.terraform.models_variables import TerraformVariable

_CHUNK = 500  # ids of one DELETE
Ids = Mapping[str, int]  # of modules, by address; the root has none


def apply(system: Actor, project: TerraformProject, found: Configuration) -> None:
    """Bring every table in line; the project's row is locked by the caller."""
    _Tables(system, project, found).apply()


class _Tables:
    def __init__(self, system: Actor, project: TerraformProject, found: Configuration) -> None:
        self.system = system
        self.project = project
        self.found = found
        self.now: datetime = database_now()

    def apply(self) -> None:
        modules = self._modules()
        providers = self._providers()
        resources = self._resources(modules, providers)
        self._dependencies(resources)
        self._outputs(modules)
        self._variables(modules)
        db.session.flush()

    def _rows(self, model: Any, *options: Any) -> list[Any]:
        statement = scoped(self.system, model).where(model.project_id == self.project.id).options(*options)
        return list(db.session.scalars(statement))

    def _made(self, model: Any, **values: Any) -> Any:
        row = model(tenant_id=self.system.tenant_id, uuid=new_uuid(), project_id=self.project.id, **values)
        db.session.add(row)
        return row

    def _mark(self, rows: Iterable[Any]) -> None:
        if self.found.is_whole:
            for row in rows:
                if row.missing_since is None:
                    row.missing_since = self.now

    def _modules(self) -> Ids:
        known = {row.terraform_address: row for row in self._rows(TerraformModule)}
        ids: dict[str, int] = {}
        for one in self.found.modules:  # callers first
            row = known.pop(one.address, None)
            if row is None:
                row = self._made(TerraformModule, terraform_address=one.address, name=one.name)
            _set(
                row,
                parent_module_id=ids.get(one.parent),
                source=one.source,
                version=one.version,
                path=one.path,
                missing_since=None,
            )
            if row.id is None:
                db.session.flush()
            ids[one.address] = row.id
        self._mark(known.values())
        return ids

    def _providers(self) -> Mapping[tuple[str, str], int]:
        known = {(row.name, row.alias): row for row in self._rows(TerraformProvider)}
        rows = {}
        for one in self.found.providers:
            key = (one.name, one.alias)
            row = known.pop(key, None) or self._made(TerraformProvider, name=one.name, alias=one.alias)
            _set(row, version=one.version, region=one.region, configuration=one.configuration, missing_since=None)
            rows[key] = row
        self._mark(known.values())
        db.session.flush()
        return {key: row.id for key, row in rows.items()}

    def _resources(self, modules: Ids, providers: Mapping[tuple[str, str], int]) -> Mapping[str, int]:
        known = {row.terraform_address: row for row in self._rows(TerraformResource)}
        rows = {}
        for one in self.found.resources:
            row = known.pop(one.address, None)
            if row is None:
                row = self._made(
                    TerraformResource,
                    terraform_address=one.address,
                    resource_type=one.type,
                    resource_name=one.name,
                    is_data=one.is_data,
                )
            _set(row, **self._of_resource(one, modules, providers))
            rows[one.address] = row
        self._mark(known.values())
        db.session.flush()
        return {address: row.id for address, row in rows.items()}

    @staticmethod
    def _of_resource(one: FoundResource, modules: Ids, providers: Mapping[tuple[str, str], int]) -> dict[str, Any]:
        return {
            "module_id": modules.get(one.module),
            "provider_id": providers.get((one.provider, one.provider_alias)),
            "configuration": one.configuration,
            "file_path": one.file,
            "line": one.line,
            "missing_since": None,
        }

    def _dependencies(self, resources: Mapping[str, int]) -> None:
        known = {(row.from_resource_id, row.to_resource_id): row for row in self._rows(ResourceDependency)}
        new: list[dict[str, Any]] = []
        for one in self.found.dependencies:
            if one.source not in resources or one.target not in resources:
                continue
            ends, kind = (resources[one.source], resources[one.target]), DependencyType(one.kind)
            row = known.pop(ends, None)
            if row is not None:
                _set(row, dependency_type=kind)
                continue
            new.append(
                {
                    "tenant_id": self.system.tenant_id,
                    "uuid": new_uuid(),
                    "project_id": self.project.id,
                    "from_resource_id": ends[0],
                    "to_resource_id": ends[1],
                    "dependency_type": kind,
                }
            )
        if self.found.is_whole:
            gone = [row.id for row in known.values()]
            for start in range(0, len(gone), _CHUNK):
                db.session.execute(
                    delete(ResourceDependency)
                    .where(
                        ResourceDependency.tenant_id == self.system.tenant_id,
                        ResourceDependency.id.in_(gone[start : start + _CHUNK]),
                    )
                    .execution_options(synchronize_session=False)
                )
        if new:
            db.session.execute(insert(ResourceDependency), new)

    def _outputs(self, modules: Ids) -> None:
        known = {(row.module_key, row.name): row for row in self._rows(TerraformOutput)}
        for one in self.found.outputs:
            key = modules.get(one.module, 0)
            row = known.pop((key, one.name), None)
            if row is None:
                row = self._made(TerraformOutput, module_id=key or None, module_key=key, name=one.name)
            _set(row, description=one.description, sensitive=one.sensitive, missing_since=None)
        self._mark(known.values())

    # --- variables: the same row holds what the files declare and what people set

    def _variables(self, modules: Ids) -> None:
        rows = self._rows(TerraformVariable, undefer(TerraformVariable.secret_value))
        known = {(row.module_key, row.name): row for row in rows}
        for one in self.found.variables:
            key = modules.get(one.module, 0)
            row = known.pop((key, one.name), None)
            if row is None:
                row = self._made(TerraformVariable, module_id=key or None, module_key=key, name=one.name)
            _declare(row, one)
        if self.found.is_whole:
            for row in known.values():
                rules = variable_rules.rules_of(row)
                if row.value is None and row.secret_value is None and not rules:
                    db.session.delete(row)
                else:
                    _set(
                        row,
                        is_declared=False,
                        is_required=False,
                        declared_sensitive=False,
                        type=None,
                        default_value=None,
                        validation_rules=variable_rules.together([], rules),
                    )


def _declare(row: TerraformVariable, one: FoundVariable) -> None:
    _set(
        row,
        is_declared=True,
        is_required=one.is_required,
        declared_sensitive=one.sensitive,
        type=one.type,
        default_value=one.default,
        validation_rules=variable_rules.together(one.validation_rules, variable_rules.rules_of(row)),
        description=one.description or row.description,
    )
    if row.value is None and row.secret_value is None:
        _set(row, sensitive=one.sensitive)
    elif one.sensitive and not row.sensitive:
        keyring = Keyring(settings().master_key.get_secret_value())
        row.secret_value = keyring.encrypt(variable_values.secret_context(row), json.dumps(row.value))
        row.value, row.sensitive = None, True
        row.version += 1


def _set(row: Any, **values: Any) -> None:
    """Set what differs: an unchanged row is not written, and keeps its ``updated_at``."""
    for name, value in values.items():
        if getattr(row, name) != value:
            setattr(row, name, value)
