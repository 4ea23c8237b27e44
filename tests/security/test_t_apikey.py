"""T-APIKEY: a key is worth nothing to whoever reads the database, and no more than was given to whoever holds it."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts import identity
from app.accounts.models import ApiKey
from app.core.actor import Role
from app.core.clock import utc_now
from tests import factories
from tests.factories import PersonMade, bearer


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)


def me(client: FlaskClient, text: str) -> int:
    return client.get("/api/v1/me", headers=bearer(text)).status_code


def test_t_apikey_a_leaked_row_opens_nothing(app: Flask, person: PersonMade) -> None:
    text = factories.make_key(person)
    (row,) = factories.rows(ApiKey)
    stored = bytes(row.digest)
    assert stored != hashlib.sha256(text.encode()).digest(), "keyed: without the pepper nothing can be tried"
    for guess in (row.prefix, f"{row.prefix}_{stored.hex()}", f"{row.prefix}_{'A' * 43}", stored.hex()):
        assert me(app.test_client(), guess) == 401
    assert me(app.test_client(), text) == 200


@pytest.mark.parametrize(
    "change", ["upper", "lower", "swapped end", "longer", "shorter", "space inside", "other prefix"]
)
def test_t_apikey_a_key_fits_whole_or_not_at_all(app: Flask, person: PersonMade, change: str) -> None:
    text, other = factories.make_key(person), factories.make_key(person)
    changed = {
        "upper": text.upper(),
        "lower": text.lower(),
        "swapped end": text[:-1] + ("A" if text[-1] != "A" else "B"),
        "longer": text + "A",
        "shorter": text[:-1],
        "space inside": f"{text[:20]} {text[20:]}",
        "other prefix": other[:14] + text[14:],
    }[change]
    assert changed != text
    assert me(app.test_client(), changed) == 401


def test_t_apikey_an_expired_and_a_revoked_key_are_refused_and_the_default_life_is_ninety_days(
    app: Flask, person: PersonMade
) -> None:
    assert me(app.test_client(), factories.make_key(person, days=-0.001)) == 401
    assert me(app.test_client(), factories.make_key(person, is_active=False)) == 401
    browser = factories.sign_in(app.test_client(), person)
    page = factories.post(browser, "/me/keys", name="report").get_data(as_text=True)
    text = page.split('id="new-key">')[1].split("<")[0]
    row = factories.rows(ApiKey)[-1]
    assert row.expires_at is not None
    assert abs(row.expires_at - row.created_at - timedelta(days=90)) < timedelta(minutes=1)
    assert text not in browser.get("/me").get_data(as_text=True)
    assert me(app.test_client(), text) == 200


def test_t_apikey_a_key_makes_revokes_and_renames_no_keys(app: Flask, person: PersonMade) -> None:
    text = factories.make_key(person)
    client, (row,) = app.test_client(), factories.rows(ApiKey)
    assert client.post("/api/v1/api-keys", json={"name": "more"}, headers=bearer(text)).status_code == 403
    assert client.delete(f"/api/v1/api-keys/{row.id}", headers=bearer(text)).status_code == 403
    for path in ("/me/keys", f"/me/keys/{row.id}/revoke", f"/me/keys/{row.id}/rename"):
        assert client.post(path, headers=bearer(text)).status_code in (302, 400)
    assert len(factories.rows(ApiKey)) == 1


def test_t_apikey_a_key_in_an_address_or_a_cookie_is_refused(app: Flask, person: PersonMade) -> None:
    text = factories.make_key(person)
    for name in ("api_key", "key", "token", "access_token", "q"):
        answer = app.test_client().get(f"/api/v1/me?{name}={text}", headers=bearer(text))
        assert answer.status_code == 401
        assert "Revoke this one" in (answer.json or {})["message"]
    client = app.test_client()
    client.set_cookie("api_key", text)
    assert client.get("/api/v1/me").status_code == 401
    assert client.get("/api/v1/me", headers={"X-Api-Key": text}).status_code == 401


def test_t_apikey_the_secret_is_compared_in_constant_time(
    app: Flask, person: PersonMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = identity.hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(identity.hmac, "compare_digest", noted)
    text = factories.make_key(person)
    assert me(app.test_client(), text[:-1] + ("A" if text[-1] != "A" else "B")) == 401
    assert [len(one) for one, _other in compared if len(one) == 32] == [32], "digests, whole, by compare_digest"


def test_t_apikey_last_use_is_written_at_most_once_a_minute(app: Flask, person: PersonMade) -> None:
    text, client = factories.make_key(person), app.test_client()
    assert me(client, text) == 200
    first = factories.rows(ApiKey)[0].last_used
    for _ in range(3):
        me(client, text)
    assert factories.rows(ApiKey)[0].last_used == first
    factories.set_columns(ApiKey, factories.rows(ApiKey)[0].id, last_used=utc_now() - timedelta(seconds=61))
    me(client, text)
    again = factories.rows(ApiKey)[0].last_used
    assert again is not None
    assert first is not None
    assert again >= first
