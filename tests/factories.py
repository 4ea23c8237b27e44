"""Rows that many tests need: tenants, people, keys, sessions. Each call opens a unit of work of its own.

They work on the application of the ``app`` fixture, with or without a pushed context, and return plain values. Do not
push a context (``app_context``) in a test that sends requests: Flask then shares ``g`` between them.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from flask import Flask, has_app_context
from flask.testing import FlaskClient
from sqlalchemy import select, update
from werkzeug.test import TestResponse

from app.accounts import keys
from app.accounts.identity import Origin
from app.accounts.models import ApiKey, Membership, Tenant, User
from app.accounts.models_teams import Team, TeamMember
from app.accounts.passwords import NO_PASSWORD, hash_password
from app.accounts.sessions import open_session
from app.core.actor import Actor, Role, Via
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.tickets.models import Ticket

Row = TypeVar("Row")
PASSWORD = "grey-otter-walks-home"
_count = itertools.count(1)
_app: Flask | None = None


def use(app: Flask | None) -> None:
    """Make ``app`` the one that the factories work on; the ``app`` fixture calls it."""
    global _app
    _app = app


@dataclass(frozen=True, slots=True)
class TenantMade:
    """A tenant with its system user."""

    id: int
    name: str
    system_user_id: int

    @property
    def system(self) -> Actor:
        """The platform acting inside this tenant."""
        return Actor.system(self.id, self.system_user_id)


@dataclass(frozen=True, slots=True)
class PersonMade:
    """A person; ``actor`` is what services take."""

    id: int
    tenant_id: int
    username: str
    role: Role

    @property
    def actor(self) -> Actor:
        """This person acting through a session."""
        return Actor(self.tenant_id, self.id, self.role, self.username, Via.SESSION)


@contextmanager
def context() -> Iterator[None]:
    """Push the context of the test's application where none is."""
    if has_app_context():
        yield
        return
    assert _app is not None, "ask for the fixture `app`"
    with _app.app_context():
        yield


@contextmanager
def _unit() -> Iterator[None]:
    with context(), system_scope("factory"), unit_of_work():
        yield


def make_tenant(name: str | None = None, *, is_active: bool = True) -> TenantMade:
    """Store a tenant and its system user. The first one in an empty database gets id 1."""
    name = name or f"tenant-{next(_count)}"
    with _unit():
        tenant = Tenant(name=name, slug=name.lower().replace(" ", "-"), is_active=is_active)
        db.session.add(tenant)
        db.session.flush()
        username = f"system-{tenant.id}"
        system = User(
            tenant_id=tenant.id,
            username=username,
            email=f"{username}@localhost",
            password_hash=NO_PASSWORD,
            role=Role.ADMIN,
            is_system=True,
        )
        db.session.add(system)
        db.session.flush()
        return TenantMade(tenant.id, tenant.name, system.id)


def make_person(
    tenant_id: int,
    role: Role = Role.ADMIN,
    *,
    username: str | None = None,
    password: str | None = None,
    is_active: bool = True,
    password_change_required: bool = False,
) -> PersonMade:
    """Store a person; ``password`` None means PASSWORD (hashed with the settings' rounds)."""
    username = username or f"{role.value}-{next(_count)}"
    with context():
        stored = hash_password(password or PASSWORD)
    with _unit():
        user = User(
            tenant_id=tenant_id,
            username=username,
            email=f"{username}@example.org",
            password_hash=stored,
            role=role,
            is_active=is_active,
            password_change_required=password_change_required,
        )
        db.session.add(user)
        db.session.flush()
        db.session.add(Membership(tenant_id=tenant_id, user_id=user.id, role=role))
        return PersonMade(user.id, tenant_id, username, role)


@dataclass(frozen=True, slots=True)
class TeamMade:
    """A stored team."""

    id: int
    uuid: str


def make_team(member: PersonMade, name: str | None = None, *, is_active: bool = True) -> TeamMade:
    """Store a team of the member's tenant with this one person in it."""
    with _unit():
        team = Team(tenant_id=member.tenant_id, name=name or f"team-{next(_count)}", is_active=is_active)
        db.session.add(team)
        db.session.flush()
        db.session.add(TeamMember(tenant_id=member.tenant_id, team_id=team.id, user_id=member.id))
        return TeamMade(team.id, team.uuid)


def make_key(person: PersonMade, *, scopes: list[str] | None = None, days: float = 30, is_active: bool = True) -> str:
    """Store an API key of a person and return its text; negative ``days`` make an expired one."""
    prefix, text = keys.new_key()
    with _unit():
        db.session.add(
            ApiKey(
                tenant_id=person.tenant_id,
                user_id=person.id,
                name=f"key-{next(_count)}",
                prefix=prefix,
                digest=keys.digest(text),
                scopes=scopes,
                is_active=is_active,
                expires_at=utc_now() + timedelta(days=days),
            )
        )
    return text


def ticket_number(ticket_uuid: str) -> int:
    """Return the number of a ticket."""
    return next(row.id for row in rows(Ticket) if row.ticket_id == ticket_uuid)


def make_session(person: PersonMade) -> str:
    """Store a session of a person and return its token; see ``sign_in`` for a client that holds it."""
    with _unit():
        return open_session(person.tenant_id, person.id, Origin("127.0.0.1", "tests"))


def set_columns(model: Any, row_id: int, **values: object) -> None:
    """Change columns of one row behind the platform's back."""
    with _unit():
        db.session.execute(update(model).where(model.id == row_id).values(**values))


def set_active(person: PersonMade, active: bool) -> None:
    """Activate or deactivate a person behind the platform's back."""
    set_columns(User, person.id, is_active=active)


def set_role(person: PersonMade, role: Role) -> None:
    """Change a person's role behind the platform's back."""
    set_columns(User, person.id, role=role)


def sign_in(client: FlaskClient, person: PersonMade) -> FlaskClient:
    """Give a client a session of this person without hashing a password."""
    token = make_session(person)
    with client.session_transaction() as cookie:
        cookie["_user_id"] = token
        cookie["_fresh"] = True
    return client


def bearer(text: str) -> dict[str, str]:
    """Return the header that carries an API key."""
    return {"Authorization": f"Bearer {text}"}


def csrf_token(client: FlaskClient, path: str = "/me") -> str:
    """Return the token that a page of this client's session carries."""
    page = client.get(path).get_data(as_text=True)
    marker = '<meta name="csrf-token" content="'
    assert marker in page, page[:500]
    return page.split(marker)[1].split('"')[0]


def post(client: FlaskClient, path: str, /, **fields: object) -> TestResponse:
    """Send a form with a valid CSRF token."""
    return client.post(path, data={"csrf_token": csrf_token(client), **fields})


def rows(model: type[Row]) -> list[Row]:
    """Return all rows of a table, of all tenants, by primary key; detached, so only their columns can be read."""
    with _unit():
        found = list(db.session.scalars(select(model).order_by(model.id)))  # type: ignore[attr-defined]
        db.session.expunge_all()
        return found
