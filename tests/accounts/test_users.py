"""People as administrators manage them, by page and by REST."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.accounts import queries_users, service_users
from app.accounts.models import ApiKey, Membership, SignInAttempt, User, UserSession
from app.accounts.queries_users import UserFilter
from app.audit.models import AuditEntry
from app.core.actor import Role
from app.core.db import unit_of_work
from app.core.errors import Conflict, PermissionDenied
from app.core.tenancy import tenant_scope
from tests import factories
from tests.factories import PASSWORD, PersonMade, bearer
from tests.support.sent import sent


@pytest.fixture
def admin(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="root-admin")


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    return factories.sign_in(app.test_client(), admin)


@pytest.fixture
def headers(admin: PersonMade) -> dict[str, str]:
    return bearer(factories.make_key(admin))


def sign_in(app: Flask, username: str, password: str) -> TestResponse:
    client = app.test_client()
    token = factories.csrf_token(client, "/sign-in")
    return client.post("/sign-in", data={"csrf_token": token, "username": username, "password": password})


def shown_once(page: TestResponse) -> str:
    return page.get_data(as_text=True).split('id="one-time-password">')[1].split("<")[0]


def row_of(username: str) -> User:
    return next(user for user in factories.rows(User) if user.username == username)


@pytest.mark.database
def test_a_person_added_on_the_page_signs_in_once_and_chooses_a_password(app: Flask, browser: FlaskClient) -> None:
    fields = {"username": "Grace", "email": "Grace@Example.org", "role": "operator", "first_name": "Grace"}
    page = factories.post(browser, "/users/new", **fields)
    assert page.status_code == 201
    clear = shown_once(page)
    made = row_of("grace")
    assert (made.email, made.role, made.first_name, made.last_name) == (
        "grace@example.org", Role.OPERATOR, "Grace", None)  # fmt: skip
    assert [m.role for m in factories.rows(Membership) if m.user_id == made.id] == [Role.OPERATOR]
    assert clear not in browser.get(f"/users/{made.id}").get_data(as_text=True)
    assert all(clear not in str(entry.details) for entry in factories.rows(AuditEntry))
    assert sign_in(app, "grace", clear).status_code == 303
    newcomer = factories.sign_in(app.test_client(), PersonMade(made.id, made.tenant_id, "grace", Role.OPERATOR))
    assert newcomer.get("/me").headers["Location"] == "/me/password"


def test_rest_adds_lists_edits_and_resets(app: Flask, client: FlaskClient, headers: dict[str, str]) -> None:
    body = {"username": "linus", "email": "linus@example.org"}
    made = client.post("/api/v1/users", json=body, headers=headers)
    assert made.status_code == 201, made.json
    shown: dict[str, Any] = made.json or {}
    assert shown["role"] == "viewer"
    assert shown["password_change_required"] is True
    assert made.headers["Location"] == f"/api/v1/users/{shown['id']}"
    assert sign_in(app, "linus", shown["one_time_password"]).status_code == 303
    path = f"/api/v1/users/{shown['id']}"
    again = client.get(path, headers=headers)
    assert "one_time_password" not in (again.json or {})
    assert "password_hash" not in (again.json or {})
    stale = {"If-Match": '"9"', **headers}
    assert client.patch(path, json={"role": "operator"}, headers=stale).status_code == 409
    right = {"If-Match": again.headers["ETag"], **headers}
    changed = client.patch(path, json={"role": "operator", "first_name": "Linus"}, headers=right)
    assert changed.status_code == 200
    assert (changed.json or {})["role"] == "operator"
    reset = client.post(f"{path}/reset-password", headers=headers)
    assert sign_in(app, "linus", (reset.json or {})["one_time_password"]).status_code == 303
    assert sign_in(app, "linus", shown["one_time_password"]).status_code == 401
    listed = client.get("/api/v1/users?q=LINUS&role=operator&sort=-username", headers=headers)
    assert [user["username"] for user in listed.json or []] == ["linus"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"username": "ádmin"}, "Use 1 to 80 of a-z"),
        ({"username": "root-admin"}, "user name is taken"),
        ({"username": ""}, "Missing data"),
        ({"email": "nobody"}, "Give an address"),
        ({"email": "root-admin@example.org"}, "e-mail address is taken"),
        ({"role": "owner"}, "Must be one of"),
        ({"first_name": "x" * 81}, "Longer than"),
        ({"first_name": "a\x00b"}, "printable"),
    ],
)
def test_a_person_that_cannot_be_added_is_refused_beside_the_field(
    browser: FlaskClient, fields: dict[str, str], words: str
) -> None:
    before = len(factories.rows(User))
    given = {"username": "new", "email": "new@example.org", "role": "viewer", **fields}
    page = factories.post(browser, "/users/new", **given)
    assert page.status_code in (409, 422)
    assert words in page.get_data(as_text=True)
    assert len(factories.rows(User)) == before


@pytest.mark.database
def test_the_last_administrator_stays_one(app: Flask, admin: PersonMade, headers: dict[str, str]) -> None:
    client = app.test_client()
    for change in ({"role": "viewer"}, {"is_active": False}):
        answer = client.patch(f"/api/v1/users/{admin.id}", json=change, headers=headers)
        assert answer.status_code == 409
        assert (answer.json or {})["error"] == "last_admin"
    second = factories.make_person(admin.tenant_id, Role.ADMIN)
    other = factories.make_person(factories.make_tenant().id, Role.ADMIN)
    factories.set_active(second, False)
    assert client.patch(f"/api/v1/users/{admin.id}", json={"role": "viewer"}, headers=headers).status_code == 409
    factories.set_active(second, True)
    assert client.patch(f"/api/v1/users/{admin.id}", json={"role": "viewer"}, headers=headers).status_code == 200
    assert row_of(admin.username).role is Role.VIEWER
    assert row_of(other.username).role is Role.ADMIN


@pytest.mark.database
def test_deactivation_ends_everything_at_once_and_a_return_brings_no_key_back(
    app: Flask, browser: FlaskClient, admin: PersonMade
) -> None:
    person = factories.make_person(admin.tenant_id, Role.OPERATOR, username="leaver")
    theirs, key = factories.sign_in(app.test_client(), person), bearer(factories.make_key(person))
    assert theirs.get("/me").status_code == 200
    asked = factories.post(browser, f"/users/{person.id}/deactivate")
    assert "Deactivate leaver?" in asked.get_data(as_text=True)
    assert row_of("leaver").is_active
    assert factories.post(browser, f"/users/{person.id}/deactivate", confirmed="1").status_code == 303
    assert theirs.get("/me").status_code == 302
    assert app.test_client().get("/api/v1/me", headers=key).status_code == 401
    assert sign_in(app, "leaver", PASSWORD).status_code == 401
    assert factories.post(browser, f"/users/{person.id}/reactivate").status_code == 303
    assert theirs.get("/me").status_code == 302
    assert app.test_client().get("/api/v1/me", headers=key).status_code == 401
    assert sign_in(app, "leaver", PASSWORD).status_code == 303
    events = [entry.event for entry in factories.rows(AuditEntry) if entry.event.startswith("user:")]
    assert events == ["user:deactivate", "user:reactivate"]


def test_a_locked_person_is_shown_as_such_and_an_administrator_unlocks_them(
    app: Flask, browser: FlaskClient, admin: PersonMade, headers: dict[str, str]
) -> None:
    person = factories.make_person(admin.tenant_id, Role.VIEWER, username="locked-out")
    for _ in range(10):
        sign_in(app, "locked-out", "wrong")
    assert sign_in(app, "locked-out", PASSWORD).status_code == 401
    assert "locked" in browser.get("/users").get_data(as_text=True)
    assert "Unlock now" in browser.get(f"/users/{person.id}").get_data(as_text=True)
    shown = app.test_client().get(f"/api/v1/users/{person.id}", headers=headers).json
    assert shown and shown["is_locked"] is True
    assert factories.post(browser, f"/users/{person.id}/unlock").status_code == 303
    assert factories.rows(SignInAttempt) == []
    assert sign_in(app, "locked-out", PASSWORD).status_code == 303


def test_an_administrator_sees_and_ends_the_sessions_and_keys_of_others(
    app: Flask, browser: FlaskClient, admin: PersonMade, headers: dict[str, str]
) -> None:
    person = factories.make_person(admin.tenant_id, Role.OPERATOR)
    theirs, key = factories.sign_in(app.test_client(), person), bearer(factories.make_key(person))
    client = app.test_client()
    (session,) = client.get(f"/api/v1/users/{person.id}/sessions", headers=headers).json or []
    assert client.delete(f"/api/v1/users/{person.id}/sessions/{session['id']}", headers=headers).status_code == 204
    assert theirs.get("/me").status_code == 302
    (shown,) = client.get(f"/api/v1/api-keys?user_id={person.id}", headers=headers).json or []
    assert len(client.get("/api/v1/api-keys?whose=all", headers=headers).json or []) == 2
    assert shown["prefix"] in browser.get("/keys").get_data(as_text=True)
    assert client.delete(f"/api/v1/users/{person.id}/api-keys/{shown['id']}", headers=headers).status_code == 204
    assert client.get("/api/v1/me", headers=key).status_code == 401
    colleague = factories.make_person(admin.tenant_id, Role.VIEWER)
    curious = bearer(factories.make_key(colleague))
    for query in ("whose=all", f"user_id={person.id}"):
        assert client.get(f"/api/v1/api-keys?{query}", headers=curious).status_code == 403
    factories.make_session(person)
    factories.make_session(person)
    assert client.delete(f"/api/v1/users/{person.id}/sessions", headers=headers).status_code == 204
    assert all(row.revoked_at for row in factories.rows(UserSession) if row.user_id == person.id)


def test_an_edit_from_a_stale_page_is_told_so_and_keeps_what_was_typed(browser: FlaskClient, admin: PersonMade) -> None:
    person = factories.make_person(admin.tenant_id, Role.VIEWER)
    fields = {"email": "changed@example.org", "first_name": "Ann", "last_name": "", "role": "viewer", "version": "1"}
    assert factories.post(browser, f"/users/{person.id}/edit", **fields).status_code == 303
    stale = factories.post(browser, f"/users/{person.id}/edit", **{**fields, "first_name": "Bea"})
    assert stale.status_code == 409
    assert "Somebody else changed this" in stale.get_data(as_text=True)
    assert 'value="Bea"' in stale.get_data(as_text=True)
    assert row_of(person.username).first_name == "Ann"
    emptied = {**fields, "first_name": "", "version": "2"}
    assert factories.post(browser, f"/users/{person.id}/edit", **emptied).status_code == 303
    assert row_of(person.username).first_name is None


def test_the_list_is_filtered_sorted_and_downloaded(app: Flask, browser: FlaskClient, admin: PersonMade) -> None:
    for name in ("b-user", "a-user", "=cmd"):
        factories.make_person(admin.tenant_id, Role.VIEWER, username=name)
    factories.make_person(factories.make_tenant().id, username="elsewhere")
    page = browser.get("/users?sort=username&role=viewer").get_data(as_text=True)
    assert page.index("a-user") < page.index("b-user")
    assert "elsewhere" not in page
    assert "Nobody matches" in browser.get("/users?q=%25").get_data(as_text=True)
    assert browser.get("/users?sort=password_hash").status_code == 422
    rows = list(csv.DictReader(io.StringIO(browser.get("/users/export?role=viewer").get_data(as_text=True))))
    assert [row["username"] for row in rows] == ["'=cmd", "a-user", "b-user"]
    assert "password_hash" not in rows[0]


def test_the_list_asks_as_often_for_many_people_as_for_one(app: Flask, admin: PersonMade) -> None:
    def asked() -> int:
        with app.app_context(), tenant_scope(admin.tenant_id), unit_of_work(writes=False), sent() as statements:
            page = queries_users.list_users(admin.actor, UserFilter(text="a"))
            queries_users.locked_among(admin.actor, [user.id for user in page.items])
        return len(statements)

    few = asked()
    for _ in range(20):
        factories.make_person(admin.tenant_id, Role.VIEWER)
    assert asked() == few <= 4


def test_a_tenants_administrator_cannot_touch_a_platform_administrator(
    app: Flask, browser: FlaskClient, admin: PersonMade, headers: dict[str, str]
) -> None:
    chief = factories.make_person(admin.tenant_id, Role.ADMIN, username="chief")
    factories.set_columns(User, chief.id, is_platform_admin=True)
    before = row_of("chief")
    client, path = app.test_client(), f"/api/v1/users/{chief.id}"
    for change in ({"email": "mine@example.org"}, {"role": "viewer"}, {"is_active": False}):
        assert client.patch(path, json=change, headers=headers).status_code == 403
    assert client.post(f"{path}/reset-password", headers=headers).status_code == 403
    assert factories.post(browser, f"/users/{chief.id}/platform-admin", granted="0").status_code == 403
    assert factories.post(browser, f"/users/{admin.id}/platform-admin", granted="1").status_code == 403
    after = row_of("chief")
    assert (after.password_hash, after.email, after.role) == (before.password_hash, before.email, before.role)


def test_the_platform_keeps_an_administrator(app: Flask, admin: PersonMade) -> None:
    chief = factories.make_person(admin.tenant_id, Role.ADMIN, username="chief")
    factories.set_columns(User, chief.id, is_platform_admin=True)
    browser = factories.sign_in(app.test_client(), chief)
    assert factories.post(browser, f"/users/{chief.id}/platform-admin", granted="0").status_code == 409
    assert factories.post(browser, f"/users/{chief.id}/deactivate", confirmed="1").status_code == 409
    assert factories.post(browser, f"/users/{admin.id}/platform-admin", granted="1").status_code == 303
    assert row_of(admin.username).is_platform_admin
    assert factories.post(browser, f"/users/{chief.id}/platform-admin", granted="0").status_code == 303
    assert browser.get("/me").status_code == 302, "its own sessions end with it"


def test_services_refuse_whoever_may_not(app: Flask, admin: PersonMade) -> None:
    viewer = factories.make_person(admin.tenant_id, Role.VIEWER)
    with app.app_context(), tenant_scope(admin.tenant_id), unit_of_work():
        with pytest.raises(PermissionDenied):
            service_users.edit_user(viewer.actor, viewer.id, {"role": Role.ADMIN})
        with pytest.raises(Conflict):
            service_users.edit_user(admin.actor, admin.id, {"role": Role.VIEWER})
    assert factories.rows(ApiKey) == []
