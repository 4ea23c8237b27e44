"""How many rows each statement makes a server read, from its own counters (SHOW SESSION STATUS 'Handler_read%')."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine


@dataclass(frozen=True, slots=True)
class Read:
    """One statement and the rows (of tables, indexes and temporary tables) that it read."""

    rows: int
    statement: str


def _counter(cursor: Any) -> int:
    cursor.execute("SHOW SESSION STATUS LIKE 'Handler_read%'")
    return sum(int(value) for _, value in cursor.fetchall())


@contextmanager
def rows_read(engine: Engine) -> Iterator[list[Read]]:
    """Collect what the SELECTs of this process read on one server while the context is open."""
    reads: list[Read] = []
    begun: dict[int, int] = {}

    def before(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if statement.lstrip().upper().startswith("SELECT"):
            with connection.connection.cursor() as cursor:
                cost = _counter(cursor)
                begun[id(connection)] = 2 * _counter(cursor) - cost  # asking reads rows too

    def after(connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        start = begun.pop(id(connection), None)
        if start is not None:
            with connection.connection.cursor() as cursor:
                reads.append(Read(_counter(cursor) - start, statement))

    event.listen(engine, "before_cursor_execute", before)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield reads
    finally:
        event.remove(engine, "before_cursor_execute", before)
        event.remove(engine, "after_cursor_execute", after)
