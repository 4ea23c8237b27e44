"""T-IDOR: an id of another tenant is answered exactly as one that does not exist; in paths, queries and bodies."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from werkzeug.test import TestResponse

from app import create_app
from app.core.db import db
from config import Settings
from tests import factories
from tests.holdings import Holdings, make_holdings
from tests.permissions.cast import Cast, make_cast
from tests.permissions.foreign import FIELDS, foreign_id
from tests.permissions.matrix import BODIES, QUERIES
from tests.permissions.routes import UNKNOWN_NUMBER, UNKNOWN_UUID, operations, parameters, path_for

CHANGING = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}|name="csrf[^>]*>|X-Request-Id[^<]*|\b\d{1,10}\b')
PARAMETER = re.compile(r"\{(ticket_id|saved_uuid)\}")
FILE_NAMES = {"filename", "name"}  # parameters that are no ids
Said = tuple[int, str]


@dataclass
class Two:
    """The callers and what each of two tenants has."""

    cast: Cast
    ours: Holdings
    theirs: Holdings


@pytest.fixture
def two(make_settings: Callable[..., Settings]) -> Iterator[Two]:
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    cast = make_cast(app)
    yield Two(cast, make_holdings(app, cast.people["admin"]), make_holdings(app, cast.people["other_admin"]))
    factories.use(None)


def said(answer: TestResponse) -> Said:
    """Status and text without what differs between any two answers (ids of requests, tokens, numbers)."""
    endless = answer.mimetype == "text/event-stream"
    text = "" if endless else answer.get_data(as_text=True)
    answer.close()
    return answer.status_code, CHANGING.sub("*", text)


def everything(tenant_id: int) -> dict[str, list[tuple[Any, ...]]]:
    """Return all rows of a tenant; what a refusal or a sign-in notes is left out."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with factories.context(), db.engine.connect() as connection:
        for table in db.metadata.sorted_tables:
            if "tenant_id" in table.c and table.name not in {"sessions", "api_keys"}:
                rows = connection.execute(table.select().where(table.c.tenant_id == tenant_id))
                found[table.name] = sorted(tuple(row) for row in rows)
    return found


def _with(path: str, query: str) -> str:
    return f"{path}?{query}" if query else path


def test_another_tenants_row_looks_like_none_at_all(two: Two, summary_line: Callable[[str], None]) -> None:
    cast, wrong, swapped = two.cast, [], 0
    owner = cast.people["other_admin"]
    before = everything(owner.tenant_id)
    for method, rule in operations(cast.app):
        names = [name for name in parameters(rule.rule) if name not in FILE_NAMES]
        if rule.endpoint == "static" or not names:
            continue
        body = BODIES.get(f"{method} {rule.rule}")
        query = QUERIES.get(f"{method} {rule.rule}", "")
        unknown = said(cast.ask("admin", method, _with(path_for(rule.rule), query), body))
        values = {name: foreign_id(rule.rule, name, owner, two.theirs) for name in names}
        tries = [values]
        if "key_id" in values and "server_id" in values:  # their key below a server of ours
            tries.append({**values, "server_id": two.ours.server_id})
        for tried in tries:
            theirs = said(cast.ask("admin", method, _with(path_for(rule.rule, tried), query), body))
            swapped += 1
            reference = unknown
            if tried is not values:
                reference = said(
                    cast.ask("admin", method, path_for(rule.rule, {"server_id": two.ours.server_id}), body)
                )
            if theirs != reference or not 400 <= theirs[0] < 500:
                wrong.append(f"{method} {rule.rule}: {theirs[0]} for a foreign id, {reference[0]} for an unknown one")
    summary_line(f"foreign ids in paths: {swapped} cells")
    assert not wrong, "\n".join(wrong)
    assert everything(owner.tenant_id) == before


def _ids(properties: dict[str, Any]) -> list[str]:
    return [name for name in properties if name.endswith(("_id", "_ids", "_uuid"))]


