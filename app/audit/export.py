"""The filtered log as a file: CSV for a spreadsheet, JSON lines for programs. Read in pieces, oldest last."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from flask import Flask

from app.audit import queries
from app.audit.models import AuditEntry
from app.audit.queries import AuditFilter
from app.core.actor import Actor
from app.core.clock import iso
from app.core.db import db, unit_of_work
from app.core.listing_export import cell
from app.core.tenancy import scoped, tenant_scope

CHUNK = 500  # entries in memory at a time
FORMATS = {"csv": "text/csv; charset=utf-8", "jsonl": "application/jsonl"}
COLUMNS = (
    "seq", "timestamp", "username", "user_id", "action", "event", "outcome", "resource_type", "resource_id",
    "resource_uuid", "details", "via", "api_key_prefix", "request_id", "ip_address", "user_agent", "hash", "id",
)  # fmt: skip


def export_lines(app: Flask, actor: Actor, wanted: AuditFilter, form: str, until_id: int) -> Iterator[str]:
    """Yield the text of an export of entries up to ``until_id``, the newest first.

    Each piece is read in a unit of work of its own, so that a slow reader holds no database connection; entries
    that are written meanwhile are not in it. ``form`` is a key of FORMATS.
    """
    render = _csv if form == "csv" else _jsonl
    if form == "csv":
        yield _csv_line(COLUMNS)
    after = until_id + 1
    while True:
        rows, last = _chunk(app, actor, wanted, after)
        if rows:
            yield "".join(render(row) for row in rows)
        if last is None:
            return
        after = last


def _chunk(app: Flask, actor: Actor, wanted: AuditFilter, after: int) -> tuple[list[dict[str, Any]], int | None]:
    """Return rows before ``after``, and the id to go on from (None at the end)."""
    with app.app_context(), unit_of_work(writes=False), tenant_scope(actor.tenant_id):
        conditions = queries.conditions_of(actor, wanted)
        statement = scoped(actor, AuditEntry).where(*conditions, AuditEntry.id < after)
        entries: Sequence[AuditEntry] = db.session.scalars(statement.order_by(AuditEntry.id.desc()).limit(CHUNK)).all()
        names = queries.names_of(actor, [entry.user_id for entry in entries])
        rows = [queries.entry_data(entry, names) for entry in entries]
    return rows, entries[-1].id if len(entries) == CHUNK else None


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {**{name: row[name] for name in COLUMNS}, "timestamp": iso(row["timestamp"])}


def _jsonl(row: dict[str, Any]) -> str:
    return json.dumps(_plain(row), ensure_ascii=False) + "\n"


def _csv(row: dict[str, Any]) -> str:
    plain = _plain(row)
    return _csv_line([cell(plain[name]) for name in COLUMNS])


def _csv_line(cells: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow(cells)
    return line.getvalue()
