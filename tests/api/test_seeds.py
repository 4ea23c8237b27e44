"""Values that generated examples may miss: the edges of numbers, half characters, NUL, huge and deep documents."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests import factories
from tests.permissions.routes import operations, parameters, path_for

NUMBERS = (2**31, 2**63, 10**30, 0)
DEEP = "[" * 200_000 + "]" * 200_000


@pytest.fixture
def ask(app: Flask, client: FlaskClient) -> Callable[..., TestResponse]:
    """Ask as an administrator; ``raw`` is sent as it stands."""
    headers = factories.bearer(factories.make_key(factories.make_person(factories.make_tenant("Default").id)))

    def send(method: str, path: str, raw: str | bytes | None = None, kind: str = "application/json") -> TestResponse:
        more: dict[str, Any] = {} if raw is None else {"data": raw, "content_type": kind}
        return client.open(f"/api/v1{path}", method=method, headers=headers, **more)

    return send


def test_numbers_at_the_edge_of_an_id_are_unknown_or_refused(app: Flask, ask: Callable[..., TestResponse]) -> None:
    wrong = []
    for method, rule in operations(app):
        ids = [name for name, converter in parameters(rule.rule).items() if converter == "int"]
        if not ids or not rule.rule.startswith("/api/v1"):
            continue
        for number in (*NUMBERS, -1):
            path = path_for(rule.rule, dict.fromkeys(ids, number)).removeprefix("/api/v1")
            answer = ask(method, path, "{}" if method in ("POST", "PATCH", "PUT") else None)
            if answer.status_code not in (403, 404, 405, 422):
                wrong.append(f"{method} {path}: {answer.status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.database
def test_text_that_no_database_takes_is_refused_not_an_error_of_ours(ask: Callable[..., TestResponse]) -> None:
    bodies = {
        "/servers": {"hostname": "web-1", "ip_address": "192.0.2.1", "description": None},
        "/tickets": {"title": None, "description": "x"},
        "/playbooks": {"name": None, "file_name": "a.yml", "content": "- hosts: all\n"},
        "/api-keys": {"name": None},
    }
    wrong = []
    for path, body in bodies.items():
        for bad in ("\ud800", "a\0b", "\udfff tail"):
            answer = ask("POST", path, json.dumps({k: bad if v is None else v for k, v in body.items()}))
            if answer.status_code not in (403, 422):
                wrong.append(f"{path} {bad!r}: {answer.status}")
    for path in ("/servers?q=", "/jobs?kind=", "/tickets?text=", "/playbooks?q=", "/audit-logs?event="):
        for bad in ("%00", "%ED%A0%80", "%25" * 50, "_" * 50):
            answer = ask("GET", path + bad)
            if answer.status_code not in (200, 422):
                wrong.append(f"{path}{bad}: {answer.status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("path", "raw"),
    [
        ("/servers", '{"hostname": "web-1", "ip_address": "192.0.2.1", "ssh_port": NaN}'),
        ("/servers", '{"hostname": "web-1", "ip_address": "192.0.2.1", "variables": {"x": NaN}}'),
        ("/servers", '{"hostname": "web-1", "ip_address": "192.0.2.1", "variables": {"x": Infinity}}'),
        ("/launches", '{"playbook_id": NaN, "server_ids": [1]}'),
        ("/launches", '{"playbook_id": 1e400, "server_ids": [1]}'),
        ("/launches", DEEP),
        ("/launches", "{" + ",".join(f'"{n:x}":0' for n in range(200_000)) + "}"),
        ("/launches", '{"playbook_id": 9' + "9" * 5000 + "}"),
        ("/launches", '{"playbook_id": 1, '),
        ("/launches", "null"),
        ("/launches", '"text"'),
        ("/launches", b"\xff\xfe"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_document_that_cannot_be_used_is_refused(ask: Callable[..., TestResponse], path: str, raw: Any) -> None:
    answer = ask("POST", path, raw)
    assert answer.status_code in (400, 413, 422), answer.get_data(as_text=True)[:300]
    assert answer.json is not None
    assert answer.json["message"]


@pytest.mark.parametrize("when", ["0000-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_moments_outside_of_time_are_refused_or_find_nothing(ask: Callable[..., TestResponse], when: str) -> None:
    query = when.replace("+", "%2B")
    for path in (f"/jobs?created_from={query}", f"/launches?created_to={query}", f"/audit-logs?from={query}"):
        assert ask("GET", path).status_code in (200, 422), path


def test_too_much_is_413_and_another_form_415(ask: Callable[..., TestResponse]) -> None:
    large = json.dumps({"title": "x" * 3_000_000})
    for path in ("/tickets", "/servers", "/launches", "/playbooks"):
        assert ask("POST", path, large).status_code == 413, path
        answer = ask("POST", path, "a=1", "text/plain")
        assert answer.status_code == 415, f"{path}: {answer.get_data(as_text=True)}"
    assert ask("POST", "/launches", '{"playbook_id": 1}', "text/plain").status_code == 415


def test_methods_that_an_address_does_not_take_are_405_and_it_says_which(
    app: Flask, ask: Callable[..., TestResponse]
) -> None:
    taken: dict[str, set[str]] = {}
    for method, rule in operations(app):
        if rule.rule.startswith("/api/v1"):
            taken.setdefault(path_for(rule.rule).removeprefix("/api/v1"), set()).add(method)
    for path, methods in taken.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "TRACE", "BREW"} - methods:
            answer = ask(method, path)
            assert answer.status_code == 405, f"{method} {path}: {answer.status}"
            assert methods <= set(answer.headers["Allow"].split(", ")), path
