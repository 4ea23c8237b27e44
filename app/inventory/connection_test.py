"""The connection test, on a worker: scan the host keys, compare, and if one is accepted sign in once.

The row carries the request and the answer; the doorbell may be lost, doubled or late. Nothing is signed in to
before a person has accepted a host key, and nothing at all when an accepted key has changed.
"""

from __future__ import annotations

import logging
import socket
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, or_, select, true, update

from app.audit import service as audit
from app.core import queue
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope, tenant_scope
from app.inventory import failures, ssh_client, values
from app.inventory.failures import Outcome
from app.inventory.for_run import HostConnection, connection_for
from app.inventory.key_files import KeyFileError
from app.inventory.models import Connection, HostKey, Server
from app.inventory.service_tests import TEST_SERVER
from app.inventory.ssh_client import ScannedKey
from app.inventory.trail import server_resource

log = logging.getLogger(__name__)

RING_AGAIN_SECONDS = 15  # a request that nobody took is rung again
LOST_SECONDS = 180  # a test that began this long ago has died with its worker; longer than all time limits together
MAXIMUM_MESSAGE = 500


class Trust(StrEnum):
    """What is known of a host key."""

    WAITING = "waiting"
    ACCEPTED = "accepted"
    REVOKED = "revoked"


def trust_of(key: HostKey) -> Trust:
    """Return whether a key is accepted, revoked or waiting for a person."""
    if key.revoked_at is not None:
        return Trust.REVOKED
    return Trust.ACCEPTED if key.accepted_at is not None else Trust.WAITING


