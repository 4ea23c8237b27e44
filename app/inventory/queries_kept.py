"""Reads of what is kept beside servers: which passwords are set, facts, last jobs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory import queries
from app.inventory.models_kept import ServerCredential, ServerFacts, ServerFactValue, ServerLastJob


def credentials_of(actor: Actor, server_id: int) -> Sequence[ServerCredential]:
    """Return which passwords of a server are set, by kind; the passwords themselves are not loaded."""
    require(actor, Permission.SERVER_VIEW)
    return db.session.scalars(
        scoped(actor, ServerCredential).where(ServerCredential.server_id == server_id).order_by(ServerCredential.kind)
    ).all()


def get_facts(actor: Actor, server_id: int) -> ServerFacts:
    """Return the facts of a server with their data. Raises NotFound for the server, or when none were gathered yet."""
    require(actor, Permission.SERVER_VIEW)
    queries.get_server(actor, server_id)
    found = db.session.scalar(
        scoped(actor, ServerFacts).where(ServerFacts.server_id == server_id).options(undefer(ServerFacts.data))
    )
    if found is None:
        raise NotFound("No facts were gathered from this server yet; what you asked for")
    return found


def facts_row(actor: Actor, server_id: int) -> ServerFacts | None:
    """Return when and how facts were gathered, without the data; None before the first time."""
    require(actor, Permission.SERVER_VIEW)
    return db.session.scalar(scoped(actor, ServerFacts).where(ServerFacts.server_id == server_id))


def key_facts(actor: Actor, server_id: int) -> dict[str, str]:
    """Return the searchable facts of a server by short name."""
    require(actor, Permission.SERVER_VIEW)
    rows = db.session.execute(
        select(ServerFactValue.name, ServerFactValue.value).where(
            ServerFactValue.tenant_id == actor.tenant_id, ServerFactValue.server_id == server_id
        )
    )
    return {row.name: row.value for row in rows}


def last_jobs_of(actor: Actor, server_ids: Collection[int]) -> dict[int, ServerLastJob]:
    """Return how the last job of each server ended; one query."""
    require(actor, Permission.SERVER_VIEW)
    rows = db.session.scalars(scoped(actor, ServerLastJob).where(ServerLastJob.server_id.in_(server_ids)))
    return {row.server_id: row for row in rows}
