"""Commands on connection tests: asking for one. What a worker then does is in connection_test."""

from __future__ import annotations

from app.audit import service as audit
from app.core import queue
from app.core.actor import Actor
from app.core.db import db
from app.core.db_time import database_now
from app.core.errors import Conflict
from app.core.permissions import Permission, require
from app.inventory import queries
from app.inventory.models import Connection, Server
from app.inventory.trail import server_resource

TEST_SERVER = "inventory.test_server"  # the doorbell; the row is the truth


def request_server_test(actor: Actor, server_id: int) -> Server:
    """Ask a worker to test the connection; asking again while one waits changes nothing. Audited.

    Raises NotFound, Conflict for an inactive server, PermissionDenied for the platform's own machine.
    """
    require(actor, Permission.SERVER_TEST)
    server = queries.get_server(actor, server_id)
    if server.is_controller or server.connection is Connection.LOCAL:
        require(actor, Permission.SERVER_ADMIN)
    if not server.is_active:
        raise Conflict("This server is inactive. Reactivate it, then test the connection.")
    if server.test_requested_at is None:
        server.test_requested_at = database_now()
        server.test_requested_by = actor.user_id
        server.test_started_at = None
        db.session.flush()
        audit.record(actor, "server:test", server_resource(server), action="TEST")
    queue.send_after_commit(TEST_SERVER, server_id=server.id)
    return server
