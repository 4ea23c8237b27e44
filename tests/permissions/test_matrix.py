"""T-MATRIX: the table in ``matrix.txt`` is what the application does, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app import create_app
from config import Settings
from tests import factories
from tests.permissions.cast import CALLERS, Cast, make_cast, renew, word_for
from tests.permissions.matrix import BODIES, QUERIES, cells
from tests.permissions.routes import operations, path_for


@pytest.fixture
def cast(make_settings: Callable[..., Settings]) -> Iterator[Cast]:
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    yield make_cast(app)
    factories.use(None)


def test_every_route_has_its_line_and_every_line_its_route(app: Flask) -> None:
    routes = {f"{method} {rule.rule}" for method, rule in operations(app)}
    assert routes - cells().keys() == set(), "add these to tests/permissions/matrix.txt"
    assert cells().keys() - routes == set(), "these are gone: take them out of tests/permissions/matrix.txt"
    assert BODIES.keys() | QUERIES.keys() <= cells().keys()


def test_every_cell_of_the_table_is_what_the_application_does(cast: Cast, summary_line: Callable[[str], None]) -> None:
    wrong = []
    table = cells()
    for operation, expected in table.items():
        method, route = operation.split(" ", 1)
        for caller in CALLERS:
            path = f"{path_for(route)}?{QUERIES.get(operation, '')}".rstrip("?")
            answer = cast.ask(caller, method, path, BODIES.get(operation))
            word = word_for(answer)
            if word != expected[caller]:
                wrong.append(f"{operation} as {caller}: expected {expected[caller]}, got {word} ({answer.status})")
        if method == "POST":
            renew(cast)
    summary_line(f"permission matrix: {len(table)} routes x {len(CALLERS)} callers = {len(table) * len(CALLERS)} cells")
    assert not wrong, "\n".join(wrong)


def test_head_a_query_and_a_slash_at_the_end_open_no_side_door(cast: Cast) -> None:
    wrong = []
    for operation, expected in cells().items():
        method, route = operation.split(" ", 1)
        if method != "GET":
            continue
        for caller in CALLERS:
            if expected[caller] == "+":
                continue
            path = path_for(route)
            for verb, variant in (("HEAD", path), ("GET", f"{path}?page=1"), ("GET", f"{path.rstrip('/')}/")):
                answer = cast.ask(caller, verb, variant)
                if answer.status_code < 300:
                    wrong.append(f"{verb} {variant} as {caller}: {answer.status}")
                answer.close()
    assert not wrong, "\n".join(wrong)
