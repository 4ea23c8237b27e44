"""What a restore checks before it touches anything, and the upgrade from the schema before."""

from __future__ import annotations

import io
import json
import secrets
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import inspect, text

from app.accounts.models import Tenant
from app.audit.service import Resource, record
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.schema_version import _script, needed_revision
from app.operations import sealed_file
from app.operations.backup import back_up, require_room
from app.operations.errors import OperationStopped
from app.operations.restore import _lines, read_checked, restore
from app.operations.sealed_file import SealedWriter, open_sealed
from app.operations.tools import loadable, without_definer
from config import Settings
from tests.support.databases import TestDatabase, run_flask
from tests.support.environment import process_environment, settings_environment

KEY = secrets.token_hex(32).encode()
quiet = io.StringIO().write


@pytest.fixture
def made(app_context: Flask, settings: Settings, tmp_path: Path) -> Path:
    """A backup of a database with one tenant and one entry."""
    with unit_of_work() as session:
        session.add(Tenant(id=1, name="alpha", slug="alpha"))
    with unit_of_work():
        record(Actor.system(1), "server:create", Resource("server", 1))
    return back_up(settings, tmp_path / "backups", key=None, say=quiet)


def test_a_changed_file_is_refused(made: Path, settings: Settings) -> None:
    path = next(made.glob("database.*"))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(OperationStopped, match="SHA-256"):
        restore(settings, made, key=None, replace=True, say=quiet)


def test_a_changed_manifest_is_refused(made: Path, settings: Settings) -> None:
    path = made / "manifest.json"
    path.write_text(path.read_text().replace('"alpha"', '"beta"').replace('"encrypted": false', '"encrypted":  false'))
    read_checked(settings, made, None)  # spaces change nothing
    manifest = json.loads(path.read_text())
    manifest["rows"]["tenants"] = [9, 9]
    path.write_text(json.dumps(manifest))
    with pytest.raises(OperationStopped, match="was changed"):
        restore(settings, made, key=None, replace=True, say=quiet)


def test_a_backup_of_an_installation_with_other_keys_is_refused(
    made: Path, make_settings: Callable[..., Settings]
) -> None:
    other = make_settings(master_key=secrets.token_hex(32))
    with pytest.raises(OperationStopped, match="MILLWRIGHT_MASTER_KEY"):
        restore(other, made, key=None, replace=True, say=quiet)


