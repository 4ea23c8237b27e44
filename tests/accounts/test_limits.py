"""Limits: tries of passwords hold in parallel and on every page that asks for one; requests count by key or address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.accounts import passwords, sign_in
from app.accounts.identity import Origin
from app.accounts.models import SignInAttempt, UserSession
from app.accounts.sign_in import SignInRefused
from app.audit.models import AuditEntry
from app.core.actor import Role
from config import Settings
from tests import factories
from tests.factories import PASSWORD, PersonMade, bearer

NEW = "another-otter-swims-away"


@pytest.fixture
def person(app: Flask) -> PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.OPERATOR, username="ada")


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each computation of bcrypt: its cost."""
    found: list[int] = []
    compute = passwords.bcrypt.checkpw

    def counted(secret: bytes, stored: bytes) -> bool:
        found.append(int(stored.split(b"$")[2]))
        return compute(secret, stored)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
    return found


def test_every_refusal_computes_exactly_one_hash_of_the_same_cost(
    app: Flask, person: PersonMade, checks: list[int]
) -> None:
    factories.make_person(person.tenant_id, username="inactive", is_active=False)
    tries = [("nobody", "x"), ("ada", "wrong"), ("inactive", PASSWORD), ("system-1", "x"), ("", "")]
    tries += [("ada", "wrong")] * 10 + [("ada", PASSWORD)]  # locked in the end
    for name, password in tries:
        with app.app_context(), pytest.raises(SignInRefused):
            sign_in.sign_in(name, password, Origin("192.0.2.1"))
        assert checks == [4], f"{name} cost {checks}"
        checks.clear()


@pytest.mark.database
def test_of_parallel_tries_no_more_than_the_limit_are_judged(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = create_app(make_settings(sign_in_user_limit=3, database_pool_size=12))
    factories.use(app)
    factories.make_person(factories.make_tenant("Default").id, username="ada")
    judged: list[bool] = []
    check = sign_in.verify_password

    def watched(password: str, stored: str | None) -> bool:
        judged.append(stored is not None)
        return check(password, stored)

    monkeypatch.setattr(sign_in, "verify_password", watched)
    gate, ends = threading.Barrier(8), []

    def try_once(number: int) -> None:
        gate.wait()
        with app.app_context():
            try:
                sign_in.sign_in("ada", "wrong", Origin(f"192.0.2.{number}"))
            except Exception as error:
                ends.append(type(error).__name__)

    threads = [threading.Thread(target=try_once, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(ends) <= {"SignInRefused", "Unavailable"}
    assert len(ends) == 8
    assert sum(judged) <= 3
    factories.use(None)


def change(client: FlaskClient, current: str) -> int:
    fields = {"current_password": current, "new_password": NEW, "repeated_password": NEW}
    return factories.post(client, "/me/password", **fields).status_code


def test_wrong_present_passwords_count_towards_the_limits(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    for _ in range(10):
        assert change(browser, "wrong") == 422
    answer = factories.post(browser, "/me/password", current_password=PASSWORD, new_password=NEW, repeated_password=NEW)
    assert answer.status_code == 422
    assert "Too many wrong tries. Wait 15 minutes" in answer.get_data(as_text=True)
    with app.app_context(), pytest.raises(SignInRefused):
        sign_in.sign_in("ada", PASSWORD, Origin("192.0.2.1"))
    refused = [entry.event for entry in factories.rows(AuditEntry) if entry.outcome == "refused"]
    assert refused.count("user:change_password") == 11, "the first one over the limit is told, the right one included"
    assert browser.get("/me").status_code == 200, "the session goes on"


def test_a_right_present_password_is_no_failure(app: Flask, person: PersonMade) -> None:
    browser = factories.sign_in(app.test_client(), person)
    assert change(browser, PASSWORD) == 303
    assert [attempt.succeeded for attempt in factories.rows(SignInAttempt)] == [True]
    assert [row.revoked_at is None for row in factories.rows(UserSession)].count(True) == 1


@pytest.fixture
def narrow(make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """An application that answers ten requests a minute."""
    app = create_app(make_settings(rate_limit_per_minute=10))
    factories.use(app)
    yield app
    factories.use(None)


def test_requests_count_for_the_key_and_invented_keys_for_the_address(narrow: Flask) -> None:
    person = factories.make_person(factories.make_tenant("Default").id)
    first, second = (bearer(factories.make_key(person)) for _ in range(2))
    client = narrow.test_client()
    for headers in (first, second):  # the first request of each counts for the address
        assert client.get("/api/v1/me", headers=headers).status_code == 200
    codes = [client.get("/api/v1/me", headers=first).status_code for _ in range(11)]
    assert codes == [200] * 10 + [429]
    assert client.get("/api/v1/me", headers=second).status_code == 200, "another key is not held up"
    tries = [client.get("/api/v1/me", headers=bearer(f"mw_{n:010d}_" + "A" * 43)).status_code for n in range(9)]
    assert tries == [401] * 8 + [429], "a new invented key each time helps nothing"
    answer = client.get("/api/v1/me", headers=first)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "60")
    assert client.get("/sign-in").status_code == 429


def test_an_address_is_limited_though_redis_is_gone(make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings(rate_limit_per_minute=10))  # the tests' Redis address answers nobody
    client = app.test_client()
    codes = [client.get("/sign-in", headers={"X-Forwarded-For": f"203.0.113.{n}"}).status_code for n in range(11)]
    assert codes == [200] * 10 + [429]
