"""Tokens with which a run reaches its workspace's state: signed, not stored, and good only while the run is open.

``mwrun.<claims>.<mac>``: claims are base64url JSON, the mac is HMAC-SHA256 under a key derived from the master key. A
token names tenant, run, attempt, project and workspace, and whether it may lock and write. Whoever checks it asks the
run's row: an attempt that has ended or was given up has no token any more.
"""

from __future__ import annotations

import base64
import hmac
import json
from dataclasses import asdict, dataclass

from sqlalchemy import select

from app.accounts.models import User
from app.core.actor import Actor, Role, Via
from app.core.crypto import keyed_digest
from app.core.db import db
from app.core.errors import NotSignedIn
from app.core.permissions import Permission
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.jobs.models import Launch, Run
from app.jobs.status import RUN_OPEN

PREFIX = "mwrun."
USERNAME = "run"
_ENDED = "The run of this token has ended. A token of a run is good for nothing else."


@dataclass(frozen=True, slots=True)
class RunClaims:
    """What a token says."""

    tenant_id: int
    run_uuid: str
    attempt: int
    project_uuid: str
    workspace: str
    may_lock: bool
    may_write: bool


def make_token(claims: RunClaims) -> str:
    """Return the token of an attempt of a run."""
    body = base64.urlsafe_b64encode(json.dumps(asdict(claims)).encode()).rstrip(b"=").decode("ascii")
    return f"{PREFIX}{body}.{_macs(body)[0]}"


def _macs(body: str) -> list[str]:
    """Return the MAC under every master key that there is, the one in use first (they are rotated)."""
    keys = [line.strip() for line in settings().master_key.get_secret_value().splitlines() if line.strip()]
    return [keyed_digest(f"millwright run token|{key}", body).hex() for key in keys]


def read_token(text: str) -> RunClaims:
    """Return what a token says if it is ours; raises NotSignedIn."""
    body, _, mac = text.removeprefix(PREFIX).partition(".")
    if not any(hmac.compare_digest(mac.encode(), good.encode()) for good in _macs(body)):
        raise NotSignedIn("This is no token of a run.")
    found = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return RunClaims(**found)


def actor_of(text: str) -> Actor:
    """Return the run that holds a token as an actor: its launcher, with the state of one workspace and nothing else.

    Raises NotSignedIn for a token that is none, or whose run has ended.
    """
    claims = read_token(text)
    with system_scope("whose run this is"):
        row = db.session.execute(
            select(Run.status, Run.attempt, Launch.user_id, User.username)
            .join(Launch, Launch.id == Run.launch_id)
            .join(User, User.id == Launch.user_id)
            .where(Run.tenant_id == claims.tenant_id, Run.uuid == claims.run_uuid)
        ).first()
    if row is None or row.status not in RUN_OPEN or row.attempt != claims.attempt:
        raise NotSignedIn(_ENDED)
    scopes = {Permission.TERRAFORM_STATE_READ}
    if claims.may_lock:
        scopes.add(Permission.TERRAFORM_STATE_LOCK)
    if claims.may_write:
        scopes.add(Permission.TERRAFORM_STATE_WRITE)
    return Actor(
        tenant_id=claims.tenant_id,
        user_id=row.user_id,
        role=Role.ADMIN,
        label=f"a run of {row.username}",
        via=Via.SYSTEM,
        scopes=frozenset(scope.value for scope in scopes),
        run_uuid=claims.run_uuid,
        bound_to=f"{claims.project_uuid}/{claims.workspace}",
    )
