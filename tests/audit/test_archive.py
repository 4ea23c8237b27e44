"""Old entries move into files: chained, sealed, checked, and only then deleted, by an account of its own."""

from __future__ import annotations

import gzip
import json
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from app.audit import archiving
from app.audit.archive import ArchiveBroken, check_folder
from app.audit.archiving import ArchiveStopped, archive_all
from app.audit.chain import ENTRIES, audit_keys
from app.audit.service import Resource, record
from app.audit.verify import Verification, verify_chain
from app.core import runtime
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import unit_of_work
from config import Settings, SettingsError, load_settings
from tests.audit.conftest import MakeTenant
from tests.audit.intruder import intruder
from tests.support.databases import TestDatabase
from tests.support.environment import settings_environment

pytestmark = pytest.mark.database
OLD = timedelta(days=500)


@pytest.fixture
def settings(make_settings: Callable[..., Settings], database: TestDatabase) -> Settings:
    """The application's settings, with the archiver's account."""
    return make_settings(archiver_database_url=database.archiver_url)


def fill(actor: Actor, number: int, monkeypatch: pytest.MonkeyPatch, *, age: timedelta = OLD) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("app.audit.service.utc_now", lambda: utc_now() - age)
        with unit_of_work():
            for place in range(number):
                record(actor, "server:update", Resource("server", place), details={"name": ["é", place]})


@pytest.fixture
def aged(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> Actor:
    """Seven old entries and two of today, in files of three."""
    monkeypatch.setattr(archiving, "FILE_ENTRIES", 3)
    monkeypatch.setattr(archiving, "DELETE_CHUNK", 2)
    fill(actor, 7, monkeypatch)
    fill(actor, 2, monkeypatch, age=timedelta(0))
    return actor


def seqs(actor: Actor) -> list[int]:
    with unit_of_work(writes=False) as session:
        found = select(ENTRIES.c.seq).where(ENTRIES.c.tenant_id == actor.tenant_id).order_by(ENTRIES.c.seq)
        return list(session.connection().scalars(found))


def verify(actor: Actor) -> Verification:
    with unit_of_work(writes=False):
        return verify_chain(actor.tenant_id)


def folder() -> Path:
    return runtime.settings().archive_dir


def files() -> list[Path]:
    return sorted(folder().glob("*.jsonl.gz"))


def test_old_entries_are_in_files_and_the_chain_goes_on_after_them(aged: Actor) -> None:
    (done,) = archive_all()
    assert (done.files, done.entries) == (3, 7)
    assert seqs(aged) == [8, 9, 10, 11, 12]  # two of today and one about each file
    result = verify(aged)
    assert result.is_intact, result.message
    assert "1 to 7 are archived in 3 files" in result.message
    assert [(f.first_seq, f.last_seq) for f in check_folder(folder(), audit_keys())] == [(1, 3), (4, 6), (7, 7)]
    sums = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder(), capture_output=True, text=True)
    assert sums.returncode == 0, sums.stdout
    assert all(path.stat().st_mode & 0o077 == 0 for path in files())
    (again,) = archive_all()
    assert again.entries == 0


def test_an_entry_of_a_file_is_as_it_was_in_the_table(aged: Actor) -> None:
    with unit_of_work(writes=False) as session:
        stored = session.connection().execute(select(ENTRIES).where(ENTRIES.c.seq == 2)).mappings().one()
    archive_all()
    lines = [json.loads(line) for line in gzip.decompress(files()[0].read_bytes()).splitlines()]
    assert lines[2]["details"] == stored["details"]
    assert lines[2]["hash"] == bytes(stored["hash"]).hex()


