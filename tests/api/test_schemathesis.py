"""T-FUZZ: whatever is sent, every operation answers as the OpenAPI document says; for a key of each role.

MILLWRIGHT_TEST_EXAMPLES sets the number of examples of each operation and key (default 6). The seed is fixed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

import hypothesis.strategies as st
import pytest
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.result import Ok

from app import create_app
from app.accounts.models import User
from app.core.actor import Role
from config import Settings
from tests import factories
from tests.holdings import Holdings, make_holdings

EXAMPLES = int(os.environ.get("MILLWRIGHT_TEST_EXAMPLES", "6"))
NAMES = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# A stream of a real job ends with the job; here nobody carries it.
ENDLESS = "/stream"


@pytest.fixture
def fuzzed(make_settings: Callable[..., Settings]) -> Iterator[Flask]:
    """An application without a general limit."""
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    yield app
    factories.use(None)


def with_real_ids(case: Any, held: Holdings) -> None:
    """Put ids of existing rows where ids are asked for."""
    known = {**asdict(held), "key_id": held.host_key_id}
    for place in (case.path_parameters, case.query, case.body):
        if isinstance(place, dict):
            for name in place:
                if name in known:
                    place[name] = known[name]
                elif name == "server_ids":
                    place[name] = [held.server_id]


def send_examples(operation: Any, held: Holdings, headers: dict[str, str], answers: Counter[int]) -> None:
    """Send EXAMPLES requests; raises what the first answer off the document is."""
    checks = CHECKS.get_by_names(NAMES)

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(), real=st.booleans())
    def send(case: Any, real: bool) -> None:
        if real and not operation.path.endswith(ENDLESS):
            with_real_ids(case, held)
        response = case.call(headers=headers)
        answers[response.status_code] += 1
        case.validate_response(response, checks=checks, headers=headers)

    send()


def told(answers: Counter[int]) -> str:
    """How many answers of each kind there were."""
    return ", ".join(f"{count} x {code}" for code, count in sorted(answers.items()))


def test_every_answer_about_tenants_is_a_documented_one(fuzzed: Flask, summary_line: Callable[[str], None]) -> None:
    """With a key that names ``platform:admin``: no role has it."""
    admin = factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)
    factories.set_columns(User, admin.id, is_platform_admin=True)
    held = make_holdings(fuzzed, admin)
    headers = factories.bearer(factories.make_key(admin, scopes=["platform:admin"]))
    load_all_checks()
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", fuzzed)
    answers: Counter[int] = Counter()
    for found in schema.get_all_operations():
        if isinstance(found, Ok) and found.ok().path.startswith("/api/v1/tenants"):
            send_examples(found.ok(), held, headers, answers)
    assert answers[200] > 0
    summary_line(f"schemathesis about tenants: {sum(answers.values())} requests: {told(answers)}")


@pytest.mark.parametrize("role", list(Role), ids=str)
def test_every_answer_is_a_documented_one(fuzzed: Flask, role: Role, summary_line: Callable[[str], None]) -> None:
    tenant = factories.make_tenant("Default")
    admin = factories.make_person(tenant.id, Role.ADMIN)
    held = make_holdings(fuzzed, admin)
    headers = factories.bearer(factories.make_key(factories.make_person(tenant.id, role)))
    load_all_checks()
    schema = schemathesis.openapi.from_wsgi("/api/v1/openapi.json", fuzzed)
    answers: Counter[int] = Counter()
    wrong: list[str] = []
    operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:
        try:
            send_examples(operation, held, headers, answers)
        except (AssertionError, BaseExceptionGroup, schemathesis.errors.SchemathesisError) as error:
            wrong.append(f"{operation.label}: {error!r}"[:1500])
    assert not wrong, "\n\n".join(wrong)
    assert len(operations) >= 49
    assert answers[200] > 0
    summary_line(
        f"schemathesis as {role}: {len(operations)} operations, {sum(answers.values())} requests: {told(answers)}"
    )
