"""What a launch would do, for showing it before: how many servers, which, and whether production is among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import func, select

from app.core.actor import Actor
from app.core.db import db
from app.inventory.models import Server
from app.playbooks.service import PRODUCTION

NAMED = 12


@dataclass(frozen=True, slots=True)
class Plan:
    """``names`` are the first host names; ``production`` counts the servers of that environment."""

    count: int
    names: Sequence[str]
    production: int
    is_check: bool


def plan_of(actor: Actor, server_ids: Sequence[int], is_check: bool) -> Plan:
    """Return the plan of a launch on these servers (two queries)."""
    hit = (Server.tenant_id == actor.tenant_id, Server.id.in_(server_ids))
    names = db.session.scalars(select(Server.hostname).where(*hit).order_by(Server.hostname).limit(NAMED)).all()
    production = db.session.scalar(select(func.count(Server.id)).where(*hit, Server.environment == PRODUCTION))
    return Plan(len(set(server_ids)), names, production or 0, is_check)
