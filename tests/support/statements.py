"""No statement of any test may touch a tenant's table without naming the tenant.

The ORM criterion of ``app/core/tenancy.py`` sees neither Core tables, nor text, nor classes hidden in subqueries:
this listener sees what is sent and fails the test at the place that sent the statement. Free of it are

- flushes: rows are changed by primary key, behind the before-flush guard, and a refresh reads by primary key;
- work in ``system_scope``, which says its reason in the code;
- what a test itself sends to see the result, or to play the intruder.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from flask import has_app_context
from sqlalchemy import Connection, Engine, event
from sqlalchemy.orm import Session

from app.core import tenancy
from app.core.db import Model, db
from app.core.tenancy import TenancyError, TenantOwned

# Statements that need no tenant, each with its reason: (pattern of the whole statement, reason).
EXCEPTIONS: tuple[tuple[str, str], ...] = (
    (r"(UPDATE|DELETE FROM) audit_logs .*tenant_id = 0", "the check that the application may not change the log"),
)
_ROOT = Path(__file__).resolve().parents[2]
_PRODUCT, _TESTS = f"{_ROOT / 'app'}/", f"{_ROOT / 'tests'}/"
_WORD = re.compile(r"[a-z_]+")
_ACTS = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|REPLACE|WITH)\b", re.IGNORECASE)
_INSERT_TARGET = re.compile(r"\s*(?:INSERT|REPLACE)\s+(?:IGNORE\s+)?INTO\s+`?(\w+)", re.IGNORECASE)


@cache
def owned_tables() -> frozenset[str]:
    """Names of the tables whose rows belong to a tenant."""
    from app.wiring import load_models

    load_models()
    classes = (mapper.class_ for mapper in Model.registry.mappers)
    return frozenset(cls.__tablename__ for cls in classes if issubclass(cls, TenantOwned))


@cache
def objection(statement: str) -> str | None:
    """What is wrong with a statement; None for nothing."""
    if not _ACTS.match(statement):
        return None
    words = _WORD.findall(statement)
    named = owned_tables().intersection(words)
    if not named or any(re.match(pattern, " ".join(statement.split())) for pattern, _reason in EXCEPTIONS):
        return None
    if "tenant_id" in _condition_or_columns(statement):
        return None
    return f"touches {', '.join(sorted(named))} without tenant_id: {' '.join(statement.split())[:600]}"


def _condition_or_columns(statement: str) -> list[str]:
    """Words of the part where the tenant has to stand: columns of an INSERT, else what follows WHERE or ON."""
    if _INSERT_TARGET.match(statement):
        return _WORD.findall(statement)
    parts = re.split(r"\b(?:WHERE|ON)\b", statement, maxsplit=1)
    return _WORD.findall(parts[1]) if len(parts) == 2 else []


_flush = threading.local()


def _flush_begins(*_arguments: Any) -> None:
    _flush.on = True


def _flush_ends(*_arguments: Any) -> None:
    _flush.on = False


def _check(connection: Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool) -> None:
    if getattr(_flush, "on", False) or tenancy.in_system_scope() or not has_app_context():
        return
    problem = objection(statement)
    if problem is None or connection.engine not in db.engines.values() or _reads_by_key(context):
        return
    if not _is_sent_by_the_product():
        return
    raise TenancyError(f"this statement {problem}")


def _is_sent_by_the_product() -> bool:
    """Whether the nearest caller of ours stands in app/, not in a test that looks at the result."""
    frame = sys._getframe(1)
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_PRODUCT) and path != tenancy.__file__:
            return True
        if path.startswith(_TESTS) and path != __file__:
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True


def _reads_by_key(context: Any) -> bool:
    """Whether it is a refresh or a deferred column of a row that is loaded: by primary key, behind the guard."""
    options = getattr(context, "execution_options", None) or {}
    load = options.get("_sa_orm_load_options")
    return bool(load is not None and (load._refresh_state is not None or load._only_load_props))


@pytest.fixture(scope="session", autouse=True)
def _statements_name_their_tenant() -> Iterator[None]:
    """Listen during the whole session."""
    listeners = (
        (Engine, "before_cursor_execute", _check),
        (Session, "before_flush", _flush_begins),
        (Session, "after_flush", _flush_ends),
        (Session, "after_soft_rollback", _flush_ends),
    )
    for target, name, listener in listeners:
        event.listen(target, name, listener)
    yield
    for target, name, listener in listeners:
        event.remove(target, name, listener)
