"""Recording what happened. Every service that changes something calls ``record``; nothing else writes entries."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

from app.audit import chain
from app.audit.chain import AuditError
from app.audit.details import changes as changes
from app.audit.details import safe_details
from app.audit.resource import Resource as Resource
from app.core import tenancy
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import before_commit, db, in_unit_of_work, is_writing, unit_of_work

Outcome = Literal["success", "refused", "failed"]
_EVENT = re.compile(r"[a-z][a-z0-9_]*:[a-z][a-z0-9_]*")
_PENDING = "millwright.audit"  # key of Session.info
# Verbs whose word in the documents is another one.
_ACTIONS = {"edit": "UPDATE", "add": "CREATE", "remove": "DELETE", "sign_in": "LOGIN", "sign_out": "LOGOUT"}


def record(
    actor: Actor,
    event: str,
    resource: Resource,
    *,
    action: str | None = None,
    details: Mapping[str, Any] | None = None,
    outcome: Outcome = "success",
) -> None:
    """Add an entry to the audit log of the actor's tenant; it is stored by the COMMIT of this unit of work.

    ``event`` is ``subject:verb`` ("server:update"); ``action`` the document's word, derived from the verb when not
    given ("UPDATE"). ``details`` pass ``safe_details``: secrets are masked by name, large values are cut.
    Raises AuditError outside of a unit of work, in one that only reads, and for an event of another form;
    TenancyError for an actor of another tenant than the scope's.
    """
    if not in_unit_of_work():
        raise AuditError("record() needs an open unit of work: open one in the face, the task or the command")
    if not is_writing():
        raise AuditError(f"{event} was recorded in a unit of work that only reads: use POST, or unit_of_work()")
    if not _EVENT.fullmatch(event) or len(event) > 100:
        raise AuditError(f"{event!r} is no event: write subject:verb in lower case, e.g. 'server:update'")
    scope = tenancy.current_tenant_id()
    if scope is not None and scope != actor.tenant_id:
        raise tenancy.TenancyError("an entry for another tenant was recorded")
    info = db.session().info
    if _PENDING not in info:
        info[_PENDING] = []
        before_commit("audit", _write)
    if info[_PENDING] is None:
        raise AuditError(f"{event} was recorded after the entries of this unit of work were written")
    info[_PENDING].append(_columns(actor, event, resource, action, details, outcome))


@contextmanager
def savepoint() -> Iterator[None]:
    """Open a SAVEPOINT whose audit entries share its fate: rolled back and dropped when the block raises."""
    info = db.session().info
    before = len(info.get(_PENDING) or ())
    try:
        with db.session.begin_nested():
            yield
    except BaseException:
        if info.get(_PENDING):
            del info[_PENDING][before:]
        raise


def record_refusal(
    actor: Actor,
    event: str,
    resource: Resource,
    *,
    action: str = "REFUSED",
    details: Mapping[str, Any] | None = None,
    outcome: Outcome = "refused",
) -> None:
    """Record what was refused in a unit of work of its own, after that of the request was rolled back.

    Raises UnitOfWorkError inside an open unit: the entry would be rolled back with it.
    """
    with unit_of_work():
        record(actor, event, resource, action=action, details=details, outcome=outcome)


def _write() -> None:
    session = db.session()
    entries: list[dict[str, Any]] = session.info[_PENDING]
    session.info[_PENDING] = None
    chain.append(session.connection(), entries)


def _columns(
    actor: Actor,
    event: str,
    resource: Resource,
    action: str | None,
    details: Mapping[str, Any] | None,
    outcome: Outcome,
) -> dict[str, Any]:
    verb = event.split(":")[1]
    return {
        "tenant_id": actor.tenant_id,
        "user_id": actor.user_id,
        "action": _cut(action or _ACTIONS.get(verb, verb.upper()), 100),
        "event": event,
        "outcome": outcome,
        "resource_type": _cut(resource.type, 50),
        "resource_id": resource.id,
        "resource_uuid": _cut(resource.uuid, 36),
        "details": safe_details(details),
        "via": actor.via.value,
        "api_key_prefix": _cut(actor.api_key_prefix, 16),
        "request_id": _cut(actor.request_id, 36),
        "ip_address": _cut(actor.ip_address, 45),
        "user_agent": _cut(actor.user_agent, 255),
        "timestamp": utc_now(),
    }


def _cut(value: str | None, length: int) -> str | None:
    if value is None:
        return None
    return value.encode("utf-8", "replace").decode("utf-8")[:length]
