"""Tenant scope, enforced in one place.

An ORM criterion on every SELECT, UPDATE and DELETE, denying by default; a before-flush guard for what the
criterion does not see; composite foreign keys in the models as the wall behind both. Cross-tenant work only
inside ``system_scope(reason)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ForeignKey, Select, event, false, select
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    Session,
    declared_attr,
    mapped_column,
    with_loader_criteria,
)

from app.core.actor import Actor


class TenantOwned:
    """Mixin of every class whose rows belong to one tenant."""

    @declared_attr
    def tenant_id(cls) -> Mapped[int]:  # noqa: N805
        """The owner; part of every composite foreign key."""
        return mapped_column(ForeignKey("tenants.id", ondelete="RESTRICT"), nullable=False)


class TenancyError(RuntimeError):
    """Tenant rows were touched outside of a scope, or a row of another tenant inside one: a bug."""


@dataclass(frozen=True, slots=True)
class _Scope:
    tenant_id: int | None  # None: the system scope
    reason: str


_scope: ContextVar[_Scope | None] = ContextVar("millwright_scope", default=None)
Owned = TypeVar("Owned", bound=TenantOwned)


@contextmanager
def tenant_scope(tenant_id: int) -> Iterator[None]:
    """Limit every ORM statement of this context to one tenant."""
    token = _scope.set(_Scope(tenant_id, "tenant"))
    try:
        yield
    finally:
        _scope.reset(token)


@contextmanager
def system_scope(reason: str) -> Iterator[None]:
    """Lift the limit for work across tenants (sign-in, keeper, worker); say why in a few words."""
    if not reason:
        raise TenancyError("system_scope needs a reason")
    token = _scope.set(_Scope(None, reason))
    try:
        yield
    finally:
        _scope.reset(token)


def enter_tenant(tenant_id: int) -> None:
    """Limit the rest of this request to one tenant; only the authenticator calls it."""
    _scope.set(_Scope(tenant_id, "request"))


def leave_scope() -> None:
    """Go back to denying everything; at the end of a request."""
    _scope.set(None)


def current_tenant_id() -> int | None:
    """Return the scope's tenant, None outside of one or in the system scope."""
    scope = _scope.get()
    return scope.tenant_id if scope else None


def in_system_scope() -> bool:
    """Say whether cross-tenant work is allowed here."""
    scope = _scope.get()
    return scope is not None and scope.tenant_id is None


def scoped(actor: Actor, model: type[Owned]) -> Select[Owned]:
    """Return the SELECT from which every list and load starts: what this actor may see of ``model``.

    Roles decide today; grants join here later without touching a query.
    """
    return select(model).where(model.tenant_id == actor.tenant_id)


@event.listens_for(Session, "do_orm_execute")
def _limit_to_tenant(state: ORMExecuteState) -> None:
    if state.is_column_load or not (state.is_select or state.is_update or state.is_delete):
        return
    scope = _scope.get()
    if scope is not None and scope.tenant_id is None:
        return
    if scope is None:
        if any(issubclass(mapper.class_, TenantOwned) for mapper in state.all_mappers):
            raise TenancyError("tenant rows were asked for outside of a tenant scope")
        state.statement = state.statement.options(
            with_loader_criteria(TenantOwned, lambda cls: false(), include_aliases=True)
        )
        return
    tenant_id = scope.tenant_id
    state.statement = state.statement.options(
        with_loader_criteria(TenantOwned, lambda cls: cls.tenant_id == tenant_id, include_aliases=True)
    )


@event.listens_for(Session, "before_flush")
def _guard_flush(session: Session, _context: Any, _instances: Any) -> None:
    scope = _scope.get()
    for row in (*session.new, *session.dirty, *session.deleted):
        if not isinstance(row, TenantOwned):
            continue
        if scope is None:
            raise TenancyError(f"{type(row).__name__} was changed outside of a tenant scope")
        if scope.tenant_id is None:
            continue
        if getattr(row, "tenant_id", None) is None:
            row.tenant_id = scope.tenant_id
        elif row.tenant_id != scope.tenant_id:
            raise TenancyError(f"{type(row).__name__} of another tenant was changed")
