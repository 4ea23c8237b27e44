"""The first start: tenant 1, its ``system`` user, and one administrator with a one-time password.

There is no default password. The password is returned once and kept nowhere.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import false, select, true
from sqlalchemy.exc import IntegrityError

from app.accounts.models import Membership, Tenant, User
from app.accounts.passwords import NO_PASSWORD, hash_password
from app.accounts.trail import DEFAULT_TENANT
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor, Role
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope, tenant_scope

log = logging.getLogger(__name__)

FirstStartHook = Callable[[Actor], object]
ADMIN = "admin"
SYSTEM = "system"
# No vowels and no look-alikes: the password is read from a terminal and typed once.
_LETTERS = "bcdfghjkmnpqrstvwxz23456789"


@dataclass(frozen=True, slots=True)
class FirstAdmin:
    """The administrator that the first start made. ``password`` works once: it must be changed at sign-in."""

    username: str
    password: str


def one_time_password() -> str:
    """Return four groups of five letters and digits (95 random bits)."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(5)) for _ in range(4))


def system_actor(tenant_id: int) -> Actor:
    """Return the platform acting inside a tenant, as its ``system`` user. Inside an open unit of work."""
    with system_scope("find a tenant's system user"):
        user_id = db.session.scalar(select(User.id).where(User.tenant_id == tenant_id, User.is_system == true()))
    return Actor.system(tenant_id, user_id)


def _exists() -> bool:
    with system_scope("first start"), unit_of_work(writes=False):
        return db.session.scalar(select(User.id).where(User.is_system == false()).limit(1)) is not None


def make_system_user(tenant: Tenant) -> User:
    """Add the user in whose name the platform acts inside a tenant; nobody can sign in as it."""
    name = SYSTEM if tenant.id == DEFAULT_TENANT else f"{SYSTEM}-{tenant.id}"
    user = User(
        tenant_id=tenant.id,
        username=name,
        email=f"{name}@localhost",
        password_hash=NO_PASSWORD,
        role=Role.ADMIN,
        is_system=True,
    )
    db.session.add(user)
    db.session.flush()
    return user


def _make_everything(password_hash: str) -> None:
    tenant = db.session.get(Tenant, DEFAULT_TENANT)
    if tenant is None:
        tenant = Tenant(id=DEFAULT_TENANT, name="Default", slug="default")
        db.session.add(tenant)
        db.session.flush()
    system = db.session.scalar(select(User).where(User.tenant_id == tenant.id, User.is_system == true()))
    if system is None:
        system = make_system_user(tenant)
    admin = User(
        tenant_id=tenant.id,
        username=ADMIN,
        email=f"{ADMIN}@localhost",
        password_hash=password_hash,
        role=Role.ADMIN,
        is_platform_admin=True,
        password_changed_at=database_now(),
        password_change_required=True,
    )
    db.session.add(admin)
    db.session.flush()
    db.session.add(Membership(tenant_id=tenant.id, user_id=admin.id, role=Role.ADMIN))
    db.session.flush()
    actor = Actor.system(tenant.id, system.id)
    resource, details = Resource("tenant", tenant.id, tenant.uuid), {"name": tenant.name}
    audit.record(actor, "tenant:create", resource, action="CREATE", details=details)
    details = {"username": ADMIN, "role": "admin"}
    audit.record(actor, "user:create", Resource("user", admin.id), action="CREATE", details=details)


def ensure_first_admin() -> FirstAdmin | None:
    """Make tenant 1, its system user and ``admin``; None when the platform already has a person.

    Opens units of work of its own. Of several processes that start at once exactly one gets the password.
    """
    if _exists():
        return None
    password = one_time_password()
    password_hash = hash_password(password)
    try:
        with system_scope("first start"), unit_of_work():
            _make_everything(password_hash)
    except IntegrityError:
        log.info("another process made the first administrator")
        return None
    return FirstAdmin(ADMIN, password)


def run_first_start(hooks: Sequence[FirstStartHook]) -> FirstAdmin | None:
    """Make the first administrator where there is none, then let each slice see to what tenant 1 must have.

    Every hook runs at every start, in a unit of work of its own, with the tenant's system actor; it makes what is
    missing and leaves the rest alone.
    """
    made = ensure_first_admin()
    with unit_of_work(writes=False):
        actor = system_actor(DEFAULT_TENANT)
    for hook in hooks:
        with tenant_scope(actor.tenant_id), unit_of_work():
            hook(actor)
    return made
