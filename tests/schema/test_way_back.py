"""Each migration's way back: what it leaves is what was there before, on every database."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from app import create_app
from config import Settings
from tests.schema import catalogue
from tests.schema.released import RELEASED
from tests.support.databases import ROOT, TestDatabase
from tests.support.environment import KEYS, PREFIX

MIGRATIONS = ROOT / "migrations"
NEWEST_ON_SERVERS = 12  # a server takes a second for one; older ones were walked when they were new


def configuration() -> Config:
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("path_separator", "os")
    made.set_main_option("prepend_sys_path", str(MIGRATIONS))  # revisions import ``portable``
    return made


def unreleased() -> list[str]:
    """Revisions that were not released yet, in their order."""
    script = ScriptDirectory.from_config(configuration())
    whole = [found for found in script.walk_revisions() if Path(found.path).name not in RELEASED]
    return [found.revision for found in reversed(whole)]


def schema_of(database: TestDatabase) -> dict[str, Any]:
    engine = database.engine("migrator")
    with engine.connect() as connection:
        tables = {name: asdict(table) for name, table in catalogue.read(connection).items()}
        found = {"tables": tables, "triggers": catalogue.triggers(connection)}
    engine.dispose()
    return found


def differences(before: dict[str, Any], after: dict[str, Any], where: str = "") -> list[str]:
    """Return where two schemas differ, in words: a failure names the column instead of printing sixty tables."""
    found = []
    for key in sorted({*before, *after}, key=str):
        one, other = before.get(key), after.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{where}{key}.")
        elif isinstance(one, set) and isinstance(other, set) and one != other:
            found += [f"{where}{key}: gone {sorted(one - other, key=str)}, left {sorted(other - one, key=str)}"]
        elif one != other:
            found.append(f"{where}{key}: before {one!r}, after the way back {other!r}")
    return found


@pytest.fixture
def migrate(bare_database: TestDatabase, tmp_path: Path) -> Callable[[Callable[..., None], str], None]:
    """Return a function that walks the empty database to a revision, as the migration account."""
    keys = {name.removeprefix(PREFIX).lower(): value for name, value in KEYS.items()}
    urls = {"database_url": bare_database.app_url, "migration_database_url": bare_database.migrator_url}
    app = create_app(Settings(**{**keys, **urls, "data_dir": tmp_path}), faces=False)

    def walk(step: Callable[..., None], revision: str) -> None:
        with app.app_context():
            step(configuration(), revision)

    return walk


def test_a_schema_that_is_not_the_same_is_named_by_what_differs() -> None:
    before = {"tables": {"a": {"columns": {"x": 1}, "indexes": {("i",)}}}}
    after = {"tables": {"a": {"columns": {"x": 1, "y": 2}, "indexes": {("j",)}}}}
    assert differences(before, before) == []
    assert differences(before, after) == [
        "tables.a.columns.y: before None, after the way back 2",
        "tables.a.indexes: gone [('i',)], left [('j',)]",
    ]


@pytest.mark.filterwarnings("ignore:The Column.copy:sqlalchemy.exc.SADeprecationWarning")  # of alembic itself
@pytest.mark.database
def test_the_way_back_of_each_migration_leaves_what_was_there_before(
    bare_database: TestDatabase, migrate: Callable[[Callable[..., None], str], None]
) -> None:
    walked = unreleased()
    if bare_database.kind != "sqlite":
        walked = walked[-NEWEST_ON_SERVERS:]
    script = ScriptDirectory.from_config(configuration())
    first = script.get_revision(walked[0]).down_revision
    assert isinstance(first, str)
    migrate(command.upgrade, first)
    before, previous = schema_of(bare_database), first
    for revision in walked:
        migrate(command.upgrade, revision)
        after = schema_of(bare_database)
        migrate(command.downgrade, previous)
        assert differences(before, schema_of(bare_database)) == [], f"the way back of {revision}"
        migrate(command.upgrade, revision)
        before, previous = after, revision
