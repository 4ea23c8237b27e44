"""T-AUDIT2: whatever changes something through the API leaves an entry of the audit log."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from sqlalchemy import select

from app.audit.models import AuditEntry
from app.core.db import db
from tests import factories
from tests.holdings import make_holdings
from tests.permissions.cast import Cast
from tests.security.conftest import caller_for
from tests.security.openapi import rest_operations

# What a request leaves beside its own work: last use, tries, keys of repeated requests; and the log itself.
BESIDE = {"api_keys", "sessions", "idempotency_keys", "sign_in_attempts"}
# A person's own bookmarks are nobody else's business.
PRIVATE = {"saved_launch_favourites"}

# Whoever takes a row to change it counts its version up, also when nothing is left to change.
LOCKS = {"version", "updated_at"}


def state() -> str:
    """A digest of all rows that the log has to explain."""
    found = hashlib.sha256()
    with factories.context(), db.engine.connect() as connection:
        for table in db.metadata.sorted_tables:
            if table.name not in BESIDE | PRIVATE and not table.name.startswith("audit_"):
                columns = [column for column in table.columns if column.name not in LOCKS]
                found.update(repr([table.name, *map(tuple, connection.execute(select(*columns)))]).encode())
    return found.hexdigest()


def test_t_audit2_every_operation_that_changes_something_leaves_an_entry(
    cast: Cast, summary_line: Callable[[str], None]
) -> None:
    held = make_holdings(cast.app, cast.people["admin"])
    silent, changed = [], 0
    for operation in rest_operations(cast.app):
        if operation.method == "GET":
            continue
        body = operation.body(held)
        for name in {"description", "first_name", "name", "title"} & set(operation.fields or {}) - set(body):
            body[name] = f"other-{changed}"
        before, entries = state(), len(factories.rows(AuditEntry))
        answer = cast.ask(caller_for(operation.rule), operation.method, operation.path(held), body)
        if state() != before:
            changed += 1
            if len(factories.rows(AuditEntry)) == entries:
                silent.append(f"{operation.label}: {answer.status}")
    summary_line(f"T-AUDIT2: {changed} operations changed something and left an entry")
    assert not silent, "\n".join(silent)
    assert changed >= 40
