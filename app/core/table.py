"""Helpers for table definitions that hold on all three databases."""

from __future__ import annotations

import uuid
from typing import Any

from sqlalchemy import ForeignKeyConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.db import TABLE_OPTIONS


def table_args(*items: Any) -> tuple[Any, ...]:
    """Return ``__table_args__``: constraints and indexes, then InnoDB, utf8mb4, utf8mb4_unicode_ci."""
    return (*items, TABLE_OPTIONS)


def tenant_key(column: str, parent: str, *, ondelete: str = "RESTRICT") -> ForeignKeyConstraint:
    """Return the composite foreign key (tenant_id, column) -> parent(tenant_id, id).

    It makes a reference across tenants impossible in the database itself.
    """
    return ForeignKeyConstraint(["tenant_id", column], [f"{parent}.tenant_id", f"{parent}.id"], ondelete=ondelete)


def new_uuid() -> str:
    """Return a random UUID as 36 characters."""
    return str(uuid.uuid4())


class HasUuid:
    """Mixin: ``uuid`` for URLs and other systems, beside the integer primary key."""

    uuid: Mapped[str] = mapped_column(String(36), nullable=False, unique=True, default=new_uuid)
