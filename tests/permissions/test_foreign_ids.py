"""T-IDOR: an id of another tenant is answered exactly as one that does not exist."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from werkzeug.test import TestResponse

from app import create_app
from config import Settings
from tests import factories
from tests.permissions.cast import Cast, make_cast
from tests.permissions.foreign import make_foreign
from tests.permissions.matrix import BODIES
from tests.permissions.routes import operations, parameters, path_for

CHANGING = re.compile(r'[0-9a-f]{8}-[0-9a-f-]{27}|name="csrf[^>]*>|X-Request-Id[^<]*|\b\d{1,10}\b')


@pytest.fixture
def cast(make_settings: Callable[..., Settings]) -> Iterator[Cast]:
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    yield make_cast(app)
    factories.use(None)


def said(answer: TestResponse) -> tuple[int, str]:
    """Status and text without what differs between any two answers (ids of requests, tokens, numbers)."""
    text = answer.get_data(as_text=True)
    answer.close()
    return answer.status_code, CHANGING.sub("*", text)


def test_another_tenants_row_looks_like_none_at_all(cast: Cast, summary_line: Callable[[str], None]) -> None:
    wrong, swapped, without = [], 0, set()
    for method, rule in operations(cast.app):
        names = list(parameters(rule.rule))
        if rule.endpoint == "static" or not names:
            continue
        foreign = make_foreign(rule.rule, names, cast.people["other_admin"])
        if not foreign:
            without.update(names)
            continue
        body = BODIES.get(f"{method} {rule.rule}")
        theirs = said(cast.ask("admin", method, path_for(rule.rule, foreign), body))
        unknown = said(cast.ask("admin", method, path_for(rule.rule), body))
        swapped += 1
        if theirs != unknown or theirs[0] < 400:
            wrong.append(f"{method} {rule.rule}: {theirs[0]} for a foreign id, {unknown[0]} for an unknown one")
    summary_line(f"foreign ids: {swapped} routes; parameters without a maker: {', '.join(sorted(without)) or 'none'}")
    assert swapped
    assert not wrong, "\n".join(wrong)