def _body_schema(spec: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any]:
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    if "$ref" in schema:
        schema = spec["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    properties: dict[str, Any] = schema.get("properties", {})
    return properties


def _spec(cast: Cast) -> dict[str, Any]:
    spec = cast.app.test_client().get("/api/v1/openapi.json").json
    assert spec
    return spec


def _operations(spec: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in spec["paths"].items():
        for method, operation in methods.items():
            if method != "parameters":
                yield method.upper(), path, operation


def test_another_tenants_id_in_a_filter_finds_what_an_unknown_one_finds(
    two: Two, summary_line: Callable[[str], None]
) -> None:
    spec, wrong, swapped = _spec(two.cast), [], 0
    pages = {rule.rule for method, rule in operations(two.cast.app) if method == "GET"}
    for _method, path, operation in _operations(spec):
        queries = {one["name"]: one for one in operation.get("parameters", []) if one.get("in") == "query"}
        for name in _ids(queries):
            for address in (path, path.removeprefix("/api/v1").replace("audit-logs", "audit")):
                if address not in pages:
                    continue
                more = {"resource_type": "server"} if name == "resource_id" else {}
                answers = [
                    said(two.cast.ask("admin", "GET", f"{address}?{urlencode({name: value, **more})}"))
                    for value in FIELDS[name](two.theirs)
                ]
                swapped += 1
                if answers[0] != answers[1] or answers[0][0] >= 500:
                    wrong.append(
                        f"{address}?{name}: {answers[0][0]} for a foreign id, {answers[1][0]} for an unknown one"
                    )
    for value in (two.theirs.job_id, UNKNOWN_UUID):
        with two.cast.ask("admin", "GET", f"/stream?job={value}:0") as answer:
            assert answer.status_code == 404
        swapped += 1
    summary_line(f"foreign ids in filters: {swapped} cells")
    assert not wrong, "\n".join(wrong)


def _whole_body(two: Two, operation: str) -> dict[str, Any]:
    """A body that would be accepted, with ids of our own."""
    ours, body = two.ours, dict(BODIES.get(PARAMETER.sub(r"<uuid:\1>", operation), {}))
    for name in body:
        if name in ("playbook_id", "server_id"):
            body[name] = getattr(ours, name)
        elif name == "server_ids":
            body[name] = [ours.server_id]
    return body


def test_another_tenants_id_in_a_body_is_refused_like_an_unknown_one(
    two: Two, summary_line: Callable[[str], None]
) -> None:
    spec, wrong, swapped = _spec(two.cast), [], 0
    owner = two.cast.people["other_admin"]
    before, own_paths = everything(owner.tenant_id), {name: getattr(two.ours, name) for name in two.ours.__slots__}
    for method, path, operation in _operations(spec):
        for name in _ids(_body_schema(spec, operation)):
            answers = []
            for value in FIELDS[name](two.theirs):
                body = {**_whole_body(two, f"{method} {path}"), name: value}
                answers.append(said(two.cast.ask("admin", method, path.format(**own_paths), body)))
            swapped += 1
            if answers[0] != answers[1] or answers[0][0] not in (404, 422):
                wrong.append(f"{method} {path} {name}: {answers[0]} for a foreign id, {answers[1]} for an unknown one")
    summary_line(f"foreign ids in bodies: {swapped} cells")
    assert swapped
    assert not wrong, "\n".join(wrong)
    assert everything(owner.tenant_id) == before


def test_another_tenants_id_in_a_form_is_refused_like_an_unknown_one(two: Two) -> None:
    ours, wrong = two.ours, []
    forms: list[tuple[str, str, dict[str, Any]]] = [
        (f"/playbooks/{ours.playbook_id}/launch", "server_ids", {}),
        ("/tickets/new", "server_id", {"title": "Late"}),
        ("/tickets/new", "job_id", {"title": "Late"}),
        ("/tickets/new", "assignee_id", {"title": "Late", "job_id": ours.job_id}),
        (f"/tickets/{ours.ticket_id}", "assignee_id", {}),
        ("/servers/new", "jump_host_id", {"hostname": "web-9", "ip_address": "192.0.2.8"}),
        (f"/servers/{ours.server_id}/edit", "jump_host_id", {"hostname": "web-9", "ip_address": "192.0.2.8"}),
    ]
    owner = two.cast.people["other_admin"]
    before = everything(owner.tenant_id)
    for path, name, fields in forms:
        answers = [said(two.cast.ask("admin", "POST", path, {**fields, name: v})) for v in FIELDS[name](two.theirs)]
        if answers[0] != answers[1] or not 400 <= answers[0][0] < 500:
            wrong.append(f"{path} {name}: {answers[0][0]} for a foreign id, {answers[1][0]} for an unknown one")
    assert not wrong, "\n".join(wrong)
    assert everything(owner.tenant_id) == before


def test_a_viewer_relaunches_and_cancels_no_real_launch(two: Two) -> None:
    paths = [f"/launches/{two.ours.launch_uuid}/{what}" for what in ("relaunch", "cancel")]
    paths += [f"/jobs/{two.ours.job_id}/cancel"]
    for path in itertools.chain(paths, (f"/api/v1{path}" for path in paths)):
        with two.cast.ask("viewer", "POST", path) as answer:
            assert answer.status_code == 403, path


def test_unknown_ids_are_really_unknown(two: Two) -> None:
    assert UNKNOWN_NUMBER not in (two.ours.server_id, two.theirs.server_id)
    assert two.cast.ask("admin", "GET", f"/api/v1/servers/{two.ours.server_id}").status_code == 200
