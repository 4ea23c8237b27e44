"""Tenants as the platform's administrators manage them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import Tenant, User
from app.audit.models import AuditEntry
from app.audit.verify import verify_chain
from app.core.actor import Actor, Role
from app.core.db import unit_of_work
from app.core.tenancy import system_scope
from app.inventory.models import Server
from app.jobs import dispatch, waiting
from app.jobs.database_port import DatabasePort
from app.jobs.models import Run
from app.jobs.port import Carrier
from app.playbooks.models import PlaybookProject
from app.runners.process import ProcessIdentity
from tests import factories
from tests.factories import PersonMade, bearer
from tests.holdings import make_holdings

ACME = {"name": "Acme Ltd", "admin_username": "acme-admin", "admin_email": "it@acme.example", "plan": "pro"}


@pytest.fixture
def chief(app: Flask) -> PersonMade:
    """A platform administrator in the default tenant."""
    person = factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="chief")
    factories.set_columns(User, person.id, is_platform_admin=True)
    return person


@pytest.fixture
def headers(chief: PersonMade) -> dict[str, str]:
    return bearer(factories.make_key(chief, scopes=["platform:admin"]))


def sign_in(app: Flask, username: str, password: str) -> FlaskClient:
    client = app.test_client()
    token = factories.csrf_token(client, "/sign-in")
    client.post("/sign-in", data={"csrf_token": token, "username": username, "password": password})
    return client


def made(client: FlaskClient, headers: dict[str, str], **more: Any) -> dict[str, Any]:
    answer = client.post("/api/v1/tenants", json={**ACME, **more}, headers=headers)
    assert answer.status_code == 201, answer.json
    return answer.json or {}


@pytest.mark.database
def test_a_new_tenant_has_an_administrator_samples_and_a_log_of_its_own_and_no_controller(
    app: Flask, client: FlaskClient, headers: dict[str, str]
) -> None:
    shown = made(client, headers)
    assert (shown["slug"], shown["plan"], shown["max_services"], shown["people"]) == ("acme-ltd", "pro", 5, 1)
    first = shown["first_admin"]
    browser = sign_in(app, first["username"], first["one_time_password"])
    assert browser.get("/me").headers["Location"] == "/me/password"
    tenant = factories.rows(Tenant)[-1]
    assert [row.name for row in factories.rows(PlaybookProject) if row.tenant_id == tenant.id]
    assert [row for row in factories.rows(Server) if row.tenant_id == tenant.id] == []
    events = [entry.event for entry in factories.rows(AuditEntry) if entry.tenant_id == tenant.id]
    assert events[:2] == ["tenant:create", "user:create"]
    assert first["one_time_password"] not in "".join(str(entry.details) for entry in factories.rows(AuditEntry))
    with app.app_context(), system_scope("test"), unit_of_work():
        assert verify_chain(tenant.id).is_intact


def test_only_a_key_that_names_the_scope_opens_the_tenants_and_only_while_its_user_is_one(
    app: Flask, client: FlaskClient, chief: PersonMade, headers: dict[str, str]
) -> None:
    assert client.get("/api/v1/tenants", headers=headers).status_code == 200
    assert client.get("/api/v1/servers", headers=headers).status_code == 403
    whole = bearer(factories.make_key(chief))
    assert client.get("/api/v1/tenants", headers=whole).status_code == 403
    browser = factories.sign_in(app.test_client(), chief)
    assert browser.get("/tenants").status_code == 200
    factories.set_columns(User, chief.id, is_platform_admin=False)
    assert client.get("/api/v1/tenants", headers=headers).status_code == 403
    assert browser.get("/tenants").status_code == 403
    refused = factories.post(browser, "/me/keys", name="more", scopes="platform:admin")
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"slug": "Acme"}, 422, "slug"),
        ({"slug": "-a"}, 422, "slug"),
        ({"slug": "default"}, 409, "slug"),
        ({"domain": "no domain"}, 422, "domain"),
        ({"admin_username": "chief"}, 409, "admin_username"),
        ({"admin_email": "nobody"}, 422, "admin_email"),
        ({"name": "???"}, 422, "slug"),
        ({"plan": "gold"}, 422, "plan"),
        ({"is_active": False}, 422, "is_active"),
    ],
)
def test_a_tenant_that_cannot_be_made_leaves_nothing_behind(
    client: FlaskClient, headers: dict[str, str], change: dict[str, Any], status: int, field: str
) -> None:
    before = len(factories.rows(User)), len(factories.rows(Tenant))
    answer = client.post("/api/v1/tenants", json={**ACME, **change}, headers=headers)
    assert answer.status_code == status, answer.json
    assert field in str((answer.json or {})["errors"])
    assert (len(factories.rows(User)), len(factories.rows(Tenant))) == before


@pytest.mark.database
def test_a_deactivated_tenant_is_refused_everywhere_with_clear_words_and_comes_back_whole(
    app: Flask, client: FlaskClient, chief: PersonMade, headers: dict[str, str]
) -> None:
    shown = made(client, headers)
    tenant = factories.rows(Tenant)[-1]
    person = factories.make_person(tenant.id, Role.OPERATOR, username="acme-op")
    browser, key = factories.sign_in(app.test_client(), person), bearer(factories.make_key(person))
    assert browser.get("/me").status_code == 200
    path = f"/api/v1/tenants/{shown['uuid']}"
    off = client.patch(path, json={"is_active": False, "version": shown["version"]}, headers=headers)
    assert off.status_code == 200, off.json
    refused = client.get("/api/v1/me", headers=key)
    assert refused.status_code == 401
    assert "Acme Ltd is deactivated" in (refused.json or {})["message"]
    wrong_end = {"Authorization": key["Authorization"][:-1] + "_"}
    assert "Acme" not in client.get("/api/v1/me", headers=wrong_end).get_data(as_text=True)
    assert browser.get("/me").status_code == 302
    assert "Acme Ltd is deactivated" in browser.get("/sign-in").get_data(as_text=True)
    assert "deactivated" not in browser.get("/sign-in").get_data(as_text=True), "said once"
    assert sign_in(app, "acme-op", factories.PASSWORD).get("/me").status_code == 302
    on = client.patch(path, json={"is_active": True}, headers={"If-Match": off.headers["ETag"], **headers})
    assert on.status_code == 200
    assert client.get("/api/v1/me", headers=key).status_code == 200
    assert sign_in(app, "acme-op", factories.PASSWORD).get("/me").status_code == 200
    events = [entry.event for entry in factories.rows(AuditEntry) if entry.event.startswith("tenant:")]
    assert events.count("tenant:deactivate") == events.count("tenant:reactivate") == 2, "in both logs"


@pytest.mark.database
def test_pending_runs_of_a_deactivated_tenant_wait_and_say_why(app: Flask, chief: PersonMade) -> None:
    other = factories.make_person(factories.make_tenant("Acme").id, Role.ADMIN)
    make_holdings(app, other)
    run, execution = sorted(factories.rows(Run), key=lambda row: row.id)
    factories.set_columns(Tenant, other.tenant_id, is_active=False)
    carrier = Carrier(ProcessIdentity(1, 1, "boot"), "host", None)
    with app.app_context():
        assert DatabasePort().claim(run.id, carrier) is None
        with system_scope("test"), unit_of_work(writes=False):
            assert "Acme is deactivated" in (waiting.waiting_because(run) or "")
    assert [row.id for row in _waiting_runs(app)] == []
    factories.set_columns(Tenant, other.tenant_id, is_active=True)
    assert [row.id for row in _waiting_runs(app)] == [run.id, execution.id]
    with app.app_context():
        assert DatabasePort().claim(run.id, carrier) is not None


def _waiting_runs(app: Flask) -> list[Run]:
    from app.core.clock import utc_now
    from app.core.db import db

    with app.app_context(), system_scope("test"), unit_of_work(writes=False):
        return list(db.session.scalars(dispatch._waiting(utc_now() + timedelta(hours=1))))


def test_ones_own_tenant_and_the_default_one_stay_active(
    app: Flask, client: FlaskClient, chief: PersonMade, headers: dict[str, str]
) -> None:
    (tenant,) = factories.rows(Tenant)
    answer = client.patch(f"/api/v1/tenants/{tenant.uuid}", json={"is_active": False}, headers=headers)
    assert answer.status_code == 409
    browser = factories.sign_in(app.test_client(), chief)
    assert "Deactivate" not in browser.get(f"/tenants/{tenant.uuid}").get_data(as_text=True)


def test_the_pages_make_and_edit_a_tenant(app: Flask, chief: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), chief)
    fields = {**ACME, "slug": "", "domain": "", "description": "", "max_services": "7"}
    page = factories.post(browser, "/tenants/new", **fields)
    assert page.status_code == 201
    assert 'id="one-time-password"' in page.get_data(as_text=True)
    tenant = factories.rows(Tenant)[-1]
    again = factories.post(browser, "/tenants/new", **fields)
    assert again.status_code == 409
    assert "Another tenant has this slug" in again.get_data(as_text=True)
    path = f"/tenants/{tenant.uuid}"
    edit = {"name": "Acme", "slug": "acme", "domain": "ops.acme.example", "plan": "free", "max_services": "1"}
    assert factories.post(browser, f"{path}/edit", **edit, version="1").status_code == 303
    assert factories.post(browser, f"{path}/edit", **edit, version="1", description="x").status_code == 409
    assert factories.post(browser, f"{path}/edit", **{**edit, "max_services": "many"}).status_code == 422
    assert factories.rows(Tenant)[-1].domain == "ops.acme.example"
    assert "Deactivate Acme?" in factories.post(browser, f"{path}/deactivate").get_data(as_text=True)
    assert factories.post(browser, f"{path}/deactivate", confirmed="1").status_code == 303
    assert factories.post(browser, f"{path}/reactivate").status_code == 303
    assert "acme" in browser.get("/tenants/export").get_data(as_text=True)
    assert Actor.system(tenant.id).tenant_id == tenant.id
