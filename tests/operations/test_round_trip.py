"""Backup, wipe, restore, on every database: the chain verifies, secrets decrypt, a job runs."""

from __future__ import annotations

import json
import secrets
import signal
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from tests.e2e.conftest import Site
from tests.e2e.conftest import site as site
from tests.support.databases import TestDatabase, tables
from tests.support.stack import Stack

pytestmark = [pytest.mark.stack, pytest.mark.database]
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.command: "printf %s {{ word | b64encode }}"
      register: said
    - ansible.builtin.assert:
        that: said.stdout | b64decode == expected
"""
SPECS = [{"name": "word", "type": "secret", "required": True}, {"name": "expected", "type": "text", "required": True}]


def ops(stack: Stack, *arguments: str, code: int = 0) -> str:
    done = stack.flask("ops", *arguments)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def stop_platform(stack: Stack) -> None:
    processes = [process for process in [stack.web, *stack.workers, *stack.keepers] if process is not None]
    for process in processes:
        process.kill(signal.SIGTERM)
    for process in processes:
        process.stop()


def wipe(database: TestDatabase) -> None:
    if database.path is not None:
        for path in database.path.parent.glob(database.path.name + "*"):
            path.unlink()
        return
    assert database.server is not None
    names = tables(database)
    connection = database.server.connect(database.name)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION foreign_key_checks = 0")
            for name in names:
                cursor.execute(f"DROP TABLE `{name}`")
    finally:
        connection.close()


def test_backup_wipe_restore_and_everything_is_there_and_works(
    site: Site, database: TestDatabase, tmp_path: Path
) -> None:
    stack, team = site.stack, site.team
    if database.kind != "sqlite":
        stack.settings["MILLWRIGHT_MIGRATION_DATABASE_URL"] = database.migrator_url
    key_file = tmp_path / "backup.key"
    key_file.write_text(secrets.token_hex(32))
    stack.start()
    server = team.add_local("local")
    playbook = team.upload("Say", PLAYBOOK, variable_specs=SPECS)
    word = f"Geheim-{secrets.token_hex(8)}"
    first = team.launch(playbook, [server], extra_vars={"word": word, "expected": word})
    assert team.finished(first)["status"] == "success"
    log = team.rows(team.jobs(first)["local"]["job_id"])

    said = ops(stack, "backup", str(tmp_path / "backups"), "--key-file", str(key_file))  # while all of it runs
    (folder,) = (tmp_path / "backups").iterdir()
    assert str(folder) in said
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["rows"]["launches"] == [1, 1]
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.iterdir())
    assert word.encode() not in b"".join(path.read_bytes() for path in folder.iterdir())
    team.post(f"/servers/{server}/test", expect=202)  # after the backup: will be gone

    assert "Stop web, workers and keeper" in ops(
        stack, "restore", str(folder), "--replace", "--key-file", str(key_file), code=1
    )
    stop_platform(stack)
    assert "--replace" in ops(stack, "restore", str(folder), "--key-file", str(key_file), code=1)
    wipe(database)
    said = ops(stack, "restore", str(folder), "--key-file", str(key_file))
    assert "intact" in said
    assert "rows" not in said

    assert "intact" in site.verify_audit()
    engine = database.engine()
    try:
        with pytest.raises(DBAPIError, match=r"append-only|denied"), engine.begin() as connection:
            connection.execute(text("UPDATE audit_logs SET user_id = 1"))
    finally:
        engine.dispose()

    stack.workers.clear()
    stack.keepers.clear()
    stack.start()
    assert team.rows(team.jobs(first)["local"]["job_id"]) == log
    again = str(team.post(f"/launches/{first}/relaunch", {}, expect=202)["uuid"])  # with the secret of the first
    waiting = team.jobs(again)["local"]
    assert waiting["status"] == "pending"
    assert "restored from the backup" in waiting["waiting_because"]
    ops(stack, "resume")
    assert team.finished(again)["status"] == "success", team.jobs(again)
    site.say("backup, wipe, restore: audit intact, a secret decrypted, a job ran")
