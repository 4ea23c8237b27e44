"""Who may do what with a saved launch: THE place of that rule.

Everybody of a tenant sees its saved launches. Operators and administrators may launch each of them; others may launch
those that were granted to them, their team or their role. The owner, administrators and people with a grant to edit
may edit; a viewer never may, whatever was granted: who edits chooses the servers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, or_, select

from app.accounts.queries_teams import teams_of
from app.core.actor import Actor, Role
from app.core.db import db
from app.core.errors import PermissionDenied
from app.core.permissions import ROLE_GRANTS, Permission, can, require
from app.playbooks.models_saved import GrantAct, SavedLaunch, SavedLaunchGrant

# What somebody has while pressing a saved launch that was granted to them: an operator's launching, nothing of an
# administrator's, so the platform's own machine stays closed.
_WHILE_PRESSING = frozenset(
    permission.value
    for permission in (Permission.JOB_LAUNCH, Permission.JOB_VIEW, Permission.PLAYBOOK_VIEW, Permission.SERVER_VIEW)
)


class NotGranted(PermissionDenied):
    """The role may in general, but not with this saved launch."""

    def __init__(self, act: GrantAct, name: str, role: str) -> None:
        super().__init__(f"saved_launch:{act.value}", role)
        self.message = f"You have no right to {act.value} '{name}'. Ask its owner or an administrator for one."
        self.args = (self.message,)


def _to_me(actor: Actor) -> ColumnElement[bool]:
    mine = [SavedLaunchGrant.user_id == actor.user_id, SavedLaunchGrant.role == actor.role]
    teams = teams_of(actor)
    if teams:
        mine.append(SavedLaunchGrant.team_id.in_(teams))
    return or_(*mine)


def granted_to(actor: Actor, *acts: GrantAct) -> ColumnElement[bool]:
    """Return the condition on SavedLaunch that one of ``acts`` was granted to the actor, a team or role of theirs."""
    grants = select(SavedLaunchGrant.saved_launch_id).where(
        SavedLaunchGrant.tenant_id == actor.tenant_id, SavedLaunchGrant.act.in_(acts), _to_me(actor)
    )
    return SavedLaunch.id.in_(grants)


def launches_all(actor: Actor) -> bool:
    """Say whether the actor's role lets them launch every saved launch."""
    return can(actor, Permission.SAVED_LAUNCH_LAUNCH) and Permission.JOB_LAUNCH in ROLE_GRANTS[actor.role]


def launchable(actor: Actor, saved: Sequence[SavedLaunch]) -> set[int]:
    """Return the ids of those that the actor may launch (one query at most, two with teams)."""
    if not can(actor, Permission.SAVED_LAUNCH_LAUNCH):
        return set()
    if launches_all(actor):
        return {row.id for row in saved}
    return _granted_ids(actor, saved, *GrantAct)


def editable(actor: Actor, saved: Sequence[SavedLaunch]) -> set[int]:
    """Return the ids of those that the actor may edit (one query at most, two with teams)."""
    if not can(actor, Permission.SAVED_LAUNCH_EDIT):
        return set()
    if actor.role is Role.ADMIN:
        return {row.id for row in saved}
    own = {row.id for row in saved if row.owner_id == actor.user_id}
    return own | _granted_ids(actor, [row for row in saved if row.id not in own], GrantAct.EDIT)


def _granted_ids(actor: Actor, saved: Sequence[SavedLaunch], *acts: GrantAct) -> set[int]:
    if not saved:
        return set()
    statement = select(SavedLaunch.id).where(
        SavedLaunch.tenant_id == actor.tenant_id,
        SavedLaunch.id.in_([row.id for row in saved]),
        granted_to(actor, *acts),
    )
    return set(db.session.scalars(statement))


def may_grant(actor: Actor, saved: SavedLaunch) -> bool:
    """Say whether the actor may give rights on a saved launch away: its owner and administrators."""
    mine = actor.role is Role.ADMIN or saved.owner_id == actor.user_id
    return mine and can(actor, Permission.SAVED_LAUNCH_EDIT)


def require_launch(actor: Actor, saved: SavedLaunch) -> None:
    """Raise PermissionDenied unless the actor may launch this one."""
    require(actor, Permission.SAVED_LAUNCH_LAUNCH)
    if saved.id not in launchable(actor, [saved]):
        raise NotGranted(GrantAct.LAUNCH, saved.name, actor.role.value)


def require_edit(actor: Actor, saved: SavedLaunch) -> None:
    """Raise PermissionDenied unless the actor may edit this one."""
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    if saved.id not in editable(actor, [saved]):
        raise NotGranted(GrantAct.EDIT, saved.name, actor.role.value)


def require_grant(actor: Actor, saved: SavedLaunch) -> None:
    """Raise PermissionDenied unless the actor may say who else may launch or edit this one."""
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    if not may_grant(actor, saved):
        raise NotGranted(GrantAct.EDIT, saved.name, actor.role.value)


def is_lent(actor: Actor) -> bool:
    """Say whether the actor launches only by what was granted, not by a right of their own."""
    return not can(actor, Permission.JOB_LAUNCH)


def pressing(actor: Actor) -> Actor:
    """Return the same person with what pressing a saved launch needs. Only after ``require_launch``, only for it."""
    if not is_lent(actor):
        return actor
    return replace(actor, role=Role.OPERATOR, scopes=_WHILE_PRESSING)
