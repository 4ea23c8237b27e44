"""Commands on servers: create, update, deactivate, reactivate, and the built-in controller."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, true
from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.inventory import draft, events, queries, queries_kept
from app.inventory.draft import ServerInput
from app.inventory.models import Connection, Server, ServerTag
from app.inventory.trail import server_resource, shown

MAXIMUM_JUMPS = 4  # hosts between the worker and a server
CONTROLLER = "controller"


def create_server(actor: Actor, given: ServerInput) -> Server:
    """Add a server. Raises InvalidInput by field, PermissionDenied for what only administrators may set,
    Conflict when an active server has the name. Audited.
    """
    require(actor, Permission.SERVER_EDIT)
    missing = {name: "This is needed." for name in draft.REQUIRED if not given.get(name)}
    if missing:
        raise InvalidInput(**missing)
    wanted = draft.clean(given)
    draft.check_rights(actor, wanted)
    server = Server(tenant_id=actor.tenant_id, **wanted)
    server.tags = wanted.get("tags", [])
    _check_jump_host(actor, server, wanted.get("jump_host_id"))
    _check_name(actor, server.hostname)
    db.session.add(server)
    _flush(server)
    _mirror_tags(server)
    audit.record(actor, "server:create", server_resource(server), action="CREATE", details=shown(wanted))
    return server


def update_server(actor: Actor, server_id: int, given: ServerInput, *, version: int | None) -> Server:
    """Change the given fields. ``version`` is the one the edit was made from (None: do not compare).

    Raises NotFound, VersionConflict, InvalidInput, PermissionDenied, Conflict. Nothing changed: nothing recorded.
    """
    require(actor, Permission.SERVER_EDIT)
    server = queries.get_server(actor, server_id)
    if server.is_controller:
        require(actor, Permission.SERVER_ADMIN)
        _keep_controller(given)
    changed = draft.changes_of(server, draft.clean(given, is_controller=server.is_controller))
    has_password = bool(queries_kept.credentials_of(actor, server.id))
    draft.check_rights(actor, changed, before=server, has_password=has_password)
    check_version(server, version)
    if not changed:
        server.version -= 1
        return server
    before = {name: getattr(server, name) for name in changed}
    if "jump_host_id" in changed:
        _check_jump_host(actor, server, changed["jump_host_id"])
    if "hostname" in changed and server.is_active:
        _check_name(actor, changed["hostname"])
    for name, value in changed.items():
        setattr(server, name, value)
    _flush(server)
    if "tags" in changed:
        _mirror_tags(server)
    old, new = shown(before), shown(changed)
    details = audit.changes(old, new, sorted(old | new))
    audit.record(actor, "server:update", server_resource(server), action="UPDATE", details=details)
    return server


def deactivate_server(actor: Actor, server_id: int, *, version: int | None = None) -> Server:
    """Take a server out of use; its history stays. Twice is fine.

    Raises Conflict while jobs are open on it, other servers are reached through it, or for the controller.
    """
    require(actor, Permission.SERVER_EDIT)
    server = queries.get_server(actor, server_id)
    if not server.is_active:
        return server
    draft.check_rights(actor, {"is_active": False}, before=server)
    reasons = list_reasons_to_stay(actor, server)
    if reasons:
        raise Conflict(" ".join(reasons), error="server_in_use")
    check_version(server, version)
    server.is_active = False
    _flush(server)
    audit.record(
        actor, "server:deactivate", server_resource(server), action="UPDATE", details={"is_active": [True, False]}
    )
    return server


def reactivate_server(actor: Actor, server_id: int, *, version: int | None = None) -> Server:
    """Take a server back into use. Raises Conflict when its name or jump host is no longer to be had."""
    require(actor, Permission.SERVER_EDIT)
    server = queries.get_server(actor, server_id)
    if server.is_active:
        return server
    draft.check_rights(actor, {"is_active": True}, before=server)
    check_version(server, version)
    _check_name(actor, server.hostname)
    try:
        _check_jump_host(actor, server, server.jump_host_id)
    except InvalidInput as error:
        raise Conflict("Its jump host cannot be used any more. Edit the server first.") from error
    server.is_active = True
    _flush(server)
    audit.record(
        actor, "server:reactivate", server_resource(server), action="UPDATE", details={"is_active": [False, True]}
    )
    return server


def list_reasons_to_stay(actor: Actor, server: Server) -> list[str]:
    """Return why this server cannot be deactivated now, in sentences; empty when it can."""
    require(actor, Permission.SERVER_VIEW)
    if server.is_controller:
        return ["The controller is built in and cannot be deactivated."]
    reasons = events.reasons_to_stay(actor.tenant_id, server.id)
    behind = queries.list_behind(actor, server.id)
    if behind:
        reasons.append(f"It is the jump host of {', '.join(behind)}. Give those another one first.")
    return reasons


def ensure_controller(actor: Actor) -> Server:
    """Make the platform's own machine a server of the actor's tenant, once; for the first start."""
    require(actor, Permission.SERVER_ADMIN)
    found = db.session.scalar(scoped(actor, Server).where(Server.is_controller == true()).limit(1))
    if found is not None:
        return found
    server = Server(
        tenant_id=actor.tenant_id,
        hostname=CONTROLLER,
        ip_address="127.0.0.1",
        connection=Connection.LOCAL,
        is_controller=True,
        tags=[],
        description="The machine of the worker itself. Plays on localhost run here. Administrators only.",
    )
    db.session.add(server)
    _flush(server)
    audit.record(actor, "server:create", server_resource(server), action="CREATE", details={"hostname": CONTROLLER})
    return server


def _keep_controller(given: ServerInput) -> None:
    for name, message in (
        ("connection", "The controller is always reached locally."),
        ("jump_host_id", "The controller is reached without a jump host."),
    ):
        if given.get(name) not in (None, Connection.LOCAL):
            raise InvalidInput(**{name: message})


def _check_name(actor: Actor, hostname: str) -> None:
    if queries.find_by_hostname(actor, hostname) is not None:
        raise _name_taken(hostname)


def _name_taken(hostname: str) -> Conflict:
    message = (
        f"An active server has this name ({hostname}). Choose another one, or deactivate that server first: a rebuilt "
        "host takes its name back once the old entry is inactive."
    )
    return Conflict(message, errors={"hostname": [message]}, error="hostname_taken")


def _flush(server: Server) -> None:
    hostname = server.hostname
    try:
        with db.session.begin_nested():
            db.session.flush()
    except IntegrityError as error:  # somebody else took the name between the look and the write
        raise _name_taken(hostname) from error


def _mirror_tags(server: Server) -> None:
    db.session.execute(
        delete(ServerTag)
        .where(ServerTag.tenant_id == server.tenant_id, ServerTag.server_id == server.id)
        .execution_options(synchronize_session=False)
    )
    rows = [{"tenant_id": server.tenant_id, "server_id": server.id, "tag": tag} for tag in server.tags or []]
    if rows:
        db.session.execute(insert(ServerTag), rows)


def _check_jump_host(actor: Actor, server: Server, jump_host_id: int | None) -> None:
    """Walk the chain of jump hosts: each active, on ssh, of the same tenant, none of them the server itself."""
    seen: set[int] = {server.id} if server.id is not None else set()
    following = jump_host_id
    while following is not None:
        if following in seen:
            raise InvalidInput(jump_host_id="This would be a circle of jump hosts. Choose another one.")
        if len(seen) > MAXIMUM_JUMPS:
            raise InvalidInput(jump_host_id=f"At most {MAXIMUM_JUMPS} jump hosts in a row.")
        seen.add(following)
        row = db.session.execute(
            select(Server.is_active, Server.connection, Server.jump_host_id).where(
                Server.tenant_id == actor.tenant_id, Server.id == following
            )
        ).one_or_none()
        if row is None or not row.is_active or row.connection is not Connection.SSH:
            raise InvalidInput(jump_host_id="Choose an active server with an ssh connection as jump host.")
        following = row.jump_host_id
