"""Passwords of servers: set, replaced, removed, never shown, and used where they belong."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from app.inventory import credentials, service, service_credentials
from app.inventory.for_run import connections_for
from app.inventory.models import Server
from app.inventory.models_kept import CredentialKind, ServerCredential
from tests.inventory.conftest import Acting

PASSWORD = "correct-horse-battery"


def stored(session: Session) -> list[str]:
    return list(session.scalars(select(ServerCredential.sealed).order_by(ServerCredential.id)))


@pytest.mark.database
def test_a_password_is_sealed_replaced_opened_for_a_run_and_forgotten(
    acting: Acting, admin: Actor, make_server: Callable[..., int], events_recorded: Callable[[], list[str]]
) -> None:
    server_id = make_server()
    for password in ("the-first-password", PASSWORD):
        with acting(admin) as session:
            service_credentials.set_credential(admin, server_id, "become", password)
            (sealed,) = stored(session)
            assert password not in sealed and sealed.startswith("v1.")
    with acting(admin) as session:
        server = session.scalars(select(Server).where(Server.id == server_id)).one()
        (connection,) = connections_for([server])
        assert connection.passwords == {"become": PASSWORD} and PASSWORD not in repr(connection)
        service_credentials.remove_credential(admin, server_id, "become")
        service_credentials.remove_credential(admin, server_id, "become")
        assert stored(session) == []
    assert events_recorded()[-3:] == ["server_access:set", "server_access:replace", "server_access:remove"]


@pytest.mark.parametrize("password", ["short", "", "x" * 1025, "two\nlines-of-it", "nul\0nul\0nul"])
def test_a_password_that_could_not_be_masked_or_handed_over_is_refused(
    acting: Acting, admin: Actor, make_server: Callable[..., int], password: str
) -> None:
    server_id = make_server()
    with pytest.raises(InvalidInput) as caught, acting(admin):
        service_credentials.set_credential(admin, server_id, "connection", password)
    assert "password" in caught.value.errors


def test_only_administrators_of_the_tenant_set_one(
    acting: Acting, operator: Actor, admin: Actor, people: dict[str, Actor], make_server: Callable[..., int]
) -> None:
    server_id = make_server()
    with pytest.raises(PermissionDenied), acting(operator):
        service_credentials.set_credential(operator, server_id, "become", PASSWORD)
    with pytest.raises(NotFound), acting(people["stranger"]):
        service_credentials.set_credential(people["stranger"], server_id, "become", PASSWORD)
    with pytest.raises(NotFound), acting(admin):
        service_credentials.set_credential(admin, server_id, "master", PASSWORD)
    local = make_server(connection="local")
    with pytest.raises(Conflict), acting(admin):
        service_credentials.set_credential(admin, local, "connection", PASSWORD)


def test_an_operator_cannot_point_a_server_with_a_password_elsewhere(
    acting: Acting, operator: Actor, admin: Actor, make_server: Callable[..., int]
) -> None:
    server_id = make_server()
    with acting(admin):
        service_credentials.set_credential(admin, server_id, "connection", PASSWORD)
    elsewhere: tuple[Any, ...] = ({"ip_address": "198.51.100.7"}, {"ssh_port": 2222}, {"winrm_transport": "basic"})
    for change in elsewhere:
        with pytest.raises(PermissionDenied), acting(operator):
            service.update_server(operator, server_id, change, version=None)
    with acting(operator):
        service.update_server(operator, server_id, {"description": "fine"}, version=None)


def test_a_password_moved_to_another_server_does_not_open(
    acting: Acting, admin: Actor, make_server: Callable[..., int]
) -> None:
    one, other = make_server(), make_server()
    with acting(admin):
        service_credentials.set_credential(admin, one, "become", PASSWORD)
        db.session.execute(text("UPDATE server_credentials SET server_id = :id"), {"id": other})
        with pytest.raises(credentials.CredentialLost, match="Set it again"):
            credentials.open_all(admin.tenant_id, [other])


def test_no_face_gives_a_password_back(
    acting: Acting, admin: Actor, make_server: Callable[..., int], http: Callable[[str], Any]
) -> None:
    server_id = make_server()
    client = http("admin")
    answer = client.put(f"/api/v1/servers/{server_id}/credentials/become", json={"password": PASSWORD})
    assert answer.status_code == 200 and set(answer.json) == {"kind", "set_at", "set_by"}
    pages = [f"/servers/{server_id}", f"/servers/{server_id}/edit", f"/api/v1/servers/{server_id}"]
    for path in [*pages, f"/api/v1/servers/{server_id}/credentials", "/audit", "/api/v1/audit-logs"]:
        shown = client.get(path)
        assert shown.status_code == 200 and PASSWORD not in shown.get_data(as_text=True), path
    page = http("operator").get(f"/servers/{server_id}").get_data(as_text=True)
    assert "Become password" in page and 'type="password"' not in page
    refused = client.post(f"/servers/{server_id}/credentials/become", data={"password": "short"}, follow_redirects=True)
    assert "was not stored" in refused.get_data(as_text=True) and "short" not in refused.history[0].location
    assert client.post(f"/servers/{server_id}/credentials/become/remove").status_code == 303
    assert client.get(f"/api/v1/servers/{server_id}/credentials").json == []
    with acting(admin):
        service_credentials.set_credential(admin, server_id, CredentialKind.CONNECTION.value, PASSWORD)
    assert client.delete(f"/api/v1/servers/{server_id}/credentials/connection").status_code == 204
