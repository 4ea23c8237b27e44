"""API keys: how they are made, what they open, and what they never open."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import ApiKey, Tenant
from app.accounts.scope_words import SCOPE_WORDS
from app.audit.models import AuditEntry
from app.core.actor import Role
from app.core.permissions import NEVER_BY_KEY, Permission
from tests import factories
from tests.factories import PersonMade, bearer


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.OPERATOR, username="ada")


@pytest.mark.database
def test_a_key_made_on_the_page_is_shown_once_works_and_ends_when_revoked(app: Flask, person: PersonMade) -> None:
    browser, program = factories.sign_in(app.test_client(), person), app.test_client()
    page = factories.post(browser, "/me/keys", name="report", expires_in_days="7").get_data(as_text=True)
    text = page.split('id="new-key">')[1].split("<")[0]
    answer = program.get("/api/v1/me", headers=bearer(text))
    assert answer.status_code == 200
    assert answer.json is not None
    assert (answer.json["user"]["id"], answer.json["user"]["username"]) == (person.id, "ada")
    assert "job:launch" in answer.json["scopes"]
    assert "user:edit" not in answer.json["scopes"]
    assert text not in browser.get("/me").get_data(as_text=True)
    (row,) = factories.rows(ApiKey)
    assert text.encode() not in bytes(row.digest)
    assert row.last_used is not None
    factories.post(browser, f"/me/keys/{row.id}/revoke")
    assert program.get("/api/v1/me", headers=bearer(text)).status_code == 401
    assert [entry.event for entry in factories.rows(AuditEntry)] == [
        "api_key:create",
        "api_key:revoke",
        "api_key:use",
    ]


def test_a_key_that_is_not_good_is_refused_and_the_reason_is_only_in_the_log(
    app: Flask, client: FlaskClient, person: PersonMade
) -> None:
    good = factories.make_key(person)
    assert client.get("/api/v1/me", headers=bearer(good)).status_code == 200
    wrong_end = good[:-1] + ("A" if good[-1] != "A" else "B")
    refused = [
        factories.make_key(person, days=-1),
        factories.make_key(person, is_active=False),
        wrong_end,
        good.upper(),
        good[:13],
        f"{good}x",
        "mw_aaaaaaaaaa_" + "A" * 43,
        "",
        "\u00e9",
    ]
    bodies = set()
    for text in refused:
        answer = client.get("/api/v1/me", headers=bearer(text))
        assert answer.status_code == 401, text
        assert answer.json is not None
        bodies.add(answer.json["message"])
    assert len(bodies) == 1
    reasons = [entry.details["reason"] for entry in factories.rows(AuditEntry) if entry.details]
    assert reasons == ["expired", "revoked", "wrong secret"]


def test_deactivation_of_the_person_or_tenant_ends_keys_at_once(app: Flask, person: PersonMade) -> None:
    client, headers = app.test_client(), bearer(factories.make_key(person))
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    factories.set_active(person, False)
    assert client.get("/api/v1/me", headers=headers).status_code == 401
    factories.set_active(person, True)
    assert client.get("/api/v1/me", headers=headers).status_code == 200
    factories.set_columns(Tenant, person.tenant_id, is_active=False)
    assert client.get("/api/v1/me", headers=headers).status_code == 401


def test_a_key_in_an_address_is_refused_even_beside_a_good_one(client: FlaskClient, person: PersonMade) -> None:
    text = factories.make_key(person)
    for headers in ({}, bearer(text)):
        answer = client.get(f"/api/v1/me?anything={text}", headers=headers)
        assert answer.status_code == 401
        assert answer.json is not None
        assert "address" in answer.json["message"]


def test_a_session_cookie_opens_nothing_under_api_and_a_key_nothing_elsewhere(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    assert browser.get("/me").status_code == 200
    assert browser.get("/api/v1/me").status_code == 401
    assert app.test_client().get("/me", headers=bearer(factories.make_key(person))).status_code == 302


def test_a_key_makes_no_key_and_revokes_none(app: Flask, person: PersonMade) -> None:
    client, headers = app.test_client(), bearer(factories.make_key(person))
    assert client.post("/api/v1/api-keys", json={"name": "more"}, headers=headers).status_code == 403
    (row,) = factories.rows(ApiKey)
    assert client.delete(f"/api/v1/api-keys/{row.id}", headers=headers).status_code == 403
    listed = client.get("/api/v1/api-keys", headers=headers)
    assert listed.status_code == 200
    assert listed.json is not None
    assert [key["prefix"] for key in listed.json] == [row.prefix]
    assert "digest" not in listed.json[0]


def test_scopes_are_cut_to_the_role_of_the_moment(app: Flask, person: PersonMade) -> None:
    client = app.test_client()
    headers = bearer(
        factories.make_key(person, scopes=["server:view", "server:edit", "user:edit", "platform:admin", "nonsense"])
    )
    answer = client.get("/api/v1/me", headers=headers)
    assert answer.json is not None
    assert answer.json["scopes"] == ["server:view", "server:edit"]
    factories.set_role(person, Role.VIEWER)
    answer = client.get("/api/v1/me", headers=headers)
    assert answer.json is not None
    assert answer.json["scopes"] == ["server:view"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"name": ""}, "Missing data"),
        ({"name": "x" * 256}, "Length must be between 1 and 255"),
        ({"name": "x", "expires_in_days": "0"}, "Must be"),
        ({"name": "x", "expires_in_days": "soon"}, "Not a valid integer"),
        ({"name": "x", "scopes": "user:edit"}, "Your role cannot give: user:edit"),
        ({"name": "x", "scopes": "api_key:own"}, "Your role cannot give: api_key:own"),
    ],
)
def test_a_key_that_cannot_be_made_is_refused_beside_the_field(
    app: Flask, person: PersonMade, fields: dict[str, str], words: str
) -> None:
    browser = factories.sign_in(app.test_client(), person)
    answer = factories.post(browser, "/me/keys", **fields)
    assert answer.status_code == 422
    assert words in answer.get_data(as_text=True)
    assert factories.rows(ApiKey) == []


def test_nobody_touches_the_keys_of_a_colleague(app: Flask, person: PersonMade) -> None:
    colleague = factories.make_person(person.tenant_id, Role.ADMIN)
    factories.make_key(colleague)
    (row,) = factories.rows(ApiKey)
    browser = factories.sign_in(app.test_client(), person)
    assert factories.post(browser, f"/me/keys/{row.id}/revoke").status_code == 404
    assert factories.rows(ApiKey)[0].is_active


def test_the_use_of_a_key_is_noted_at_most_once_a_minute(app: Flask, person: PersonMade) -> None:
    client, headers = app.test_client(), bearer(factories.make_key(person))
    client.get("/api/v1/me", headers=headers)
    first = factories.rows(ApiKey)[0].last_used
    client.get("/api/v1/me", headers=headers)
    assert factories.rows(ApiKey)[0].last_used == first


def test_each_scope_that_a_key_can_get_has_words_on_the_page() -> None:
    assert set(Permission) - NEVER_BY_KEY == SCOPE_WORDS.keys(), "say it in app/accounts/scope_words.py"
