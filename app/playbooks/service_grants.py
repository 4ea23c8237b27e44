"""Commands on rights to a saved launch: give one to a person, a team or a role, take it back."""

from __future__ import annotations

from sqlalchemy import false, select, true

from app.accounts.models import User
from app.accounts.models_teams import Team
from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.errors import InvalidInput, NotFound
from app.core.permissions import ROLE_GRANTS, Permission, require
from app.core.tenancy import scoped
from app.playbooks import queries_saved, saved_rights
from app.playbooks.models_saved import GrantAct, SavedLaunch, SavedLaunchGrant


def grant(
    actor: Actor,
    saved_uuid: str,
    *,
    act: GrantAct,
    user_id: int | None = None,
    team_uuid: str | None = None,
    role: Role | None = None,
) -> SavedLaunchGrant:
    """Let a person, a team or everybody of a role launch or edit a saved launch; again changes the act.

    Exactly one grantee. InvalidInput for editing by viewers: whoever edits chooses servers and values, which is an
    operator's work. Viewers in a team that may edit can launch.
    """
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    saved = queries_saved.get_saved(actor, saved_uuid)
    saved_rights.require_grant(actor, saved)
    if [user_id, team_uuid, role].count(None) != 2:
        raise InvalidInput(user_id="Name one: a person, a team or a role.")
    if act is GrantAct.EDIT:
        _refuse_editing_viewers(actor, user_id, role)
    user = _active_user(actor, user_id) if user_id is not None else None
    team = _active_team(actor, team_uuid) if team_uuid is not None else None
    columns = {"user_id": user.id if user else None, "team_id": team.id if team else None, "role": role}
    row = db.session.scalar(
        scoped(actor, SavedLaunchGrant).where(
            SavedLaunchGrant.saved_launch_id == saved.id,
            *(getattr(SavedLaunchGrant, name) == value for name, value in columns.items() if value is not None),
        )
    )
    if row is None:
        row = SavedLaunchGrant(tenant_id=actor.tenant_id, saved_launch_id=saved.id, granted_by=actor.user_id, **columns)
        db.session.add(row)
    row.act = act
    db.session.flush()
    _record(actor, "saved_launch:grant", saved, row, user.username if user else team.name if team else str(role))
    return row


def revoke_grant(actor: Actor, saved_uuid: str, grant_id: int) -> None:
    """Take a right back; what was launched with it stays."""
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    saved = queries_saved.get_saved(actor, saved_uuid)
    saved_rights.require_grant(actor, saved)
    row = db.session.scalar(
        scoped(actor, SavedLaunchGrant).where(
            SavedLaunchGrant.id == grant_id, SavedLaunchGrant.saved_launch_id == saved.id
        )
    )
    if row is None:
        raise NotFound("This right")
    _record(actor, "saved_launch:revoke", saved, row, None)
    db.session.delete(row)
    db.session.flush()


def _record(actor: Actor, event: str, saved: SavedLaunch, row: SavedLaunchGrant, name: str | None) -> None:
    details = {
        "saved_launch": saved.name,
        "act": row.act.value,
        "user_id": row.user_id,
        "team_id": row.team_id,
        "role": row.role.value if row.role else None,
        **({"to": name} if name else {}),
    }
    audit.record(actor, event, Resource("saved_launch", saved.id, saved.uuid), action="UPDATE", details=details)


def _active_user(actor: Actor, user_id: int) -> User:
    statement = select(User).where(User.tenant_id == actor.tenant_id, User.id == user_id, User.is_active == true())
    found = db.session.scalar(statement.where(User.is_system == false()))
    if found is None:
        raise NotFound("This person")
    return found


def _active_team(actor: Actor, team_uuid: str) -> Team:
    found = db.session.scalar(scoped(actor, Team).where(Team.uuid == team_uuid, Team.is_active == true()))
    if found is None:
        raise NotFound("This team")
    return found


def _refuse_editing_viewers(actor: Actor, user_id: int | None, role: Role | None) -> None:
    if user_id is not None:
        role = _active_user(actor, user_id).role
    if role is not None and Permission.SAVED_LAUNCH_EDIT not in ROLE_GRANTS[role]:
        raise InvalidInput(act="A viewer can be given the right to launch, never to edit.")
