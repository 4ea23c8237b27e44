"""T-CSRF: no other site acts through a visitor's browser."""

from __future__ import annotations

from collections.abc import Callable

from flask import Flask

from app import create_app
from app.accounts.models import ApiKey, User
from app.core.actor import Role
from config import Settings
from tests import factories
from tests.permissions.routes import operations, path_for


def cookie_routes(app: Flask) -> list[tuple[str, str]]:
    found = []
    for method, rule in operations(app):
        if method not in ("GET", "HEAD", "OPTIONS") and not rule.rule.startswith("/api/"):
            found.append((method, rule.rule))
    return found


def test_t_csrf_every_cookie_route_refuses_a_change_without_its_token(
    app: Flask, summary_line: Callable[[str], None]
) -> None:
    person = factories.make_person(factories.make_tenant("Default").id)
    browser = factories.sign_in(app.test_client(), person)
    other = factories.csrf_token(factories.sign_in(app.test_client(), person))
    routes, wrong = cookie_routes(app), []
    for method, rule in routes:
        for form in ({}, {"csrf_token": ""}, {"csrf_token": "x" * 90}, {"csrf_token": other}):
            answer = browser.open(path_for(rule), method=method, data=form)
            if answer.status_code not in (400, 403):
                wrong.append(f"{method} {rule} with {str(form)[:30]}: {answer.status}")
    summary_line(f"T-CSRF: {len(routes)} cookie routes refuse what lacks the token")
    assert not wrong, "\n".join(wrong)
    assert len(routes) > 40
    assert browser.get("/me").status_code == 200, "nobody was signed out"


def test_t_csrf_json_and_text_as_a_simple_request_of_another_site_change_nothing(app: Flask) -> None:
    person = factories.make_person(factories.make_tenant("Default").id)
    browser = factories.sign_in(app.test_client(), person)
    for kind in ("text/plain", "application/json", "multipart/form-data; boundary=x"):
        answer = browser.post("/me/keys", data='{"name": "stolen"}', content_type=kind, headers={"Origin": "null"})
        assert answer.status_code == 400, kind
    assert factories.rows(ApiKey) == []


def test_t_csrf_a_right_token_from_another_origin_is_refused_under_tls(make_settings: Callable[..., Settings]) -> None:
    app = create_app(make_settings(public_url="https://platform.example"))
    factories.use(app)
    person = factories.make_person(factories.make_tenant("Default").id)
    browser = app.test_client()
    base = "https://platform.example"
    page = browser.get("/sign-in", base_url=base).get_data(as_text=True)
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    form = {"csrf_token": token, "username": person.username, "password": factories.PASSWORD}
    for headers in ({"Referer": "https://evil.example/"}, {}):
        assert browser.post("/sign-in", data=form, base_url=base, headers=headers).status_code == 400
    own = {"Referer": f"{base}/sign-in"}
    assert browser.post("/sign-in", data=form, base_url=base, headers=own).status_code == 303
    factories.use(None)


def test_t_csrf_the_api_ignores_cookies(app: Flask) -> None:
    person = factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)
    browser = factories.sign_in(app.test_client(), person)
    token = factories.csrf_token(browser)
    before, wrong = len(factories.rows(User)), []
    for method, rule in operations(app):
        if not rule.rule.startswith("/api/") or rule.endpoint in app.open_endpoints:  # type: ignore[attr-defined]
            continue
        if any(word in rule.rule for word in ("/health", "/ready", "/docs", "openapi")):
            continue
        answer = browser.open(path_for(rule.rule), method=method, headers={"X-CSRFToken": token}, json={})
        if answer.status_code not in (401, 422):  # 422: the body is read before the key is asked for
            wrong.append(f"{method} {rule.rule}: {answer.status}")
    assert not wrong, "\n".join(wrong)
    assert len(factories.rows(User)) == before


def test_t_csrf_no_page_that_is_only_looked_at_changes_anything(app: Flask) -> None:
    """GET opens a reading unit of work; an act that records something fails loudly in one."""
    person = factories.make_person(factories.make_tenant("Default").id)
    browser = factories.sign_in(app.test_client(), person)
    wrong = []
    for method, rule in cookie_routes(app):
        answer = browser.get(path_for(rule), follow_redirects=False)
        if answer.status_code >= 500:
            wrong.append(f"GET {rule} ({method}): {answer.status}")
        answer.close()
    assert not wrong, "\n".join(wrong)
