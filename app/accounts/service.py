"""Acts on API keys and sessions of one's own."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import true

from app.accounts import keys, queries
from app.accounts.models import ApiKey
from app.accounts.sessions import revoke_sessions
from app.audit import service as audit
from app.audit.service import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import NEVER_BY_KEY, ROLE_GRANTS, Permission, require
from app.core.runtime import settings
from app.core.versioning import check_version

MAXIMUM_KEYS = 50  # active ones of one person


def grantable_scopes(actor: Actor) -> list[str]:
    """Return what the actor may give to a key, in the enum's order."""
    require(actor, Permission.API_KEY_OWN)
    grants = ROLE_GRANTS[actor.role] - NEVER_BY_KEY
    if actor.is_platform_admin:
        grants |= {Permission.PLATFORM_ADMIN}
    return [permission.value for permission in Permission if permission in grants]


def create_api_key(
    actor: Actor, *, name: str, scopes: list[str] | None = None, expires_in_days: int | None = None
) -> tuple[ApiKey, str]:
    """Make a key for the actor's own user and return it with its text, which is kept nowhere.

    ``scopes`` None gives all that the role has, now and later. Raises InvalidInput for scopes beyond the role,
    Conflict beyond MAXIMUM_KEYS active keys. Audited.
    """
    require(actor, Permission.API_KEY_OWN)
    if actor.user_id is None:
        raise InvalidInput("A key belongs to a user, and this actor is none.")
    beyond = sorted(set(scopes or ()) - set(grantable_scopes(actor)))
    if beyond:
        raise InvalidInput(scopes=f"Your role cannot give: {', '.join(beyond)}.")
    if scopes is not None and not scopes:
        raise InvalidInput(scopes="Choose at least one scope, or leave the choice out for all of your role's.")
    active = queries.own_keys(actor).where(ApiKey.is_active == true()).limit(MAXIMUM_KEYS)
    if len(db.session.scalars(active).all()) >= MAXIMUM_KEYS:
        raise Conflict(f"You have {MAXIMUM_KEYS} active keys. Revoke those that nobody uses, then make a new one.")
    prefix, text = keys.new_key()
    row = ApiKey(
        tenant_id=actor.tenant_id,
        user_id=actor.user_id,
        name=name,
        prefix=prefix,
        digest=keys.digest(text),
        scopes=sorted(set(scopes)) if scopes is not None else None,
        expires_at=database_now() + timedelta(days=expires_in_days or settings().api_key_days),
    )
    db.session.add(row)
    db.session.flush()
    details = {"name": name, "prefix": prefix, "scopes": row.scopes}
    audit.record(actor, "api_key:create", Resource("api_key", row.id), action="CREATE", details=details)
    return row, text


def revoke_api_key(actor: Actor, key_id: int) -> ApiKey:
    """End one of the actor's own keys from the next request on; again is no error. Audited."""
    require(actor, Permission.API_KEY_OWN)
    row = queries.find_own_key(actor, key_id)
    if row.is_active:
        row.is_active = False
        row.version += 1
        db.session.flush()
        resource, details = Resource("api_key", row.id), {"prefix": row.prefix}
        audit.record(actor, "api_key:revoke", resource, action="DELETE", details=details)
    return row


def rename_api_key(actor: Actor, key_id: int, *, name: str, version: int | None = None) -> ApiKey:
    """Give one of the actor's own keys another name. Raises NotFound, VersionConflict. Audited."""
    require(actor, Permission.API_KEY_OWN)
    row = queries.find_own_key(actor, key_id)
    if name == row.name and version in (None, row.version):
        return row
    check_version(row, version)
    before, row.name = row.name, name
    db.session.flush()
    details = {"prefix": row.prefix, "name": [before, name]}
    audit.record(actor, "api_key:update", Resource("api_key", row.id), action="UPDATE", details=details)
    return row


def revoke_session(actor: Actor, session_id: int) -> None:
    """End one of the actor's own sessions from the next request on. Raises NotFound. Audited."""
    require(actor, Permission.PROFILE_OWN)
    if actor.user_id is None or not revoke_sessions(actor.user_id, session_id):
        raise NotFound("This session")
    audit.record(actor, "session:revoke", Resource("session", session_id), action="DELETE")


def sign_out(actor: Actor, session_id: int) -> None:
    """End the session that the actor uses. Audited."""
    require(actor, Permission.PROFILE_OWN)
    if actor.user_id is not None and revoke_sessions(actor.user_id, session_id):
        audit.record(actor, "session:end", Resource("session", session_id), action="LOGOUT")
