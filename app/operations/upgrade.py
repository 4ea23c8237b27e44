"""An upgrade of the database: room, nobody at work, a backup, the migrations, rights, checks; or the way back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import flask_migrate

from app.core.database_check import check_database
from app.core.schema_version import is_known_revision, needed_revision
from app.operations import manifest as manifests
from app.operations.backup import back_up, database_bytes, owner_engine, require_room
from app.operations.errors import OperationStopped
from app.operations.rights import give_rights
from app.operations.running import require_stopped
from config import Settings

NEEDED = {"schema version", "triggers", "references"}  # findings of the check that mean: go back
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """``before`` and ``after`` are schema revisions; ``backup`` is None when nothing was to do."""

    before: str
    after: str
    backup: Path | None
    warnings: list[str]


def upgrade(settings: Settings, target: Path, *, key: bytes | None, say: Say) -> Upgraded:
    """Bring the database to this version's schema, with a backup below ``target`` before. Raises OperationStopped.

    When a migration fails the message names the backup and how to go back: DDL of MySQL cannot be rolled back.
    """
    engine = owner_engine(settings)
    try:
        with engine.connect() as connection:
            before = manifests.revision_of(connection)
            if before is None:
                raise OperationStopped("The database has no schema yet: a new installation runs `flask db upgrade`.")
            if before == needed_revision():
                return Upgraded(before, before, None, [])
            if not is_known_revision(before):
                raise OperationStopped(
                    f"The database has schema {before}, which this version does not know: a newer version made it. "
                    "Install that version, or restore the backup from before."
                )
            require_stopped(settings, connection)
        require_room(target, database_bytes(settings, engine))
    finally:
        engine.dispose()
    made = back_up(settings, target, key=key, say=say)
    say(f"backup: {made}")
    back = f"Go back with the version from before: flask ops restore {made} --replace"
    try:
        flask_migrate.upgrade()
    except BaseException as error:
        raise OperationStopped(f"The migration failed: {error}\n{back}") from error
    warnings = [] if settings.is_sqlite else give_rights(settings)
    wrong = {finding.name: f"{finding.name}: {finding.message}" for finding in check_database() if not finding.is_ok}
    if wrong.keys() & NEEDED:
        said = "; ".join(wrong.values())
        raise OperationStopped(f"The database is not as it must be after the upgrade: {said}\n{back}")
    return Upgraded(before, needed_revision(), made, [*warnings, *wrong.values()])
