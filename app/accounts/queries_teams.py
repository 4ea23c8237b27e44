"""Reads of teams and their members."""

from __future__ import annotations

from sqlalchemy import select

from app.accounts.models_teams import Team, TeamMember
from app.core.actor import Actor
from app.core.db import db


def teams_of(actor: Actor) -> list[int]:
    """Return the ids of the active teams that the acting user is in, ascending; none for the platform itself.

    Asks no permission: it is for deciding what the actor may see or do.
    """
    if actor.user_id is None:
        return []
    statement = (
        select(TeamMember.team_id)
        .join(Team, (Team.tenant_id == TeamMember.tenant_id) & (Team.id == TeamMember.team_id))
        .where(
            TeamMember.tenant_id == actor.tenant_id,
            TeamMember.user_id == actor.user_id,
            Team.tenant_id == actor.tenant_id,
            Team.is_active.is_(True),
        )
        .order_by(TeamMember.team_id)
    )
    return list(db.session.scalars(statement))
