"""Acts on teams and their members. Teams are deactivated, never deleted."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy import delete, select

from app.accounts import queries_teams, queries_users
from app.accounts.models_teams import Team, TeamMember
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.core.versioning import check_version

MAXIMUM_MEMBERS = 1000


class TeamFields(TypedDict, total=False):
    """What an administrator sets on a team; what is left out stays."""

    name: str
    description: str | None
    is_active: bool


def create_team(actor: Actor, *, name: str, description: str | None = None) -> Team:
    """Make a team without members. Raises Conflict when the name is taken, also by a deactivated team. Audited."""
    require(actor, Permission.TEAM_EDIT)
    name = _usable(name)
    _refuse_taken(actor, name)
    team = Team(tenant_id=actor.tenant_id, name=name, description=(description or "").strip() or None)
    db.session.add(team)
    db.session.flush()
    audit.record(actor, "team:create", Resource("team", team.id, team.uuid), action="CREATE", details={"name": name})
    return team


def edit_team(actor: Actor, team_uuid: str, changes: TeamFields, *, version: int | None = None) -> Team:
    """Change, deactivate or reactivate a team. Raises NotFound, VersionConflict, Conflict. Audited."""
    require(actor, Permission.TEAM_EDIT)
    team = queries_teams.get_team(actor, team_uuid, lock=True)
    wanted: dict[str, Any] = dict(changes)
    if "name" in wanted:
        wanted["name"] = _usable(wanted["name"])
    if "description" in wanted:
        wanted["description"] = (wanted["description"] or "").strip() or None
    done = {name: value for name, value in wanted.items() if value != getattr(team, name)}
    if not done and version in (None, team.version):
        return team
    check_version(team, version)
    if "name" in done:
        _refuse_taken(actor, done["name"], team.id)
    details = {name: [getattr(team, name), value] for name, value in done.items()}
    for name, value in done.items():
        setattr(team, name, value)
    db.session.flush()
    event = "team:update"
    if "is_active" in done:
        event = "team:reactivate" if team.is_active else "team:deactivate"
    audit.record(actor, event, Resource("team", team.id, team.uuid), action="UPDATE", details=details)
    return team


def add_member(actor: Actor, team_uuid: str, user_id: int) -> bool:
    """Put a person into a team; False when they were in it. Raises NotFound, Conflict. Audited."""
    require(actor, Permission.TEAM_EDIT)
    team = queries_teams.get_team(actor, team_uuid, lock=True)
    user = queries_users.get_user(actor, user_id)
    if not user.is_active:
        raise Conflict(f"{user.username} is deactivated. Reactivate them first, then add them.")
    mine = scoped(actor, TeamMember).where(TeamMember.team_id == team.id)
    if db.session.scalar(mine.where(TeamMember.user_id == user.id)) is not None:
        return False
    if len(db.session.scalars(mine.limit(MAXIMUM_MEMBERS)).all()) >= MAXIMUM_MEMBERS:
        raise Conflict(f"A team has at most {MAXIMUM_MEMBERS:,} members. Make another one.")
    db.session.add(TeamMember(tenant_id=actor.tenant_id, team_id=team.id, user_id=user.id))
    db.session.flush()
    details = {"user_id": user.id, "username": user.username}
    audit.record(actor, "team:add_member", Resource("team", team.id, team.uuid), action="UPDATE", details=details)
    return True


def remove_member(actor: Actor, team_uuid: str, user_id: int) -> None:
    """Take a person out of a team. Raises NotFound when they are not in it. Audited."""
    require(actor, Permission.TEAM_EDIT)
    team = queries_teams.get_team(actor, team_uuid)
    done = db.session.execute(
        delete(TeamMember)
        .where(TeamMember.tenant_id == actor.tenant_id, TeamMember.team_id == team.id, TeamMember.user_id == user_id)
        .execution_options(synchronize_session=False)
    )
    if getattr(done, "rowcount", 0) != 1:
        raise NotFound("This member")
    details = {"user_id": user_id}
    audit.record(actor, "team:remove_member", Resource("team", team.id, team.uuid), action="UPDATE", details=details)


def _usable(name: str) -> str:
    name = name.strip()
    if not name or not name.isprintable():
        raise InvalidInput(name="Give a name of printable characters.")
    return name


def _refuse_taken(actor: Actor, name: str, own_id: int | None = None) -> None:
    found = db.session.scalar(select(Team.id).where(Team.tenant_id == actor.tenant_id, Team.name == name))
    if found is not None and found != own_id:
        message = "There is a team of this name. Choose another one."
        raise Conflict(message, errors={"name": [message]}, error="name_taken")
