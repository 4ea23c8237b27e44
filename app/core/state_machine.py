"""Status changes are compare-and-set UPDATEs from one transition table per enum."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, TypeVar, cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import InstrumentedAttribute

from app.core.db import db

Status = TypeVar("Status", bound=StrEnum)
Transitions = Mapping[Status, frozenset[Status]]


def sources(transitions: Transitions[Status], to: Status) -> list[Status]:
    """Return the statuses from which ``to`` may be reached, in the enum's order."""
    return [status for status in type(to) if to in transitions.get(status, frozenset())]


def transition(
    column: InstrumentedAttribute[Any],
    transitions: Transitions[Status],
    to: Status,
    *where: Any,
    **values: Any,
) -> int:
    """Move the rows that match ``where`` and may go there to ``to``; return how many did.

    ``values`` are set in the same statement. 0 is an answer (somebody was faster, or the table does not
    allow it), not an error. Objects already loaded are expired by the caller if it goes on with them.
    """
    statement = (
        update(column.class_)
        .where(column.in_(sources(transitions, to)), *where)
        .values({column.key: to, **values})
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], db.session.execute(statement)).rowcount
