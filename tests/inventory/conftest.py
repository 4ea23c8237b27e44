"""Two tenants with people of each role, and ways to act as one of them: as a service's caller and over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest
from flask import Flask, request
from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.accounts.models import Tenant, User
from app.audit.models import AuditEntry
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.inventory import service
from app.inventory.models import Server
from tests.support.sent import sent

Acting = Callable[[Actor], AbstractContextManager[Session]]


@pytest.fixture
def people(app_context: Flask) -> dict[str, Actor]:
    """Actors by name: admin, operator, viewer of one tenant; stranger is the admin of another."""
    actors: dict[str, Actor] = {}
    with system_scope("test"), unit_of_work():
        for slug, roles in (("first", {"admin", "operator", "viewer"}), ("second", {"stranger"})):
            tenant = Tenant(name=slug, slug=slug)
            db.session.add(tenant)
            db.session.flush()
            for name in sorted(roles):
                role = Role.ADMIN if name == "stranger" else Role(name)
                user = User(
                    tenant_id=tenant.id, username=name, email=f"{name}@example.org", password_hash="!", role=role
                )
                db.session.add(user)
                db.session.flush()
                actors[name] = Actor(tenant.id, user.id, role, name, Via.API_KEY)
    return actors


@pytest.fixture
def admin(people: dict[str, Actor]) -> Actor:
    """An administrator."""
    return people["admin"]


@pytest.fixture
def operator(people: dict[str, Actor]) -> Actor:
    """An operator of the same tenant."""
    return people["operator"]


@contextmanager
def act(actor: Actor) -> Iterator[Session]:
    """A unit of work in the actor's tenant."""
    with tenant_scope(actor.tenant_id), unit_of_work() as session:
        yield session


@pytest.fixture
def acting() -> Acting:
    """``with acting(actor): service.create_server(actor, ...)``: one request's worth."""
    return act


@pytest.fixture
def make_server(people: dict[str, Actor]) -> Callable[..., int]:
    """Create a server and return its id."""
    count = 0

    def make(actor: Actor | None = None, **given: Any) -> int:
        nonlocal count
        count += 1
        actor = actor or people["admin"]
        wanted: Any = {"hostname": f"web-{count}.example.org", "ip_address": f"192.0.2.{count}", **given}
        with act(actor):
            return service.create_server(actor, wanted).id

    return make


@pytest.fixture
def row(people: dict[str, Actor]) -> Callable[[int], Server]:
    """Read one server, detached."""

    def read(server_id: int) -> Server:
        with system_scope("test"), unit_of_work(writes=False) as session:
            found = session.scalars(select(Server).where(Server.id == server_id)).one()
            session.expunge(found)
            return found

    return read


@pytest.fixture
def events_recorded(app_context: Flask) -> Callable[[], list[str]]:
    """The events of the audit log, oldest first."""

    def read() -> list[str]:
        with system_scope("test"), unit_of_work(writes=False) as session:
            return list(session.scalars(select(AuditEntry.event).order_by(AuditEntry.id)))

    return read


@pytest.fixture
def http(app: Flask, people: dict[str, Actor]) -> Callable[[str], FlaskClient]:
    """A client that acts as one of the people, by name; CSRF is off."""
    by_name = people
    app.config["WTF_CSRF_ENABLED"] = False
    app.authenticator = lambda: by_name.get(request.headers.get("X-Test-Actor", ""))  # type: ignore[attr-defined]

    def make(name: str) -> FlaskClient:
        client = app.test_client()
        client.environ_base["HTTP_X_TEST_ACTOR"] = name
        return client

    return make


@pytest.fixture
def statements(app_context: Flask) -> Callable[[], AbstractContextManager[list[str]]]:
    """``with statements() as sent: ...`` collects the SELECTs that were sent."""

    return lambda: sent("SELECT")
