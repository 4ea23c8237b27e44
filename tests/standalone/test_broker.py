"""The broker of ``make run``."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.standalone import broker
from app.standalone.folder import DataFolder
from tests.support.processes import start, wait_until


@pytest.fixture(params=["on the PATH", "bundled"])
def program(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "bundled":
        monkeypatch.setattr(broker, "PROGRAMS", ())
    elif not any(shutil.which(name) for name in broker.PROGRAMS):
        pytest.skip("no redis-server on this machine")
    yield broker.find_program()


def test_the_broker_listens_on_a_private_socket_and_nowhere_else(program: str, tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    process = start(broker.command(folder), name="broker", log=tmp_path / "log")
    try:
        wait_until(lambda: broker.answers(folder.socket), message=f"{program}: {process.output()}")
        assert folder.socket.stat().st_mode & 0o077 == 0
        inodes = {os.readlink(f"/proc/{process.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{process.pid}/fd")}
        listening = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        assert not inodes & {f"socket:[{inode}]" for inode in listening}
    finally:
        process.stop()
    assert not broker.answers(folder.socket)


def test_messages_survive_a_kill(program: str, tmp_path: Path) -> None:
    import redis

    folder = DataFolder(tmp_path / "var")
    for value in (None, b"doorbell"):
        process = start(broker.command(folder), name="broker", log=tmp_path / "log")
        wait_until(lambda: broker.answers(folder.socket), message=f"{program}: {process.output()}")
        client = redis.Redis(unix_socket_path=str(folder.socket))
        assert client.get("key") == value
        client.set("key", b"doorbell")
        client.close()
        process.kill()
        process.wait()
