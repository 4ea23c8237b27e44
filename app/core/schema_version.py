"""Which schema this code needs, and which one the database has."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.orm import Session

from app.core.db import unit_of_work

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


class SchemaOutOfDate(RuntimeError):
    """The database does not have the schema of this code; the message says how to get there."""


@lru_cache(maxsize=1)
def _script() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    config.set_main_option("prepend_sys_path", str(MIGRATIONS))  # revisions import ``portable``
    return ScriptDirectory.from_config(config)


def needed_revision() -> str:
    """Return the newest revision among the migrations of this code."""
    head = _script().get_current_head()
    assert head is not None
    return head


def is_known_revision(revision: str) -> bool:
    """Say whether a revision is among the migrations of this code."""
    return revision in {known.revision for known in _script().walk_revisions()}


def found_revision(session: Session | None = None) -> str | None:
    """Return the database's revision, None when nothing was ever migrated. Without ``session``: a unit of its own."""
    if session is not None:
        return MigrationContext.configure(session.connection()).get_current_revision()
    with unit_of_work(writes=False) as own:
        return MigrationContext.configure(own.connection()).get_current_revision()


def schema_problem(session: Session | None = None) -> str | None:
    """Say what is wrong with the database's schema version and what to do, None when nothing is."""
    needed, found = needed_revision(), found_revision(session)
    if found == needed:
        return None
    if found is None:
        return "The database has no schema yet. Run `flask db upgrade` (make migrate), then start again."
    if is_known_revision(found):
        return (
            f"The database is at schema {found}, this version needs {needed}. "
            "Make a backup, run `flask db upgrade` (make migrate), then start again."
        )
    return (
        f"The database is at schema {found}, which this version does not know: a newer version upgraded it. "
        "Start that newer version, or restore the backup made before the upgrade."
    )


def require_current_schema() -> None:
    """Raise SchemaOutOfDate unless the database is exactly at this code's schema. Web, worker, keeper at start."""
    problem = schema_problem()
    if problem is not None:
        raise SchemaOutOfDate(problem)
