"""Writes buffered entries as the last statements of a unit of work: lock the head, insert, move the head."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import Connection, Table
from sqlalchemy.dialects.mysql import insert as mysql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from app.audit.canonical import FIELDS, GENESIS, AuditKeys
from app.audit.models import AuditEntry, AuditHead
from app.core.runtime import settings

ENTRIES = cast(Table, AuditEntry.__table__)
HEADS = cast(Table, AuditHead.__table__)
_LINKED = ("seq", "key_id", "prev_hash", "hash")  # known only under the head's lock
_HEAD_ON_SQLITE = "SELECT seq, hash FROM audit_heads WHERE tenant_id = ?"  # whose writers are alone already
_HEAD_ON_SERVER = "SELECT seq, hash FROM audit_heads WHERE tenant_id = %s FOR UPDATE"
_PLAIN = tuple(name for name in FIELDS if name not in _LINKED)


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
    marks = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    insert_sql, move_sql = _statements(marks)
    values = [[_stored(entry.get(name)) for name in _PLAIN] for entry in entries]
    seq, previous = _locked_head(connection, tenant_id)
    before = seq
    for entry, row in zip(entries, values, strict=True):
        seq += 1
        entry.update(seq=seq, key_id=keys.active)
        link = keys.link(previous, entry)
        assert link is not None  # the active key is always here
        row += [seq, keys.active, previous, link]
        previous = link
    connection.exec_driver_sql(insert_sql, [tuple(row) for row in values])
    moved = connection.exec_driver_sql(move_sql, (seq, previous, tenant_id, before))
    if moved.rowcount != 1:
        raise AuditError(f"the head of tenant {tenant_id}'s audit chain moved while it was locked")


@lru_cache(maxsize=2)
def _statements(mark: str) -> tuple[str, str]:
    """INSERT and UPDATE as the driver takes them: compiling them under the lock is what others would wait for."""
    names = [*_PLAIN, *_LINKED]
    columns = ", ".join(f"`{name}`" for name in names)
    # Names are the constants above; every value is bound.
    return (
        f"INSERT INTO audit_logs ({columns}) VALUES ({', '.join([mark] * len(names))})",  # noqa: S608
        f"UPDATE audit_heads SET seq = {mark}, hash = {mark} WHERE tenant_id = {mark} AND seq = {mark}",  # noqa: S608
    )


def _stored(value: Any) -> Any:
    """The form in which the column types store a value."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    return json.dumps(value) if isinstance(value, dict) else value


def _locked_head(connection: Connection, tenant_id: int) -> tuple[int, bytes]:
    sql = _HEAD_ON_SQLITE if connection.dialect.name == "sqlite" else _HEAD_ON_SERVER
    found = connection.exec_driver_sql(sql, (tenant_id,)).one_or_none()
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
