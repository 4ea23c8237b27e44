"""T-MASS: nobody sets a field that a form or operation does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts.models import User
from app.core.db import db
from tests import factories
from tests.holdings import make_holdings
from tests.permissions.cast import Cast
from tests.security.conftest import caller_for
from tests.security.openapi import rest_operations

SMUGGLED: dict[str, Any] = {
    "role": "admin",
    "is_active": True,
    "tenant_id": 1,
    "user_id": 1,
    "status": "success",
    "created_at": "2020-01-01T00:00:00Z",
    "file_hash": "0" * 64,
    "id": 1,
    "is_platform_admin": True,
    "password_hash": "$2b$04$" + "a" * 53,
}


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All rows but those that any request may leave: last use, the log of refusals."""
    found = {}
    with factories.context(), db.engine.connect() as connection:
        for table in db.metadata.sorted_tables:
            if table.name not in {"api_keys", "sessions", "audit_logs", "audit_heads", "idempotency_keys"}:
                found[table.name] = sorted(map(repr, connection.execute(table.select())))
    return found


def test_t_mass_no_operation_takes_a_field_that_it_does_not_document(
    cast: Cast, summary_line: Callable[[str], None]
) -> None:
    held = make_holdings(cast.app, cast.people["admin"])
    before, wrong, tried = everything(), [], 0
    for operation in rest_operations(cast.app):
        if operation.method not in ("POST", "PATCH", "PUT") or operation.fields is None:
            continue
        for name, value in SMUGGLED.items():
            if name in operation.fields:
                continue
            body = {**operation.body(held), name: value}
            answer = cast.ask(caller_for(operation.rule), operation.method, operation.path(held), body)
            tried += 1
            if answer.status_code != 422 or name not in str((answer.json or {}).get("errors")):
                wrong.append(f"{operation.label} with {name}: {answer.status} {answer.get_data(as_text=True)[:200]}")
    summary_line(f"T-MASS: {tried} smuggled fields refused")
    assert not wrong, "\n".join(wrong)
    assert tried > 100
    assert everything() == before


def test_t_mass_an_unknown_query_parameter_is_refused_by_every_list(cast: Cast) -> None:
    wrong = []
    for operation in rest_operations(cast.app):
        if operation.method == "GET" and "page_size" in operation.query:
            answer = cast.ask(caller_for(operation.rule), "GET", f"{operation.path()}?tenant_id=2")
            if answer.status_code not in (404, 422):
                wrong.append(f"{operation.label}: {answer.status}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", ["/me/profile", "/me/keys", "/users/{id}/edit"])
def test_t_mass_a_form_takes_only_its_own_fields(cast: Cast, path: str) -> None:
    viewer = cast.people["viewer"]
    caller = "admin" if "{id}" in path else "viewer"
    fields = {"first_name": "A", "last_name": "B", "name": "key", "email": "x@example.org", "role": "viewer"}
    smuggled = {name: str(value) for name, value in SMUGGLED.items() if name != "role"}
    answer = cast.ask(caller, "POST", path.format(id=viewer.id), {**fields, **smuggled})
    assert answer.status_code < 500
    row = next(user for user in factories.rows(User) if user.id == viewer.id)
    assert (row.role, row.tenant_id, row.is_active, row.is_platform_admin) == (
        viewer.role,
        viewer.tenant_id,
        True,
        False,
    )
    assert not row.password_hash.endswith("a" * 53)
