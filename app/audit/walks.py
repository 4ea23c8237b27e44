"""Verifications that take too long for a request: the keeper walks a chain step by step and keeps its place."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import delete, select, update

from app.audit.anchor import read_anchors
from app.audit.canonical import GENESIS
from app.audit.chain import HEADS, audit_keys
from app.audit.models import AuditVerification, AuditWalk
from app.audit.resource import Resource
from app.audit.service import record
from app.audit.verify import Verification, Walk, store_verification
from app.core.actor import Actor
from app.core.clock import iso, utc_now
from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope

STEP_SECONDS = 0.5  # of one step; the keeper has other things to do


def begin_walk(tenant_id: int, user_id: int | None) -> AuditWalk:
    """Store a walk that begins at the first entry, in the open unit of work; flushed. One of a tenant at most."""
    walk = AuditWalk(
        tenant_id=tenant_id, user_id=user_id, started_at=utc_now(), next_seq=1, previous=GENESIS, checked=0, seal=b""
    )
    walk.seal = _seal(walk)
    db.session.add(walk)
    db.session.flush()
    return walk


def _seal(walk: AuditWalk) -> bytes:
    place: dict[str, Any] = {
        "tenant_id": walk.tenant_id,
        "started_at": iso(walk.started_at),
        "next_seq": walk.next_seq,
        "previous": bytes(walk.previous).hex(),
        "checked": walk.checked,
    }
    seal = audit_keys().seal("audit walk", place)
    assert seal is not None  # the active key is always here
    return seal


def step_walks() -> int:
    """Go on with every open walk for a moment; return how many there were. Opens units of work of its own."""
    with unit_of_work(writes=False) as session, system_scope("walks along the audit chains"):
        walks = session.scalars(select(AuditWalk).order_by(AuditWalk.id)).all()
    for walk in walks:
        _step(walk)
    return len(walks)


def _step(walk: AuditWalk) -> None:
    place = {"next_seq": walk.next_seq, "previous": bytes(walk.previous)}
    checked = walk.checked
    if _seal(walk) != bytes(walk.seal):  # somebody moved it, or the key is another one: from the beginning
        place, checked = {"next_seq": 1, "previous": GENESIS}, 0
    with unit_of_work(writes=False):
        going = Walk(walk.tenant_id, read_anchors(tenant_id=walk.tenant_id), **place)  # type: ignore[arg-type]
        result = going.go(STEP_SECONDS)
    with unit_of_work() as session, tenant_scope(walk.tenant_id):
        if result is None:
            walk.next_seq, walk.previous, walk.checked = going.next_seq, going.previous, checked + going.checked
            values = {"next_seq": walk.next_seq, "previous": walk.previous, "checked": walk.checked}
            session.execute(update(AuditWalk).where(AuditWalk.id == walk.id).values(**values, seal=_seal(walk)))
            return
        if session.execute(delete(AuditWalk).where(AuditWalk.id == walk.id)).rowcount == 1:  # type: ignore[attr-defined]
            _store(walk, result, checked)


def _store(walk: AuditWalk, result: Verification, before: int) -> None:
    total = before + result.entries
    message = result.message.replace(f"{result.entries:,} entries", f"{total:,} entries", 1) if before else None
    whole = Verification(result.tenant_id, total, result.finding, message or result.message)
    row = store_verification(whole, user_id=walk.user_id, started_at=walk.started_at)
    details = {"entries": row.entries, "intact": row.intact, "first_bad_seq": row.first_bad_seq}
    record(Actor.system(walk.tenant_id, walk.user_id), "audit:verify", Resource("audit", row.id), details=details)


def begin_due_walks() -> int:
    """Begin a walk for every tenant whose last verification is older than the setting; return how many.

    Opens units of work of its own. Setting 0: never.
    """
    hours = settings().audit_verify_hours
    if hours == 0:
        return 0
    limit = utc_now() - timedelta(hours=hours)
    with unit_of_work(writes=False) as session, system_scope("verifications that are due"):
        recent = select(AuditVerification.tenant_id).where(AuditVerification.verified_at >= limit)
        under_way = select(AuditWalk.tenant_id)
        due = list(
            session.connection().scalars(
                select(HEADS.c.tenant_id).where(
                    HEADS.c.seq > 0, HEADS.c.tenant_id.not_in(recent), HEADS.c.tenant_id.not_in(under_way)
                )
            )
        )
    for tenant_id in due:
        with unit_of_work(), tenant_scope(tenant_id):
            begin_walk(tenant_id, None)
    return len(due)
