"""The state of a tenant's chain as both faces show it: last walk, walk under way, anchor, archives, history."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select

from app.audit import queries
from app.audit.chain import ENTRIES
from app.audit.models import AuditVerification
from app.core.actor import Actor
from app.core.db import db
from app.core.runtime import settings

TAIL_BYTES = 1_048_576  # of the anchor file that are looked through for a tenant's newest line


def chain_state(actor: Actor) -> dict[str, Any]:
    """Return the data of ``VerificationSchema``; a fixed number of queries."""
    results = queries.list_verifications(actor)
    names = queries.names_of(actor, [result.user_id for result in results])
    last = _result(results[0], names) if results else {}
    walk = queries.open_walk(actor)
    newest = queries.newest_seq(actor)
    running = None
    if walk is not None:
        running = {"started_at": walk.started_at, "next_seq": walk.next_seq, "newest_seq": newest}
    return {
        **last,
        "running": running,
        "newest_seq": newest,
        "anchor": _anchor(actor),
        "history": [_result(result, names) for result in results],
        "archives": [
            {
                "file_name": row.file_name,
                "first_seq": row.first_seq,
                "last_seq": row.last_seq,
                "newest_at": row.newest_at,
                "sha256": bytes(row.sha256).hex(),
                "created_at": row.created_at,
            }
            for row in queries.list_archives(actor)
        ],
    }


def _result(row: AuditVerification, names: dict[int, str]) -> dict[str, Any]:
    fields = ("verified_at", "started_at", "user_id", "entries", "intact", "first_bad_seq", "message")
    return {name: getattr(row, name) for name in fields} | {"username": names.get(row.user_id or 0)}


def _anchor(actor: Actor) -> dict[str, Any]:
    """Compare the newest anchored link with the entry; ``matches`` is None for an archived or unanchored one."""
    line = _newest_line(actor.tenant_id)
    if line is None:
        return {"seq": None, "at": None, "matches": None}
    stored = db.session.scalar(
        select(ENTRIES.c.hash).where(ENTRIES.c.tenant_id == actor.tenant_id, ENTRIES.c.seq == line["seq"])
    )
    matches = None if stored is None else bytes(stored).hex() == line["hash"]
    return {"seq": line["seq"], "at": line["at"], "matches": matches}


def _newest_line(tenant_id: int) -> dict[str, Any] | None:
    """Return the tenant's last line of the anchor file; None without one, or where this machine has no such file."""
    try:
        with settings().anchor_path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            lines = file.read().splitlines()
    except OSError:
        return None
    for text in reversed(lines):
        try:
            line = json.loads(text)
            if line["tenant"] == tenant_id:
                return {"seq": int(line["seq"]), "hash": str(line["hash"]), "at": str(line.get("at", ""))}
        except (ValueError, KeyError, TypeError):
            continue
    return None
