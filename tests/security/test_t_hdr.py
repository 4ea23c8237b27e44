"""T-HDR: every answer carries the headers, errors and static files too."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app import create_app
from app.accounts import queries_users
from config import Settings
from tests import factories
from tests.factories import bearer
from tests.permissions.routes import operations, path_for

BASE = "https://platform.example"
CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


@pytest.fixture
def secure(make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """The application behind https."""
    app = create_app(make_settings(public_url=BASE, rate_limit_per_minute=1_000_000))
    factories.use(app)
    yield app
    factories.use(None)


def missing(answer: TestResponse, *, is_static: bool = False) -> list[str]:
    """Return which headers of the set an answer lacks."""
    headers = answer.headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers.get("Content-Security-Policy", "").split(";"))
    wrong = [name for name, value in CSP.items() if policy.get(name) != value]
    wrong += ["unsafe" for value in policy.values() if "unsafe" in value or "http:" in value or "*" in value]
    for name, value in (
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
        ("Cross-Origin-Resource-Policy", "same-origin"),
    ):
        if headers.get(name) != value:
            wrong.append(name)
    if "max-age=" not in headers.get("Strict-Transport-Security", ""):
        wrong.append("Strict-Transport-Security")
    if not is_static and "no-store" not in headers.get("Cache-Control", ""):
        wrong.append("Cache-Control")
    if not headers.get("X-Request-Id"):
        wrong.append("X-Request-Id")
    if "Server" in headers or "X-Powered-By" in headers:
        wrong.append("tells what serves it")
    return wrong


def test_t_hdr_every_route_answers_with_the_set(secure: Flask, summary_line: Callable[[str], None]) -> None:
    person = factories.make_person(factories.make_tenant("Default").id)
    headers, wrong, statuses = bearer(factories.make_key(person)), [], set()
    for method, rule in operations(secure):
        for given in ({}, headers):
            answer = secure.test_client().open(path_for(rule.rule), method=method, base_url=BASE, headers=given)
            statuses.add(answer.status_code)
            if lacks := missing(answer, is_static=rule.endpoint == "static"):
                wrong.append(f"{method} {rule.rule} ({answer.status}): {lacks}")
            answer.close()
    summary_line(f"T-HDR: answers {', '.join(map(str, sorted(statuses)))} carry the headers")
    assert not wrong, "\n".join(wrong)
    assert {200, 302, 400, 401, 404} <= statuses


def test_t_hdr_errors_static_files_and_redirects_too(secure: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    person = factories.make_person(factories.make_tenant("Default").id)
    headers, client = bearer(factories.make_key(person)), secure.test_client()

    def ask(path: str, method: str = "GET", **more: object) -> TestResponse:
        return client.open(path, method=method, base_url=BASE, **more)  # type: ignore[arg-type]

    answers = {
        "static file": (ask("/static/icons.svg"), 200),
        "unknown page": (ask("/nowhere"), 404),
        "unknown static file": (ask("/static/nowhere.js"), 404),
        "unknown API path": (ask("/api/v1/nowhere"), 404),
        "method": (ask("/sign-in", "DELETE"), 405),
        "redirect": (ask("/me"), 302),
        "too large": (ask("/sign-in", "POST", data={"username": "x" * 3_000_000}), 413),
        "not JSON": (ask("/api/v1/teams", "POST", data="a=1", content_type="text/plain", headers=headers), 415),
        "no token": (ask("/sign-in", "POST", data={}), 400),
    }

    def broken(*_args: object, **_more: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(queries_users, "list_users", broken)
    answers["a bug of ours"] = (ask("/api/v1/users", headers=headers), 500)
    browser = secure.test_client()
    factories.sign_in(browser, person)
    answers["strange host"] = (client.get("/sign-in", base_url="https://evil.example"), 400)
    for name, (answer, status) in answers.items():
        assert answer.status_code == status, name
        assert missing(answer, is_static="static file" in name) == [], name
        assert "a bug" not in answer.get_data(as_text=True)
        answer.close()