def test_a_backup_of_a_newer_version_is_refused(
    made: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.operations.restore.is_known_revision", lambda _revision: False)
    with pytest.raises(OperationStopped, match="does not know"):
        restore(settings, made, key=None, replace=True, say=quiet)


def test_a_database_with_tables_is_not_overwritten_without_saying_so(made: Path, settings: Settings) -> None:
    with pytest.raises(OperationStopped, match="--replace"):
        restore(settings, made, key=None, replace=False, say=quiet)
    with pytest.raises(OperationStopped, match="not encrypted"):
        restore(settings, made, key=KEY, replace=True, say=quiet)


def test_what_is_replaced_is_kept_aside_on_sqlite(made: Path, settings: Settings, database: TestDatabase) -> None:
    assert database.path is not None
    with unit_of_work() as session:
        session.add(Tenant(id=2, name="later", slug="later"))
    done = restore(settings, made, key=None, replace=True, say=quiet)
    assert done.warnings == []
    assert list(database.path.parent.glob(database.path.name + ".before-*"))


def test_a_disk_without_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(OperationStopped, match="Make room"):
        require_room(tmp_path, 2**60)


def test_a_folder_that_is_no_backup_is_said_plainly(app_context: Flask, settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(OperationStopped, match="no readable"):
        restore(settings, tmp_path, key=None, replace=True, say=quiet)


@given(some.lists(some.binary(max_size=70), max_size=12))
def test_what_is_sealed_comes_back_in_any_pieces(pieces: list[bytes]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(sealed_file, "PIECE", 32)
        assert b"".join(open_sealed(io.BytesIO(sealed(pieces)), KEY)) == b"".join(pieces)


def sealed(pieces: list[bytes]) -> bytes:
    target = io.BytesIO()
    writer = SealedWriter(target, KEY)
    for piece in pieces:
        writer.write(piece)
    writer.close()
    return target.getvalue()


@pytest.mark.parametrize("change", ["cut", "swap", "byte", "key", "append"])
def test_a_sealed_file_that_was_changed_is_refused(change: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_file, "PIECE", 32)
    data = sealed([bytes(range(100))])
    head, size = 25, 48
    parts = [data[head + at : head + at + size] for at in range(0, len(data) - head, size)]
    if change == "cut":
        parts.pop()
    elif change == "swap":
        parts[0], parts[1] = parts[1], parts[0]
    elif change == "append":
        parts.append(parts[0])
    changed = bytearray(data[:head] + b"".join(parts))
    if change == "byte":
        changed[60] ^= 1
    with pytest.raises(OperationStopped, match="another key"):
        list(open_sealed(io.BytesIO(bytes(changed)), KEY[::-1] if change == "key" else KEY))


def test_the_definer_goes_from_triggers_and_never_from_data() -> None:
    trigger = b"/*!50003 CREATE*/ /*!50017 DEFINER=`mig`@`%`*/ /*!50003 TRIGGER t BEFORE UPDATE ON a FOR EACH ROW\n"
    assert without_definer(trigger) == b"/*!50003 CREATE*/  /*!50003 TRIGGER t BEFORE UPDATE ON a FOR EACH ROW\n"
    assert without_definer(b"CREATE DEFINER=`m`@`%` PROCEDURE `p`()\n") == b"CREATE PROCEDURE `p`()\n"
    data = b"(1,'CREATE DEFINER=`m`@`%` /*!50017 DEFINER=`mig`@`%`*/ x'),\n"
    assert without_definer(data) == data


def test_generated_columns_are_plain_while_mysql_loads_them() -> None:
    generated = b"  `g` varchar(9) COLLATE x GENERATED ALWAYS AS ((case when (`a` = 1) then `b` end)) STORED"
    lines = [b"CREATE TABLE `t` (\n", generated + b",\n", b") ENGINE=InnoDB\n", generated + b",\n"]
    made = list(loadable(iter(lines), is_mysql=True))
    assert made[1] == b"  `g` varchar(9) COLLATE x,\n"
    assert made[3] == lines[3]  # no definition: outside of CREATE TABLE
    assert made[4] == b"ALTER TABLE `t` MODIFY COLUMN " + generated.strip() + b";\n"
    assert list(loadable(iter(lines), is_mysql=False)) == lines


@given(some.lists(some.binary(max_size=20)))
def test_lines_of_a_dump_are_put_together_whatever_the_pieces(pieces: list[bytes]) -> None:
    assert list(_lines(iter(pieces))) == b"".join(pieces).splitlines(keepends=True) or b"\r" in b"".join(pieces)
    assert b"".join(_lines(iter(pieces))) == b"".join(pieces)


@pytest.mark.database
def test_an_upgrade_from_the_schema_before_makes_a_backup_that_leads_back(
    bare_database: TestDatabase, tmp_path: Path
) -> None:
    database = bare_database
    newest = _script().get_revision(needed_revision())
    former = str(newest.down_revision)
    accounts = {"archiver_database_url": database.archiver_url}
    if database.server is not None:
        accounts["migration_database_url"] = database.migrator_url
        user = f"{database.name}_mig"
        database.server.execute(f"GRANT ALL PRIVILEGES ON `{database.name}`.* TO '{user}'@'%' WITH GRANT OPTION")
    environment = process_environment(settings_environment(database.app_url, tmp_path / "data", **accounts))
    assert run_flask(environment, "db", "upgrade", former).returncode == 0
    engine = database.engine("migrator")
    try:
        with engine.begin() as connection:
            connection.execute(
                text("INSERT INTO tenants (id, uuid, name, slug) VALUES (1, :uuid, 'alpha', 'alpha')"),
                {"uuid": str(uuid.uuid4())},
            )
        done = run_flask(environment, "ops", "upgrade", "--backup", str(tmp_path / "backups"))
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Schema {former} -> {newest.revision}" in done.stdout
        assert "!!" not in done.stdout
        (folder,) = (tmp_path / "backups").iterdir()
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT version_num FROM alembic_version")) == newest.revision
            assert connection.scalar(text("SELECT name FROM tenants WHERE id = 1")) == "alpha"
            assert connection.scalar(text("SELECT event FROM audit_logs")) == "platform:upgrade"
        again = run_flask(environment, "ops", "upgrade", "--backup", str(tmp_path / "backups"))
        assert "nothing to do" in again.stdout
        engine.dispose()
        back = run_flask(environment, "ops", "restore", str(folder), "--replace")
        assert back.returncode == 0, back.stdout + back.stderr
        assert "older version" in back.stdout
        assert "!!" not in back.stdout
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT version_num FROM alembic_version")) == former
            assert connection.scalar(text("SELECT name FROM tenants WHERE id = 1")) == "alpha"
            assert "audit_logs" in inspect(connection).get_table_names()
    finally:
        engine.dispose()


def test_an_upgrade_refuses_a_database_of_a_newer_version(
    database: TestDatabase, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.operations.upgrade.needed_revision", lambda: "9999")
    monkeypatch.setattr("app.operations.upgrade.is_known_revision", lambda _revision: False)
    result = app.test_cli_runner().invoke(args=["ops", "upgrade", "--backup", str(tmp_path)])
    assert result.exit_code == 1
    assert "a newer version made it" in result.output
