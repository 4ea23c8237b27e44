"""Reads of teams and their members."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, or_, select, true

from app.accounts.models import User
from app.accounts.models_teams import Team, TeamMember
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.sorting import SortKeys
from app.core.tenancy import scoped

TEAM_SORT = SortKeys("name", {"id": Team.id, "name": Team.name})
MEMBERS_SHOWN = 1000  # what a team may have


def teams_of(actor: Actor) -> list[int]:
    """Return the ids of the active teams that the acting user is in, ascending; none for the platform itself.

    Asks no permission: it is for deciding what the actor may see or do.
    """
    return sorted(team.id for team in team_rows_of(actor, actor.user_id))


def team_rows_of(actor: Actor, user_id: int | None) -> Sequence[Team]:
    """Return the active teams that a person of the tenant is in, by name; asks no permission."""
    if user_id is None:
        return []
    mine = select(TeamMember.team_id).where(TeamMember.tenant_id == actor.tenant_id, TeamMember.user_id == user_id)
    statement = scoped(actor, Team).where(Team.is_active == true(), Team.id.in_(mine))
    return db.session.scalars(statement.order_by(Team.name)).all()


def list_teams(
    actor: Actor,
    *,
    is_active: bool | None = None,
    text: str | None = None,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    sort: str | None = None,
) -> Page[Team]:
    """Return one page of the tenant's teams, by name unless ``sort`` says otherwise."""
    require(actor, Permission.TEAM_VIEW)
    statement = scoped(actor, Team)
    if is_active is not None:
        statement = statement.where(Team.is_active == is_active)
    if text:
        columns = (Team.name, Team.description)
        statement = statement.where(or_(*(column.icontains(text.strip(), autoescape=True) for column in columns)))
    return paginate(statement, Team.id, page=page, page_size=page_size, after=after, sort=TEAM_SORT.pick(sort))


def get_team(actor: Actor, team_uuid: str, *, lock: bool = False) -> Team:
    """Return one team by UUID; NotFound when unknown or another tenant's. ``lock`` keeps the row until the commit."""
    require(actor, Permission.TEAM_VIEW)
    statement = scoped(actor, Team).where(Team.uuid == team_uuid)
    found = db.session.scalar(statement.with_for_update() if lock else statement)
    if found is None:
        raise NotFound("This team")
    return found


def list_members(actor: Actor, team: Team) -> Sequence[User]:
    """Return the people in a team by user name, deactivated ones included (at most MEMBERS_SHOWN)."""
    require(actor, Permission.TEAM_VIEW)
    inside = select(TeamMember.user_id).where(TeamMember.tenant_id == actor.tenant_id, TeamMember.team_id == team.id)
    statement = scoped(actor, User).where(User.id.in_(inside)).order_by(User.username).limit(MEMBERS_SHOWN)
    return db.session.scalars(statement).all()


def count_members(actor: Actor, team_ids: Collection[int]) -> dict[int, int]:
    """Return {team id: number of members}; teams without any are left out (one query)."""
    require(actor, Permission.TEAM_VIEW)
    if not team_ids:
        return {}
    rows = db.session.execute(
        select(TeamMember.team_id, func.count().label("members"))
        .where(TeamMember.tenant_id == actor.tenant_id, TeamMember.team_id.in_(team_ids))
        .group_by(TeamMember.team_id)
    ).all()
    return {row.team_id: row.members for row in rows}
