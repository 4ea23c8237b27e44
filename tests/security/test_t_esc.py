"""T-ESC: nobody gets more rights than somebody gave them."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from app.accounts.models import ApiKey, User
from app.core.actor import Role
from app.core.permissions import Permission
from tests import factories
from tests.factories import bearer
from tests.holdings import make_holdings
from tests.permissions.cast import Cast


def user_row(user_id: int) -> User:
    return next(user for user in factories.rows(User) if user.id == user_id)


def test_t_esc_a_viewer_launches_nothing(cast: Cast) -> None:
    held = make_holdings(cast.app, cast.people["admin"])
    body = {"playbook_id": held.playbook_id, "server_id": held.server_id}
    assert cast.ask("viewer", "POST", "/api/v1/jobs", body).status_code == 403
    launch = {"playbook_id": held.playbook_id, "server_ids": [held.server_id]}
    assert cast.ask("viewer", "POST", "/api/v1/launches", launch).status_code == 403
    assert cast.ask("viewer", "POST", f"/playbooks/{held.playbook_id}/launch", launch).status_code == 403
    assert cast.ask("operator", "POST", "/api/v1/jobs", body).status_code == 202


def test_t_esc_an_operator_makes_no_administrator_resets_no_password_and_edits_no_playbook(cast: Cast) -> None:
    held, admin = make_holdings(cast.app, cast.people["admin"]), cast.people["admin"]
    before = user_row(admin.id).password_hash
    newcomer = {"username": "mine", "email": "mine@example.org", "role": "admin"}
    tries: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/api/v1/users", newcomer),
        ("POST", "/users/new", newcomer),
        ("PATCH", f"/api/v1/users/{cast.people['operator'].id}", {"role": "admin"}),
        ("POST", f"/users/{cast.people['operator'].id}/edit", {"role": "admin", "email": "x@example.org"}),
        ("POST", f"/api/v1/users/{admin.id}/reset-password", {}),
        ("POST", f"/users/{admin.id}/reset-password", {"confirmed": "1"}),
        ("PUT", f"/api/v1/playbooks/{held.playbook_id}/content", {"content": "- hosts: all\n"}),
        ("POST", f"/api/v1/playbooks/{held.playbook_id}/approve", {}),
    ]
    for method, path, body in tries:
        assert cast.ask("operator", method, path, body).status_code == 403, path
    assert user_row(admin.id).password_hash == before
    assert user_row(cast.people["operator"].id).role is Role.OPERATOR
    assert "mine" not in [user.username for user in factories.rows(User)]


def test_t_esc_an_administrator_of_one_tenant_acts_in_no_other(cast: Cast) -> None:
    ours, theirs = cast.people["admin"], cast.people["other_admin"]
    for method, path, body in (
        ("PATCH", f"/api/v1/users/{ours.id}", {"role": "viewer"}),
        ("POST", f"/api/v1/users/{ours.id}/reset-password", {}),
        ("DELETE", f"/api/v1/users/{ours.id}/sessions", {}),
        ("POST", f"/users/{ours.id}/deactivate", {"confirmed": "1"}),
    ):
        assert cast.ask("other_admin", method, path, body).status_code == 404, path
    made = cast.ask("other_admin", "POST", "/api/v1/users", {"username": "own", "email": "own@example.org"})
    assert made.status_code == 201
    assert user_row((made.json or {})["id"]).tenant_id == theirs.tenant_id
    for path in ("/api/v1/tenants", "/tenants"):
        assert cast.ask("other_admin", "GET", path).status_code == 403
    assert user_row(ours.id).role is Role.ADMIN


@pytest.mark.parametrize("change", [{"role": "viewer"}, {"role": "operator"}, {"is_active": False}])
def test_t_esc_the_last_administrator_can_neither_demote_nor_deactivate_himself(
    cast: Cast, change: dict[str, Any]
) -> None:
    last = cast.people["other_admin"]
    answer = cast.ask("other_admin", "PATCH", f"/api/v1/users/{last.id}", change)
    assert answer.status_code == 409
    assert user_row(last.id).role is Role.ADMIN
    assert user_row(last.id).is_active


def test_t_esc_no_key_has_a_scope_that_its_maker_lacks(cast: Cast) -> None:
    for caller, beyond in (
        ("viewer", Permission.JOB_LAUNCH),
        ("operator", Permission.USER_EDIT),
        ("admin", Permission.PLATFORM_ADMIN),
        ("admin", Permission.API_KEY_OWN),
    ):
        before = len(factories.rows(ApiKey))
        answer = cast.ask(caller, "POST", "/me/keys", {"name": "more", "scopes": beyond.value})
        assert answer.status_code == 422, caller
        assert len(factories.rows(ApiKey)) == before
    assert cast.ask("admin", "POST", "/api/v1/api-keys", {"name": "more"}).status_code == 403


def test_t_esc_a_stored_scope_beyond_the_role_opens_nothing(app: Flask) -> None:
    viewer = factories.make_person(factories.make_tenant("Default").id, Role.VIEWER)
    text = factories.make_key(viewer, scopes=[permission.value for permission in Permission])
    client = app.test_client()
    for method, path in (("GET", "/users"), ("GET", "/audit-logs"), ("GET", "/tenants")):
        assert client.open(f"/api/v1{path}", method=method, headers=bearer(text)).status_code == 403, path


@pytest.mark.database
@pytest.mark.parametrize(("before", "after"), [(Role.ADMIN, "viewer"), (Role.VIEWER, "admin")])
def test_t_esc_a_new_role_ends_sessions_and_keys_at_once(app: Flask, before: Role, after: str) -> None:
    tenant = factories.make_tenant("Default")
    admin, person = factories.make_person(tenant.id), factories.make_person(tenant.id, before)
    browser, key = factories.sign_in(app.test_client(), person), bearer(factories.make_key(person))
    client = app.test_client()
    assert browser.get("/me").status_code == 200
    assert client.get("/api/v1/me", headers=key).status_code == 200
    headers = bearer(factories.make_key(admin))
    assert client.patch(f"/api/v1/users/{person.id}", json={"role": after}, headers=headers).status_code == 200
    assert browser.get("/me").status_code == 302
    assert client.get("/api/v1/me", headers=key).status_code == 401
