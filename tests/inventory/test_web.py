"""The pages work without JavaScript: lists, forms that keep what was typed, buttons, host keys."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient

from app.core.actor import Actor
from app.inventory.models import HostKey, Server
from tests.inventory.conftest import Acting

Http = Callable[[str], FlaskClient]
Make = Callable[..., int]
NEW = {"hostname": "web-1", "ip_address": "192.0.2.1", "ssh_port": "22", "ssh_user": "root", "connection": "ssh"}


def test_a_form_with_an_error_keeps_what_was_typed_and_says_what_is_wrong(http: Http) -> None:
    answer = http("operator").post("/servers/new", data={**NEW, "ip_address": "0x7f.1", "description": "Rack 9"})
    assert answer.status_code == 422
    assert "Rack 9" in answer.text and "0x7f.1" in answer.text and "ip_address-error" in answer.text


def test_a_server_is_added_edited_and_deactivated_by_forms(http: Http, row: Callable[[int], Server]) -> None:
    browser = http("admin")
    made = browser.post("/servers/new", data={**NEW, "tags": "b, a", "become": "1", "variables": "colour: red"})
    assert made.status_code == 302
    server_id = int(made.headers["Location"].split("/")[-1])
    assert (row(server_id).tags, row(server_id).become, row(server_id).variables) == (
        ["a", "b"],
        True,
        {"colour": "red"},
    )
    for path in ("/servers", f"/servers/{server_id}", f"/servers/{server_id}/edit", "/servers/new"):
        assert browser.get(path).status_code == 200
    data = {**NEW, "environment": "production", "version": "1"}
    assert browser.post(f"/servers/{server_id}/edit", data=data).status_code == 302
    assert browser.post(f"/servers/{server_id}/edit", data={**data, "environment": "x"}).status_code == 409
    asked = browser.post(f"/servers/{server_id}/deactivate", data={"confirmed": "1", "confirm_name": "web"})
    assert "Type web-1 to go on" in asked.text and row(server_id).is_active
    browser.post(f"/servers/{server_id}/deactivate", data={"confirmed": "1", "confirm_name": "web-1"})
    assert not row(server_id).is_active
    browser.post(f"/servers/{server_id}/activate")
    assert row(server_id).is_active


@pytest.mark.parametrize("text", ["a: &x [1]\nb: *x", "- 1", "a: [", "when: 2020-01-01", "[" * 20_000, "1: 2"])
def test_variables_that_are_no_plain_object_are_refused(http: Http, text: str) -> None:
    answer = http("admin").post("/servers/new", data={**NEW, "variables": text})
    assert answer.status_code == 422 and "variables-error" in answer.text


def test_a_viewer_sees_no_buttons_and_may_not_open_the_form(http: Http, make_server: Make) -> None:
    page = http("viewer").get(f"/servers/{make_server()}")
    assert page.status_code == 200 and "Test connection" not in page.text.replace('"Test connection"', "")
    assert http("viewer").get("/servers/new").status_code == 403


def test_the_test_part_asks_again_only_while_a_test_is_on_its_way(http: Http, make_server: Make) -> None:
    browser, server_id = http("operator"), make_server()
    headers = {"HX-Request": "true"}
    assert "hx-trigger" not in browser.get(f"/servers/{server_id}/test", headers=headers).text
    assert browser.post(f"/servers/{server_id}/test").status_code == 302
    assert 'hx-trigger="every 1s"' in browser.get(f"/servers/{server_id}/test", headers=headers).text
    assert browser.get(f"/servers/{server_id}/test").status_code == 302


def test_accepting_a_host_key_replaces_the_one_of_its_type_and_asks_for_a_test(
    http: Http, make_server: Make, acting: Acting, admin: Actor, row: Callable[[int], Server]
) -> None:
    server_id = make_server()
    with acting(admin) as session:
        keys = [
            HostKey(
                tenant_id=admin.tenant_id,
                server_id=server_id,
                key_type="ssh-ed25519",
                public_key="AAAA",
                fingerprint=f"SHA256:{n}",
            )
            for n in range(2)
        ]
        session.add_all(keys)
        session.flush()
        first, second = (key.id for key in keys)
    browser = http("admin")
    for key_id in (first, second):
        assert browser.post(f"/servers/{server_id}/host-keys/{key_id}/accept").status_code == 302
    found = {key["id"]: key["trust"] for key in browser.get(f"/api/v1/servers/{server_id}/host-keys").json or []}
    assert found == {first: "revoked", second: "accepted"}
    assert row(server_id).test_requested_at is not None
    assert browser.post(f"/servers/{server_id}/host-keys/{first}/accept").status_code == 409
