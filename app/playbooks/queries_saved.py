"""Reads of saved launches, their grants and marks. Every one starts from ``scoped``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import false, or_, select, true

from app.accounts.models import User
from app.accounts.models_teams import Team
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.playbooks import saved_rights
from app.playbooks.models import Playbook
from app.playbooks.models_saved import (
    GrantAct,
    SavedLaunch,
    SavedLaunchFavourite,
    SavedLaunchGrant,
    SavedLaunchTag,
)

SORT_KEYS = SortKeys("name", {"name": SavedLaunch.name, "updated": SavedLaunch.updated_at, "created": SavedLaunch.id})


@dataclass(frozen=True, slots=True)
class SavedFilter:
    """What a list of saved launches may be narrowed by; None: not narrowed."""

    q: str | None = None  # in name and description
    tag: str | None = None
    playbook_id: int | None = None
    owner_id: int | None = None
    active: bool | None = True
    favourite: bool = False  # only those that the actor marked
    launchable: bool = False  # only those that the actor may launch


def list_saved(actor: Actor, narrow: SavedFilter, *, sort: str | None = None, **paging: Any) -> Page[SavedLaunch]:
    """Return one page of saved launches, by name unless sorted otherwise."""
    require(actor, Permission.SAVED_LAUNCH_VIEW)
    statement = scoped(actor, SavedLaunch)
    for column, value in ((SavedLaunch.playbook_id, narrow.playbook_id), (SavedLaunch.owner_id, narrow.owner_id)):
        if value is not None:
            statement = statement.where(column == value)
    if narrow.active is not None:
        statement = statement.where(SavedLaunch.is_active == narrow.active)
    if narrow.q:
        columns = (SavedLaunch.name, SavedLaunch.description)
        statement = statement.where(or_(*(column.contains(narrow.q, autoescape=True) for column in columns)))
    if narrow.tag:
        tagged = select(SavedLaunchTag.saved_launch_id).where(
            SavedLaunchTag.tenant_id == actor.tenant_id, SavedLaunchTag.tag == narrow.tag
        )
        statement = statement.where(SavedLaunch.id.in_(tagged))
    if narrow.favourite:
        marked = select(SavedLaunchFavourite.saved_launch_id).where(
            SavedLaunchFavourite.tenant_id == actor.tenant_id, SavedLaunchFavourite.user_id == actor.user_id
        )
        statement = statement.where(SavedLaunch.id.in_(marked))
    if narrow.launchable and not saved_rights.launches_all(actor):
        statement = statement.where(saved_rights.granted_to(actor, *GrantAct))
    return paginate(statement, SavedLaunch.id, sort=SORT_KEYS.pick(sort), **paging)


def get_saved(actor: Actor, saved_uuid: str) -> SavedLaunch:
    """Return one saved launch, active or not; NotFound when it is unknown or another tenant's."""
    require(actor, Permission.SAVED_LAUNCH_VIEW)
    return find_saved(actor, saved_uuid)


def find_saved(actor: Actor, saved_uuid: str) -> SavedLaunch:
    """As ``get_saved``, for whoever may launch it but not look around."""
    found = db.session.scalar(scoped(actor, SavedLaunch).where(SavedLaunch.uuid == saved_uuid))
    if found is None:
        raise NotFound("The saved launch")
    return found


def playbooks_of(actor: Actor, saved: Sequence[SavedLaunch]) -> dict[int, Playbook]:
    """Return the playbooks of saved launches by id."""
    ids = {row.playbook_id for row in saved}
    rows = db.session.scalars(scoped(actor, Playbook).where(Playbook.id.in_(ids))) if ids else ()
    return {row.id: row for row in rows}


def favourites_of(actor: Actor, saved: Sequence[SavedLaunch]) -> set[int]:
    """Return the ids of those that the actor marked."""
    rows = scoped(actor, SavedLaunchFavourite).with_only_columns(SavedLaunchFavourite.saved_launch_id)
    ids = [row.id for row in saved]
    return set(
        db.session.scalars(
            rows.where(SavedLaunchFavourite.user_id == actor.user_id, SavedLaunchFavourite.saved_launch_id.in_(ids))
        )
    )


def tags_in_use(actor: Actor) -> Sequence[str]:
    """Return the tags of saved launches, by name, at most 500."""
    statement = select(SavedLaunchTag.tag).where(SavedLaunchTag.tenant_id == actor.tenant_id)
    return db.session.scalars(statement.distinct().order_by(SavedLaunchTag.tag).limit(500)).all()


def is_named_by_saved(actor: Actor, playbook: Playbook) -> bool:
    """Say whether any saved launch, active or not, launches this playbook."""
    statement = scoped(actor, SavedLaunch).with_only_columns(SavedLaunch.id)
    return db.session.scalar(statement.where(SavedLaunch.playbook_id == playbook.id).limit(1)) is not None


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A grant with the name of whom it is for. ``kind`` is user, team or role."""

    id: int
    act: GrantAct
    kind: str
    name: str
    user_id: int | None
    team_uuid: str | None
    role: str | None
    is_active: bool  # False: the person or team is deactivated, and the grant is without effect


def grants_of(actor: Actor, saved: SavedLaunch) -> list[GrantRow]:
    """Return the grants on a saved launch, oldest first (one query)."""
    require(actor, Permission.SAVED_LAUNCH_VIEW)
    rows = db.session.execute(
        select(SavedLaunchGrant, User.username, User.is_active, Team.name, Team.uuid, Team.is_active)
        .outerjoin(User, (User.tenant_id == SavedLaunchGrant.tenant_id) & (User.id == SavedLaunchGrant.user_id))
        .outerjoin(Team, (Team.tenant_id == SavedLaunchGrant.tenant_id) & (Team.id == SavedLaunchGrant.team_id))
        .where(SavedLaunchGrant.tenant_id == actor.tenant_id, SavedLaunchGrant.saved_launch_id == saved.id)
        .order_by(SavedLaunchGrant.id)
    ).all()
    found = []
    for grant, username, user_active, team_name, team_uuid, team_active in rows:
        kind = "user" if grant.user_id else "team" if grant.team_id else "role"
        name = username or team_name or (grant.role.value if grant.role else "")
        active = bool({"user": user_active, "team": team_active}.get(kind, True))
        role = grant.role.value if grant.role else None
        found.append(GrantRow(grant.id, grant.act, kind, name, grant.user_id, team_uuid, role, active))
    return found


def people(actor: Actor) -> list[tuple[int, str, str]]:
    """Return id, name and role of the active people of the tenant, by name, at most 500; for giving rights."""
    rows = db.session.execute(
        select(User.id, User.username, User.role)
        .where(User.tenant_id == actor.tenant_id, User.is_active == true(), User.is_system == false())
        .order_by(User.username)
        .limit(500)
    )
    return [(row.id, row.username, row.role.value) for row in rows]


def teams(actor: Actor) -> list[tuple[str, str]]:
    """Return UUID and name of the active teams, by name, at most 500; for giving rights."""
    rows = db.session.execute(
        select(Team.uuid, Team.name)
        .where(Team.tenant_id == actor.tenant_id, Team.is_active == true())
        .order_by(Team.name)
        .limit(500)
    )
    return [(row.uuid, row.name) for row in rows]


def hostnames(actor: Actor, server_ids: Sequence[int]) -> list[str]:
    """Return the host names of servers, active or not, by name."""
    rows = select(Server.hostname).where(Server.tenant_id == actor.tenant_id, Server.id.in_(server_ids))
    return list(db.session.scalars(rows.order_by(Server.hostname)))
