"""T-DOS: no request makes the platform work without a limit, and none ends in an error of ours."""

from __future__ import annotations

import json
from collections.abc import Callable

from werkzeug.test import TestResponse

from tests import factories
from tests.holdings import make_holdings
from tests.permissions.cast import Cast
from tests.permissions.routes import operations, path_for
from tests.security.conftest import caller_for
from tests.security.openapi import rest_operations

HUGE_FIELD = b"name=" + b"x" * 3_000_000
MANY_FIELDS = b"&".join(b"f%d=1" % number for number in range(5_000))
FORM = "application/x-www-form-urlencoded"
HUGE = 10**9
LIKE = "%25" * 100 + "_" * 100
DEEP = b"[" * 100_000 + b"]" * 100_000
DEEP_OBJECT = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
MANY_KEYS = b"{" + ",".join(f'"{n:x}":0' for n in range(150_000)).encode() + b"}"  # below the limit of a request
MILLION_KEYS = b"{" + ",".join(f'"k{n}":0' for n in range(1_000_000)).encode() + b"}"


def ask_raw(cast: Cast, caller: str, method: str, path: str, raw: bytes) -> TestResponse:
    headers = factories.bearer(cast.keys[caller])
    return cast.app.test_client().open(path, method=method, data=raw, content_type="application/json", headers=headers)


def test_t_dos_every_list_has_a_limit_on_both_faces(cast: Cast, summary_line: Callable[[str], None]) -> None:
    held = make_holdings(cast.app, cast.people["admin"])
    pages = {rule.rule for method, rule in operations(cast.app) if method == "GET"}
    wrong, lists = [], 0
    for operation in rest_operations(cast.app):
        if operation.method != "GET" or "page_size" not in operation.query:
            continue
        api = operation.path(held)
        page = api.removeprefix("/api/v1")
        for path in [api] + [page] * (operation.rule.removeprefix("/api/v1") in pages):
            lists += 1
            for query in (f"page_size={HUGE}", "page_size=-1", f"page_size={10**30}"):
                answer = cast.ask(caller_for(operation.rule), "GET", f"{path}?{query}")
                if answer.status_code != 422:
                    wrong.append(f"{path}?{query}: {answer.status}")
            if "page" in operation.query:
                answer = cast.ask(caller_for(operation.rule), "GET", f"{path}?page={HUGE}")
                if answer.status_code != 422:
                    wrong.append(f"{path}?page={HUGE}: {answer.status}")
            usual = cast.ask(caller_for(operation.rule), "GET", f"{path}?page_size=100")
            if usual.status_code not in (200, 422):  # 422: this one has no such part
                wrong.append(f"{path}: {usual.status}")
    summary_line(f"T-DOS: {lists} lists have limits")
    assert not wrong, "\n".join(wrong)
    assert lists >= 12


def test_t_dos_a_megabyte_in_a_filter_is_refused(cast: Cast) -> None:
    wrong = []
    for operation in rest_operations(cast.app):
        if operation.method != "GET":
            continue
        for name, schema in operation.query.items():
            if schema.get("type") not in ("string", ["string", "null"]):
                continue
            for path in {operation.path(), operation.path().removeprefix("/api/v1")}:
                for value, allowed in (
                    ("x" * 1_000_000, (404, 422)),
                    (LIKE, (200, 404, 422)),
                    ("%25", (200, 404, 422)),
                ):
                    answer = cast.ask(caller_for(operation.rule), "GET", f"{path}?{name}={value}")
                    if answer.status_code not in allowed and answer.status_code != 405:
                        wrong.append(f"{path}?{name}={value[:9]}...: {answer.status}")
                    answer.close()
    assert not wrong, "\n".join(wrong)


def test_t_dos_no_route_fails_on_huge_numbers_or_filters(cast: Cast) -> None:
    wrong = []
    for method, rule in operations(cast.app):
        if method != "GET" or rule.endpoint == "static" or "stream" in rule.rule:
            continue
        for query in (f"page={HUGE}&page_size={HUGE}", f"after={10**30}", f"q={LIKE}", f"text={LIKE}"):
            answer = cast.ask(caller_for(rule.rule), "GET", f"{path_for(rule.rule)}?{query}")
            if answer.status_code >= 500:
                wrong.append(f"{rule.rule}?{query[:40]}: {answer.status}")
            answer.close()
    assert not wrong, "\n".join(wrong)


def test_t_dos_deep_wide_and_huge_documents_are_refused_by_every_operation(cast: Cast) -> None:
    wrong = []
    for operation in rest_operations(cast.app):
        if operation.fields is None:
            continue
        caller = caller_for(operation.rule)
        for name, raw, allowed in (
            ("deep list", DEEP, (400, 422)),
            ("deep object", DEEP_OBJECT, (400, 422)),
            ("150,000 keys", MANY_KEYS, (400, 422)),
            ("1,000,000 keys", MILLION_KEYS, (400, 413)),  # 400: where whole files are taken, the keys are too many
        ):
            answer = ask_raw(cast, caller, operation.method, operation.path(), raw)
            if answer.status_code not in allowed:
                wrong.append(f"{operation.label} with {name}: {answer.status}")
            elif len(answer.get_data()) > 20_000:
                wrong.append(f"{operation.label} with {name}: answers with {len(answer.get_data()):,} bytes")
    assert not wrong, "\n".join(wrong)


def test_t_dos_a_form_of_many_or_huge_fields_is_refused(cast: Cast) -> None:
    cast.app.config["WTF_CSRF_ENABLED"] = True  # as in life: the token is looked for before anything else is done
    wrong = []
    forms = (
        (b"name=" + b"x" * 3_000_000, (400, 413)),  # 400: where files are taken, a form without its token
        (b"&".join(b"f%d=1" % n for n in range(50_000)), (400,)),
    )
    for method, rule in operations(cast.app):
        if method != "POST" or rule.rule.startswith("/api/"):
            continue
        browser = cast.browsers[caller_for(rule.rule)]
        for fields, allowed in forms:
            answer = browser.post(path_for(rule.rule), data=fields, content_type=FORM)
            if answer.status_code not in allowed:
                wrong.append(f"{rule.rule} with {len(fields):,} bytes: {answer.status}")
    assert not wrong, "\n".join(wrong)


def test_t_dos_a_refusal_of_many_fields_is_quick_to_say(cast: Cast) -> None:
    answer = ask_raw(cast, "admin", "POST", "/api/v1/users", MANY_KEYS)
    said = json.loads(answer.get_data())
    assert answer.status_code == 400
    assert "fields" in said["message"]
