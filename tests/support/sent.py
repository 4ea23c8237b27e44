"""``with sent() as statements:`` collects what this thread sends to the database meanwhile; for counting it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event

from app.core.db import db


@contextmanager
def sent(prefix: str = "", engine: Engine | None = None) -> Iterator[list[str]]:
    """Collect statements that begin with ``prefix`` (upper case), on the application's engine unless another is given.

    Statements of other threads do not count: a heart that beats in the background would be seen now and then.
    """
    statements: list[str] = []
    thread, watched = threading.get_ident(), engine or db.engine

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if threading.get_ident() == thread and statement.lstrip().upper().startswith(prefix):
            statements.append(statement)

    event.listen(watched, "before_cursor_execute", note)
    try:
        yield statements
    finally:
        event.remove(watched, "before_cursor_execute", note)
