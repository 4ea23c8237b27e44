"""One row of another tenant for each id that a path may hold. A new parameter adds its maker here."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from app.accounts.models import ApiKey, UserSession
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.inventory.models import Server
from tests import factories
from tests.factories import PersonMade

_count = itertools.count(1)


def _api_key(owner: PersonMade) -> object:
    factories.make_key(owner)
    return max(row.id for row in factories.rows(ApiKey) if row.tenant_id == owner.tenant_id)


def _session(owner: PersonMade) -> object:
    factories.make_session(owner)
    return max(row.id for row in factories.rows(UserSession) if row.tenant_id == owner.tenant_id)


def _server(owner: PersonMade) -> object:
    with factories.context(), system_scope("test"), unit_of_work():
        server = Server(
            tenant_id=owner.tenant_id, hostname=f"theirs-{next(_count)}.example.org", ip_address="192.0.2.9"
        )
        db.session.add(server)
        db.session.flush()
        return server.id


# Beginning of the route, parameter -> a function that stores a row of ``owner``'s tenant and returns the id.
MAKERS: dict[tuple[str, str], Callable[[PersonMade], object]] = {
    ("/me/keys/", "key_id"): _api_key,
    ("/api/v1/api-keys/", "key_id"): _api_key,
    ("/me/sessions/", "session_id"): _session,
    ("/servers/", "server_id"): _server,
    ("/api/v1/servers/", "server_id"): _server,
}


def make_foreign(route: str, names: list[str], owner: PersonMade) -> dict[str, object]:
    """Store what the route's parameters name, in ``owner``'s tenant; parameters without a maker are left out."""
    return {
        name: make(owner) for (beginning, name), make in MAKERS.items() if name in names and route.startswith(beginning)
    }
