"""T-BRUTE: of any number of tries only a few are judged, and the victim stays signed in."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from urllib.parse import urlencode

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from app.accounts import passwords, sign_in
from app.accounts.identity import Origin
from app.accounts.models import SignInAttempt
from app.accounts.sign_in import SignInRefused
from config import Settings
from tests import factories
from tests.factories import PASSWORD
from tests.security.conftest import plain_app

SPELLINGS = ("admin", "Admin", "ADMIN", "admin ", " admin", "\tadmin", "ａdmin")
STRANGERS = ("ádmin", "admin\u200b", "admın", "adm in", "admin\x00")


class Watched:
    """How many passwords were compared with a real hash, and how many bcrypts ran at the same moment."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.judged, self.now, self.most = 0, 0, 0
        lock, compute, verify = threading.Lock(), passwords.bcrypt.checkpw, sign_in.verify_password

        def counted(secret: bytes, stored: bytes) -> bool:
            with lock:
                self.now += 1
                self.most = max(self.most, self.now)
            try:
                return compute(secret, stored)
            finally:
                with lock:
                    self.now -= 1

        def judged(password: str, stored: str | None) -> bool:
            with lock:
                self.judged += stored is not None
            return verify(password, stored)

        monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
        monkeypatch.setattr(sign_in, "verify_password", judged)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


@pytest.fixture
def flooded(make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """An application whose general limit does not come first."""
    app = plain_app(create_app(make_settings(rate_limit_per_minute=1_000_000)))
    factories.use(app)
    yield app
    factories.use(None)


def test_t_brute_of_a_thousand_tries_in_any_spelling_from_anywhere_ten_are_judged(
    flooded: Flask, watched: Watched
) -> None:
    person = factories.make_person(factories.make_tenant("Default").id, username="admin")
    known = factories.sign_in(flooded.test_client(), person)
    for number in range(1000):
        name = SPELLINGS[number % len(SPELLINGS)]
        origin = Origin(f"198.51.{number // 250}.{number % 250}")
        password = PASSWORD if number > 900 else f"guess-{number}"
        with flooded.app_context(), pytest.raises(SignInRefused):
            sign_in.sign_in(name, password, origin)
    assert watched.judged == 10
    assert len(factories.rows(SignInAttempt)) == 11, "the rest is not stored, so that the lock ends in time"
    assert known.get("/me").status_code == 200, "the victim's known session goes on"


def test_t_brute_a_look_alike_is_another_name_and_locks_nobody(flooded: Flask, watched: Watched) -> None:
    factories.make_person(factories.make_tenant("Default").id, username="admin")
    for number in range(60):
        with flooded.app_context(), pytest.raises(SignInRefused):
            sign_in.sign_in(STRANGERS[number % len(STRANGERS)], PASSWORD, Origin(f"198.51.100.{number}"))
    assert watched.judged == 0
    assert sign_in_over_http(flooded, "admin", PASSWORD) == 303


def sign_in_over_http(app: Flask, username: str, password: str, **headers: str) -> int:
    data = {"username": username, "password": password}
    return app.test_client().post("/sign-in", data=data, headers=headers).status_code


def test_t_brute_one_address_has_fifty_tries_whatever_it_claims_to_be(flooded: Flask, watched: Watched) -> None:
    tenant = factories.make_tenant("Default")
    names = [factories.make_person(tenant.id).username for _ in range(70)]
    for number, name in enumerate(names):
        forged = {
            "X-Forwarded-For": f"203.0.113.{number}",
            "X-Real-IP": f"203.0.113.{number}",
            "Forwarded": "for=1.2.3.4",
        }
        assert sign_in_over_http(flooded, name, "wrong", **forged) == 401
    assert watched.judged == 50
    assert sign_in_over_http(flooded, names[-1], PASSWORD, **{"X-Forwarded-For": "203.0.113.99"}) == 401


@pytest.mark.database
def test_t_brute_a_hundred_at_once_are_judged_by_tens_and_four_bcrypts_run_at_a_time(
    make_settings: Callable[..., Settings], watched: Watched
) -> None:
    app = plain_app(create_app(make_settings(rate_limit_per_minute=1_000_000, bcrypt_rounds=6)))
    factories.use(app)
    person = factories.make_person(factories.make_tenant("Default").id, username="admin")
    known = factories.sign_in(app.test_client(), person)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    answers: list[int] = []
    gate = threading.Barrier(100)

    def attack(number: int) -> None:
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=120)
        body = urlencode({"username": SPELLINGS[number % 3], "password": f"guess-{number}"})
        gate.wait()
        connection.request("POST", "/sign-in", body, {"Content-Type": "application/x-www-form-urlencoded"})
        answer = connection.getresponse()
        answer.read()
        answers.append(answer.status)
        connection.close()

    threads = [threading.Thread(target=attack, args=(number,)) for number in range(100)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
    assert len(answers) == 100
    assert set(answers) <= {401, 503}, answers
    assert watched.judged <= 10
    assert 1 <= watched.most <= passwords.AT_ONCE == 4
    assert known.get("/me").status_code == 200
    factories.use(None)
