"""A tenant with people, a project, and its state backend over HTTP."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.core.actor import Role
from app.runners.terraform_binaries import find_binaries
from config import Settings
from tests import factories
from tests.factories import PersonMade, bearer
from tests.terraform.house import Workshop, served

LINEAGE = "6a1f3ff0-0000-4000-8000-000000000001"


def state_of(serial: int, *names: str, lineage: str = LINEAGE, **attributes: Any) -> bytes:
    """Return the bytes of a state with one resource per name."""
    resources = [
        {
            "mode": "managed",
            "type": "terraform_data",
            "name": name,
            "provider": 'provider["terraform.io/builtin/terraform"]',
            "instances": [{"schema_version": 0, "attributes": {"id": name, **attributes}, "sensitive_attributes": []}],
        }
        for name in names
    ]
    made = {"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": lineage, "outputs": {}}
    return json.dumps({**made, "resources": resources}).encode()


@dataclass
class Backend:
    """The state backend of one workspace as one person uses it."""

    app: Flask
    key: str
    project: str
    workspace: str = "default"

    @property
    def path(self) -> str:
        """The address that terraform is given."""
        return f"/api/v1/terraform/state/{self.project}/{self.workspace}"

    def ask(self, method: str, data: bytes | None = None, **query: str) -> TestResponse:
        """Send one call of the protocol, with the key as a Basic password."""
        basic = base64.b64encode(f"terraform:{self.key}".encode()).decode()
        return self.app.test_client().open(
            self.path, method=method, data=data, query_string=query, headers={"Authorization": f"Basic {basic}"}
        )

    def lock(self, lock_id: str, who: str = "ada@laptop") -> TestResponse:
        """Take the lock as terraform does."""
        info = {"ID": lock_id, "Operation": "OperationTypeApply", "Who": who, "Version": "1.11.4", "Path": ""}
        return self.ask("LOCK", json.dumps(info).encode())

    def unlock(self, lock_id: str) -> TestResponse:
        """Give it back."""
        return self.ask("UNLOCK", json.dumps({"ID": lock_id}).encode())

    def api(self, method: str, path: str = "", **options: Any) -> TestResponse:
        """Call the REST API below the project."""
        where = f"/api/v1/terraform/projects/{self.project}{path}"
        return self.app.test_client().open(where, method=method, headers=bearer(self.key), **options)


@pytest.fixture
def admin(app: Flask) -> PersonMade:
    """The administrator whose project it is."""
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="ada")


@pytest.fixture
def backend(app: Flask, admin: PersonMade) -> Backend:
    """The default workspace of a new project, as its administrator uses it."""
    key = factories.make_key(admin)
    made = app.test_client().post("/api/v1/terraform/projects", json={"name": "network"}, headers=bearer(key))
    assert made.status_code == 201, made.json
    return Backend(app, key, made.json["id"])


@pytest.fixture
def as_other(app: Flask, admin: PersonMade, backend: Backend) -> Callable[..., Backend]:
    """Return the same backend as somebody else uses it: another role, scopes, or another tenant."""

    def make(role: Role, *, elsewhere: bool = False, scopes: list[str] | None = None) -> Backend:
        tenant_id = factories.make_tenant("Other").id if elsewhere else admin.tenant_id
        key = factories.make_key(factories.make_person(tenant_id, role), scopes=scopes)
        return Backend(app, key, backend.project)

    return make


@pytest.fixture
def workshop(app_context: Flask, settings: Settings, backend: Backend, installed_version: str) -> Iterator[Workshop]:
    """The project with files in it, whose executions are carried by this process with the real terraform."""
    with served(app_context, settings) as (told, close):
        made = Workshop(app_context, told, backend.key, backend.project, close)
        made.of_project("PATCH", json={"terraform_version": installed_version})
        made.write()
        yield made


@pytest.fixture
def installed_version() -> str:
    """The version of this machine's terraform; a machine without one skips."""
    found = [binary for binary in find_binaries() if binary.program == "terraform"]
    if not found:
        pytest.skip("no terraform on this machine")
    return found[0].version
