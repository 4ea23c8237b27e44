"""Stores what servers said of themselves. Called by the engine room inside the shipping transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.orm import undefer

from app.core.db import db
from app.inventory import facts
from app.inventory.models import Server
from app.inventory.models_kept import ServerFacts, ServerFactValue
from app.runners.facts import encode, fit


@dataclass(frozen=True, slots=True)
class Gathered:
    """One gathering on one server; ``facts`` masked, ``sent_size`` in bytes before anything was left out."""

    at: datetime
    job_id: int | None
    job_uuid: str | None
    facts: Mapping[str, Any] = field(repr=False)
    sent_size: int = 0
    left_out: tuple[str, ...] = ()


def keep_facts(tenant_id: int, server_id: int, gathered: Gathered) -> None:
    """Store a gathering; an older one than the stored is dropped. ``os_type`` 'unknown' is filled from it."""
    row = db.session.scalar(
        select(ServerFacts)
        .where(ServerFacts.tenant_id == tenant_id, ServerFacts.server_id == server_id)
        .options(undefer(ServerFacts.data))
    )
    if row is None:
        row = ServerFacts(tenant_id=tenant_id, server_id=server_id)
    elif row.gathered_at > gathered.at:
        return
    old = json.loads(row.data) if row.data else {}
    whole = facts.merged(old, gathered.facts)
    kept, left_out = fit(whole)
    row.data = encode(kept)
    row.size = len(row.data.encode())
    row.sent_size, row.gathered_at = gathered.sent_size, gathered.at
    row.job_id, row.job_uuid = gathered.job_id, gathered.job_uuid
    row.left_out = [*gathered.left_out, *left_out][:100] or None
    db.session.add(row)
    db.session.flush()
    _mirror(tenant_id, server_id, facts.searchable(kept))
    _name_system(tenant_id, server_id, kept)


def _mirror(tenant_id: int, server_id: int, wanted: Mapping[str, str]) -> None:
    db.session.execute(
        delete(ServerFactValue)
        .where(ServerFactValue.tenant_id == tenant_id, ServerFactValue.server_id == server_id)
        .execution_options(synchronize_session=False)
    )
    rows = [
        {"tenant_id": tenant_id, "server_id": server_id, "name": name, "value": value} for name, value in wanted.items()
    ]
    if rows:
        db.session.execute(insert(ServerFactValue), rows)


def _name_system(tenant_id: int, server_id: int, kept: Mapping[str, Any]) -> None:
    system = facts.system_of(kept)
    if system is None:
        return
    db.session.execute(
        update(Server)
        .where(Server.tenant_id == tenant_id, Server.id == server_id, Server.os_type == "unknown")
        .values(os_type=system[0], os_version=system[1], version=Server.version + 1)
        .execution_options(synchronize_session=False)
    )