@pytest.mark.parametrize("moment", ["write_archive", "_check", "add_sum", "insert", "_note", "delete"])
def test_archiving_that_is_killed_goes_on_where_it_was(
    aged: Actor, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    calls = 0
    whole = getattr(archiving, moment)

    class Killed(BaseException):
        pass

    def die(*args: object, **kwargs: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return whole(*args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(archiving, moment, die)
        with pytest.raises(Killed):
            archive_all()
    assert verify(aged).is_intact, verify(aged).message
    archive_all()
    result = verify(aged)
    assert result.is_intact, result.message
    assert seqs(aged) == [8, 9, 10, 11, 12]
    assert [f.last_seq for f in check_folder(folder(), audit_keys())][-1] == 7


def test_nothing_younger_than_a_year_is_deleted_even_when_the_platforms_clock_is_ahead(
    actor: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(actor, 2, monkeypatch, age=timedelta(days=360))
    with pytest.raises(DBAPIError, match="append-only"):
        archive_all(now=utc_now() + timedelta(days=100))
    assert seqs(actor)[:2] == [1, 2]
    assert verify(actor).is_intact


def test_t_audit_the_archiver_deletes_only_what_is_old_and_in_a_file(aged: Actor, database: TestDatabase) -> None:
    engine = database.engine("archiver")
    try:
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text("DELETE FROM audit_logs WHERE seq = 1"))  # old, in no file
        archive_all()
        with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
            connection.execute(text("DELETE FROM audit_logs WHERE seq = 8"))  # young
        with pytest.raises(DBAPIError, match=r"append-only|denied"), engine.begin() as connection:
            connection.execute(text("UPDATE audit_archives SET last_seq = 99"))
        with pytest.raises(DBAPIError, match=r"append-only|denied"), engine.begin() as connection:
            connection.execute(text("DELETE FROM audit_archives"))
    finally:
        engine.dispose()
    assert seqs(aged) == [8, 9, 10, 11, 12]


def test_t_audit_the_application_deletes_nothing_also_when_it_is_archived(aged: Actor, database: TestDatabase) -> None:
    archive_all()
    for statement in ("DELETE FROM audit_logs WHERE seq = 8", "DELETE FROM audit_archives WHERE id = 1"):
        with pytest.raises(DBAPIError, match=r"append-only|denied"), unit_of_work() as session:
            session.connection().execute(text(statement))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ("UPDATE audit_archives SET last_seq = 8 WHERE last_seq = 7", "archive"),
        ("UPDATE audit_archives SET sha256 = last_hash WHERE last_seq = 3", "archive"),
        ("DELETE FROM audit_archives WHERE last_seq = 3", "archive"),
        ("DELETE FROM audit_archives WHERE last_seq = 7", "missing"),
        ("DELETE FROM audit_logs WHERE seq = 8", "missing"),
    ],
)
def test_t_audit_somebody_with_every_right_cannot_pass_a_deletion_off_as_archived(
    aged: Actor, database: TestDatabase, change: str, kind: str
) -> None:
    archive_all()
    with intruder(database) as connection:
        for trigger in ("tr_audit_archives_no_update", "tr_audit_archives_no_delete"):
            connection.execute(text(f"DROP TRIGGER {trigger}"))
        connection.execute(text(change))
        connection.commit()
        _restore_triggers(connection, database.kind)
    finding = verify(aged).finding
    assert finding is not None
    assert finding.kind == kind
    assert kind == "archive" or finding.seq in (7, 8)


def _restore_triggers(connection: object, kind: str) -> None:
    for act in ("UPDATE", "DELETE"):
        body = "SELECT RAISE(ABORT, 'audit_archives is append-only');"
        if kind != "sqlite":
            body = "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'audit_archives is append-only';"
        name = f"tr_audit_archives_no_{act.lower()}"
        connection.exec_driver_sql(  # type: ignore[attr-defined]
            f"CREATE TRIGGER {name} BEFORE {act} ON audit_archives FOR EACH ROW BEGIN {body} END"
        )


def test_entries_that_are_deleted_while_they_are_being_archived_are_bound_by_the_file(
    aged: Actor, database: TestDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of a file deleted: the other half must still be the one that the file ends with."""

    class Killed(BaseException):
        pass

    calls = 0
    whole = archiving.delete

    def die(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Killed
        return whole(*args)

    with monkeypatch.context() as patched:
        patched.setattr(archiving, "delete", die)
        with pytest.raises(Killed):
            archive_all()
    assert seqs(aged)[0] == 3
    assert verify(aged).is_intact
    with intruder(database) as connection:
        connection.execute(text("UPDATE audit_logs SET user_id = 99 WHERE seq = 3"))
    assert verify(aged).finding is not None


def test_each_tenant_has_files_of_its_own(
    aged: Actor, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_tenant("beta")
    fill(other, 2, monkeypatch)
    assert [done.entries for done in archive_all()] == [7, 2]
    assert verify(other).is_intact
    assert seqs(other) == [3]


def test_a_file_that_was_lost_before_its_entries_went_stops_the_deletion(
    aged: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_args: object) -> object:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(archiving, "delete", die)
        with pytest.raises(Killed):
            archive_all()
    files()[0].unlink()
    with pytest.raises(ArchiveStopped, match="no entry was deleted"):
        archive_all()
    assert seqs(aged)[0] == 1


def test_a_second_run_at_the_same_time_stops_at_once(aged: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(*_args: object) -> None:
        with pytest.raises(ArchiveStopped, match="Another run"):
            archive_all()

    whole = archiving._note
    monkeypatch.setattr(archiving, "_note", lambda row: (second(), whole(row)))
    archive_all()


def _tampered(change: str, path: Path) -> None:
    lines = gzip.decompress(path.read_bytes()).splitlines(keepends=True)
    if change == "byte":
        lines[2] = lines[2].replace(b'"server:update"', b'"server:delete"')
    elif change == "line":
        del lines[2]
    elif change == "foot":
        lines.pop()
    elif change == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    elif change == "tail":
        del lines[3]
    path.write_bytes(gzip.compress(b"".join(lines)))


@pytest.mark.parametrize("change", ["byte", "line", "foot", "swap", "tail"])
def test_t_audit_a_changed_archive_file_is_named_without_the_database(app: Flask, aged: Actor, change: str) -> None:
    archive_all()
    (folder() / "SHA256SUMS").unlink()  # whoever changes a file can change the list
    _tampered(change, files()[1])
    with pytest.raises(ArchiveBroken, match=files()[1].name):
        list(check_folder(folder(), audit_keys()))
    result = app.test_cli_runner().invoke(args=["audit", "verify", "--archive", str(folder())])
    assert result.exit_code == 1
    assert "BROKEN" in result.output


def test_a_missing_archive_file_is_named(aged: Actor) -> None:
    archive_all()
    files()[1].unlink()
    with pytest.raises(ArchiveBroken, match="SHA256SUMS"):
        list(check_folder(folder(), audit_keys()))
    (folder() / "SHA256SUMS").unlink()
    with pytest.raises(ArchiveBroken, match="missing between"):
        list(check_folder(folder(), audit_keys()))


def test_the_command_archives_and_checks_files(app: Flask, aged: Actor) -> None:
    result = app.test_cli_runner().invoke(args=["audit", "archive"])
    assert result.exit_code == 0, result.output
    assert "7 entries older than 400 days" in result.output
    result = app.test_cli_runner().invoke(args=["audit", "verify", "--archive", str(folder())])
    assert result.exit_code == 0, result.output
    assert "goes on with entry 8" in result.output


def test_a_setting_cannot_go_below_a_year(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in settings_environment("sqlite:///x", tmp_path, audit_days="365").items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match="AUDIT_DAYS"):
        load_settings()