@dataclass(frozen=True, slots=True)
class Known:
    """A stored host key, apart from its row."""

    key_type: str
    fingerprint: str
    trust: Trust


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one test."""

    outcome: Outcome
    message: str
    keys: Sequence[ScannedKey] = ()
    os_type: str | None = None
    os_version: str | None = None


def test_server(server_id: int) -> None:
    """Carry out a requested test; does nothing when there is none, or another worker has it."""
    taken = _take(server_id)
    if taken is None:
        return
    connection, known = taken
    try:
        answer = examine(connection, known)
    except Exception as error:
        log.exception("inventory.test_failed", extra={"server_id": server_id})
        answer = Answer(Outcome.ERROR, f"The test itself failed ({type(error).__name__}); see the worker's log.")
    _store(connection, answer)


def examine(connection: HostConnection, known: Sequence[Known]) -> Answer:
    """Test one connection from this machine. Opens no database; takes at most about a minute and a half."""
    if connection.connection is Connection.LOCAL:
        return Answer(Outcome.OK, "Reached: plays run on the worker itself.")
    if connection.connection is Connection.WINRM:
        return _knock(connection)
    if connection.jump_hosts and not all(host.known_hosts for host in connection.jump_hosts):
        return Answer(*failures.JUMP_NOT_TRUSTED)
    try:
        connection.check_keys()
    except KeyFileError as error:
        return Answer(Outcome.KEY_FILE, str(error))
    with tempfile.TemporaryDirectory(prefix="millwright-test-") as name:
        config = ssh_client.write_files(connection, Path(name))
        if connection.known_hosts and not connection.jump_hosts and connection.connection is Connection.SSH:
            # With an accepted key ssh itself compares. sshd since OpenSSH 9.8 shuts an address out for a while after a
            # few connections that do not sign in (PerSourcePenalties), and a scan makes three.
            result = ssh_client.sign_in(connection, config)
            if not failures.is_about_host_key(result.finished):
                return _signed_in(connection, result, ())
        keys, finished = ssh_client.scan_keys(connection, config)
        if not keys:
            return Answer(*failures.no_keys(connection, finished))
        verdict = _compare(keys, known)
        if verdict is not None:
            return Answer(*verdict, keys)
        if connection.connection is Connection.NETWORK_CLI:
            return Answer(Outcome.OK, failures.network_reached(connection), keys)
        return _signed_in(connection, ssh_client.sign_in(connection, config), keys)


def _compare(keys: Sequence[ScannedKey], known: Sequence[Known]) -> tuple[Outcome, str] | None:
    """Return what forbids going on: a changed or revoked key, or none accepted yet."""
    accepted = {key.fingerprint: key.key_type for key in known if key.trust is Trust.ACCEPTED}
    revoked = {key.fingerprint for key in known if key.trust is Trust.REVOKED}
    shown = {key.fingerprint for key in keys}
    types = {key.key_type for key in keys}
    changed = [key for key in keys if key.key_type in accepted.values() and key.fingerprint not in accepted]
    if changed or (accepted and not shown & set(accepted)):
        gone = next((mark for mark, kind in accepted.items() if kind in types), next(iter(accepted)))
        return failures.changed(was=gone, now=(changed or list(keys))[0].fingerprint)
    if accepted:
        return None
    if shown <= revoked:
        return failures.REVOKED
    return failures.WAITING


def _signed_in(connection: HostConnection, result: ssh_client.SignIn, keys: Sequence[ScannedKey]) -> Answer:
    if not result.complete:
        return Answer(*failures.sign_in(connection, result.finished), keys)
    os_type, os_version = _usable(result.os_type), _usable(result.os_version)
    if result.python_version is None or result.broken_path is not None:
        broken, works = (_usable(path, values.interpreter) for path in (result.broken_path, result.python_path))
        return Answer(*failures.missing_interpreter(connection, broken, works), keys, os_type, os_version)
    system = " ".join(part for part in (os_type, os_version) if part) or "its system is not known"
    if result.become is False:
        return Answer(*failures.become(connection), keys, os_type, os_version)
    python = _usable(result.python_version) or "?"
    where = _usable(result.python_path, values.interpreter)
    message = f"Reached and signed in as {connection.user}: Python {python}{f' at {where}' if where else ''}, {system}."
    if result.become:
        message = f"{message[:-1]}; becoming {connection.become_user or 'root'} works."
    return Answer(Outcome.OK, message, keys, os_type, os_version)


def _usable(text: str | None, check: Callable[[str], str] = values.os_name) -> str | None:
    """What a server says of itself is taken only if a person could have typed it."""
    try:
        return check(text) if text else None
    except ValueError:
        return None


def _knock(connection: HostConnection) -> Answer:
    try:
        address = (connection.ansible_host, connection.port)
        socket.create_connection(address, timeout=ssh_client.CONNECT_SECONDS).close()
    except OSError as error:
        return Answer(Outcome.UNREACHABLE, failures.unreachable(connection, error.strerror or "no answer"))
    return Answer(Outcome.OK, failures.winrm_reached(connection))


def _take(server_id: int) -> tuple[HostConnection, list[Known]] | None:
    """Claim the test by compare-and-set; None when it is not to be had."""
    with system_scope("connection test"), unit_of_work():
        now = database_now()
        claim = (
            update(Server)
            .where(
                Server.id == server_id,
                Server.is_active == true(),
                Server.test_requested_at.is_not(None),
                or_(
                    Server.test_started_at.is_(None),
                    Server.test_started_at < now - timedelta(seconds=LOST_SECONDS),
                ),
            )
            .values(test_started_at=now)
            .execution_options(synchronize_session=False)
        )
        if cast(CursorResult[Any], db.session.execute(claim)).rowcount == 0:
            return None
        server = db.session.scalars(select(Server).where(Server.id == server_id)).one()
        rows = db.session.scalars(
            select(HostKey).where(HostKey.tenant_id == server.tenant_id, HostKey.server_id == server_id)
        ).all()
        return connection_for(server), [Known(row.key_type, row.fingerprint, trust_of(row)) for row in rows]


def _store(connection: HostConnection, answer: Answer) -> None:
    with tenant_scope(connection.tenant_id), unit_of_work():
        server = db.session.scalars(
            select(Server).where(Server.tenant_id == connection.tenant_id, Server.id == connection.server_id)
        ).one()
        _add_new_keys(server, answer.keys)
        server.last_tested_at = database_now()
        server.last_test_ok = answer.outcome is Outcome.OK
        server.last_test_code = answer.outcome.value
        server.last_test_message = answer.message[:MAXIMUM_MESSAGE]
        server.test_requested_at = server.test_started_at = None
        if server.os_type == "unknown" and answer.os_type:
            server.os_type, server.os_version = answer.os_type, answer.os_version
        if answer.outcome is Outcome.HOST_KEY_CHANGED:
            log.warning("inventory.host_key_changed", extra={"server_id": server.id})
            audit.record(
                Actor.system(server.tenant_id),
                "host_key:changed",
                server_resource(server),
                action="ALERT",
                details={"hostname": server.hostname, "shown": [key.fingerprint for key in answer.keys]},
                outcome="failed",
            )


def _add_new_keys(server: Server, keys: Sequence[ScannedKey]) -> None:
    known = set(
        db.session.scalars(
            select(HostKey.fingerprint).where(HostKey.tenant_id == server.tenant_id, HostKey.server_id == server.id)
        )
    )
    for key in keys:
        if key.fingerprint not in known:
            db.session.add(
                HostKey(
                    tenant_id=server.tenant_id,
                    server_id=server.id,
                    key_type=key.key_type,
                    public_key=key.public_key,
                    fingerprint=key.fingerprint,
                )
            )


def overdue_tests(limit: int = 100) -> list[int]:
    """Return ids of servers whose test nobody took, or whose worker died with it; oldest first."""
    with system_scope("keeper: overdue connection tests"), unit_of_work(writes=False):
        now = database_now()
        lost = now - timedelta(seconds=LOST_SECONDS)
        statement = (
            select(Server.id)
            .where(
                Server.test_requested_at < now - timedelta(seconds=RING_AGAIN_SECONDS),
                Server.is_active == true(),
                or_(Server.test_started_at.is_(None), Server.test_started_at < lost),
            )
            .order_by(Server.test_requested_at)
            .limit(limit)
        )
        return list(db.session.scalars(statement))


def ring_overdue_tests() -> int:
    """The keeper's chore: ring for every overdue test; return how many doorbells were sent."""
    return sum(queue.send(TEST_SERVER, server_id=server_id) for server_id in overdue_tests())
