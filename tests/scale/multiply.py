"""Thousands of copies of a tenant's rows, inserted as a server takes them fastest."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import Computed, Table, UniqueConstraint, insert, select

from app.core.db import Model, db, unit_of_work
from app.core.tenancy import system_scope
from tests import factories

CHUNK = 1_000


def multiply(tables: Iterable[str], count: int, tenant_id: int) -> None:
    """Insert ``count`` copies of the newest row that the tenant has in each table.

    Columns of unique keys get values of their own; moments lie a second apart, the newest last.
    """
    for name in tables:
        table = Model.metadata.tables[name]
        with factories.context(), system_scope("many rows for a test"), unit_of_work():
            row = db.session.execute(
                select(table).where(table.c.tenant_id == tenant_id).order_by(table.c.id.desc()).limit(1)
            ).mappings()
            template = {
                column.name: value
                for column, value in zip(table.columns, next(iter(row)).values(), strict=True)
                if column.name != "id" and not isinstance(column.computed, Computed)
            }
            for begin in range(0, count, CHUNK):
                size = min(CHUNK, count - begin)
                db.session.execute(insert(table), [_copy(table, template, begin + i) for i in range(size)])


def _own_columns(table: Table) -> set[str]:
    own = {column.name for column in table.columns if column.unique}
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            own |= {column.name for column in constraint.columns}
    return own | {"hostname", "name"} - {"tenant_id", "id"}


def _copy(table: Table, template: dict[str, Any], number: int) -> dict[str, Any]:
    made = dict(template)
    own = _own_columns(table)
    for column, value in template.items():
        if value is None or column == "tenant_id":
            continue
        if column == "uuid" or (column in own and column.endswith("_id") and len(str(value)) == 36):
            made[column] = str(uuid.uuid4())
        elif column in own and isinstance(value, str):
            made[column] = f"{value[:40]}-{number}"
        elif column in own and isinstance(value, bytes):
            made[column] = uuid.uuid4().bytes * (len(value) // 16) or value
        elif column in ("seq", "line_number"):
            made[column] = value + number + 1_000_000  # far from what the product itself writes next
        elif column in ("created_at", "timestamp"):
            made[column] = value + timedelta(seconds=number)
    return made
