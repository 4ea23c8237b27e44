"""Writes buffered entries as the last statements of a unit of work: lock the head, insert, move the head."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, CursorResult, Table, insert, select, update
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.audit.canonical import GENESIS, AuditKeys
from app.audit.models import AuditEntry, AuditHead
from app.core.runtime import settings

ENTRIES = cast(Table, AuditEntry.__table__)
HEADS = cast(Table, AuditHead.__table__)


class AuditError(RuntimeError):
    """An entry cannot be written. The action fails with it."""


@lru_cache(maxsize=4)
def _keys_of(setting: str) -> AuditKeys:
    return AuditKeys(setting)


def audit_keys() -> AuditKeys:
    """Return the keys of this process."""
    return _keys_of(settings().audit_key.get_secret_value())


def append(connection: Connection, entries: list[dict[str, Any]]) -> None:
    """Chain ``entries`` (columns by name, without seq, key and hashes) and store them, in the order given.

    Heads are locked in the order of their tenants, so that two units never wait for each other, and for as few
    statements as can be: what other writers of a tenant wait for is two statements and the COMMIT.
    """
    by_tenant: dict[int, list[dict[str, Any]]] = {}
    for entry in entries:
        by_tenant.setdefault(entry["tenant_id"], []).append(entry)
    for tenant_id in sorted(by_tenant):
        _append_to(connection, tenant_id, by_tenant[tenant_id])


def _append_to(connection: Connection, tenant_id: int, entries: list[dict[str, Any]]) -> None:
    keys = audit_keys()
    seq, previous = _locked_head(connection, tenant_id)
    before = seq
    for entry in entries:
        seq += 1
        entry.update(seq=seq, key_id=keys.active, prev_hash=previous)
        previous = keys.link(previous, entry)  # type: ignore[assignment]  # the active key is always here
        entry["hash"] = previous
    connection.execute(insert(ENTRIES), entries)
    moved = cast(
        CursorResult[Any],
        connection.execute(
            update(HEADS).where(HEADS.c.tenant_id == tenant_id, HEADS.c.seq == before).values(seq=seq, hash=previous)
        ),
    )
    if moved.rowcount != 1:
        raise AuditError(f"the head of tenant {tenant_id}'s audit chain moved while it was locked")


def _locked_head(connection: Connection, tenant_id: int) -> tuple[int, bytes]:
    found = connection.execute(
        select(HEADS.c.seq, HEADS.c.hash).where(HEADS.c.tenant_id == tenant_id).with_for_update()
    ).one_or_none()
    if found is None:
        _make_head(connection, tenant_id)
        return _locked_head(connection, tenant_id)
    return found.seq, bytes(found.hash)


def _make_head(connection: Connection, tenant_id: int) -> None:
    """Insert a tenant's first head. The clause locks an existing row exclusively: IGNORE would lock it for
    sharing, and two writers that both want to change it then would wait for each other."""
    values = {"tenant_id": tenant_id, "seq": 0, "hash": GENESIS}
    if connection.dialect.name == "sqlite":
        connection.execute(sqlite_insert(HEADS).values(values).on_conflict_do_nothing())
    else:
        connection.execute(mysql_insert(HEADS).values(values).on_duplicate_key_update(seq=HEADS.c.seq))
