"""An unmodified terraform on somebody's own machine, with the platform as its backend."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from tests import factories
from tests.terraform.conftest import Backend

BINARY = shutil.which("terraform") or ""
pytestmark = [pytest.mark.database, pytest.mark.skipif(not BINARY, reason="no terraform on this machine")]
SECRET = "planted-secret-of-the-state-0815"
MAIN = f"""
terraform {{
  backend "http" {{}}
}}
resource "terraform_data" "first" {{
  input = "{SECRET}"
}}
resource "terraform_data" "second" {{}}
"""


@dataclass
class Machine:
    """Somebody's machine: a folder with a configuration, and how terraform is called in it."""

    folder: Path
    environment: dict[str, str]

    def run(self, *words: str, code: int = 0) -> str:
        """Call terraform; return all that it printed."""
        done = subprocess.run(
            [BINARY, *words],
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}"
        return done.stdout


@pytest.fixture
def machine(app: Flask, backend: Backend, tmp_path: Path) -> Iterator[Machine]:
    """A machine that knows the platform's address and a key, by environment alone."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}{backend.path}"
    folder = tmp_path / "configuration"
    folder.mkdir()
    (folder / "main.tf").write_text(MAIN, encoding="utf-8")
    yield Machine(
        folder,
        {
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "CHECKPOINT_DISABLE": "1",
            "TF_IN_AUTOMATION": "1",
            "TF_HTTP_ADDRESS": address,
            "TF_HTTP_LOCK_ADDRESS": address,
            "TF_HTTP_UNLOCK_ADDRESS": address,
            "TF_HTTP_USERNAME": "ada",
            "TF_HTTP_PASSWORD": backend.key,
            "TF_HTTP_RETRY_MAX": "0",
        },
    )
    server.shutdown()
    server.server_close()
    thread.join()


def dump(app: Flask) -> bytes:
    """Every value of every table, as the database has it."""
    found = b""
    with factories.context(), system_scope("test"), unit_of_work(writes=False):
        connection = db.session.connection()
        for table in db.metadata.sorted_tables:
            for row in connection.execute(text(f"SELECT * FROM {table.name}")):
                found += b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    return found


def test_init_plan_apply_move_and_destroy(machine: Machine, backend: Backend) -> None:
    machine.run("init", "-input=false")
    machine.run("plan", "-input=false", "-out=saved")
    machine.run("apply", "-input=false", "saved")
    assert sorted(machine.run("state", "list").split()) == ["terraform_data.first", "terraform_data.second"]
    machine.run("state", "mv", "terraform_data.second", "terraform_data.moved")
    state = json.loads(backend.ask("GET").data)
    assert sorted(row["name"] for row in state["resources"]) == ["first", "moved"]
    assert SECRET in str(state)
    assert SECRET.encode() not in dump(backend.app)
    assert "No changes" not in machine.run("plan", "-input=false")  # it was moved in the state alone
    machine.run("destroy", "-auto-approve", "-input=false")
    shown = backend.api("GET", "/workspaces/default").json
    assert (shown["resources_count"], shown["lock"]) == (0, None)
    serials = [row["serial"] for row in backend.api("GET", "/workspaces/default/versions").json]
    assert serials == sorted(serials, reverse=True)
    assert len(serials) >= 3


def test_a_second_one_is_refused_while_the_first_holds_the_lock_until_it_is_forced_away(
    machine: Machine, backend: Backend
) -> None:
    machine.run("init", "-input=false")
    backend.lock("11111111-2222-3333-4444-555555555555", "eve@desk")
    refused = machine.run("plan", "-input=false", code=1)
    assert "Error acquiring the state lock" in refused
    assert backend.api("GET", "/workspaces/default").json["lock"]["who"] == "ada (eve@desk)"
    machine.run("plan", "-input=false", "-lock=false")
    machine.run("force-unlock", "-force", "11111111-2222-3333-4444-555555555555")
    machine.run("apply", "-auto-approve", "-input=false")
    assert backend.api("GET", "/workspaces/default").json["resources_count"] == 2


def test_pushing_an_older_state_is_refused_and_a_restored_version_is_the_one_it_reads(
    machine: Machine, backend: Backend
) -> None:
    machine.run("init", "-input=false")
    machine.run("apply", "-auto-approve", "-input=false", "-target=terraform_data.first")
    old = machine.folder / "old.tfstate"
    old.write_text(machine.run("state", "pull"), encoding="utf-8")
    machine.run("apply", "-auto-approve", "-input=false")
    machine.run("state", "push", str(old), code=1)
    machine.run("state", "push", "-force", str(old), code=1)  # the platform refuses it too
    made = backend.api("POST", "/workspaces/default/versions/1/restore")
    assert made.status_code == 201
    assert machine.run("state", "list").split() == ["terraform_data.first"]
    machine.run("apply", "-auto-approve", "-input=false")


def test_a_state_that_lived_elsewhere_comes_over_and_workspaces_are_addresses(
    machine: Machine, backend: Backend
) -> None:
    files = machine.folder / "main.tf"
    files.write_text(MAIN.replace('backend "http" {}', 'backend "local" {}'), encoding="utf-8")
    machine.run("init", "-input=false")
    machine.run("apply", "-auto-approve", "-input=false")
    files.write_text(MAIN, encoding="utf-8")
    machine.run("init", "-input=false", "-migrate-state", "-force-copy")
    assert backend.api("GET", "/workspaces/default").json["resources_count"] == 2
    assert "workspaces not supported" in machine.run("workspace", "new", "other", code=1)
    for name in ("TF_HTTP_ADDRESS", "TF_HTTP_LOCK_ADDRESS", "TF_HTTP_UNLOCK_ADDRESS"):
        machine.environment[name] = machine.environment[name].removesuffix("default") + "staging"
    shutil.rmtree(machine.folder / ".terraform")
    (machine.folder / "terraform.tfstate").unlink()
    machine.run("init", "-input=false")
    machine.run("apply", "-auto-approve", "-input=false", "-target=terraform_data.second")
    found = {row["workspace"]: row["resources_count"] for row in backend.api("GET", "/workspaces").json}
    assert found == {"default": 2, "staging": 1}
