"""A running platform and a program with an administrator's key for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from flask import Flask

from tests import factories
from tests.e2e.client import LOOK, Team
from tests.support.hosts import SshHost, SshHosts
from tests.support.processes import processes_with_marker, wait_until
from tests.support.stack import Stack

Said = Callable[[str], None]


@dataclass
class Site:
    """A stack with an administrator, who has a key and factories.PASSWORD.

    ``say`` adds a figure to the summary of the test run.
    """

    stack: Stack
    team: Team
    username: str
    say: Said

    def host(self, hosts: SshHosts, name: str, **more: Any) -> tuple[SshHost, int]:
        """Start an ssh host and add it as a server whose host key is accepted."""
        host = hosts.new(name)
        server = self.team.add_server(host, self.key_path(hosts), **more)
        assert self.team.trust(server)["ok"], self.team.get(f"/servers/{server}")
        return host, server

    def key_path(self, hosts: SshHosts) -> Path:
        """The client's key where the platform may use it."""
        return hosts.install_key(self.stack.data_dir / "ssh_keys")

    def processes(self, launch: str) -> list[psutil.Process]:
        """Live processes of a launch's runs, by their marker."""
        runs = self.team.get(f"/launches/{launch}")["runs"]
        return [process for run in runs for process in processes_with_marker(run["uuid"])]

    def until(self, condition: Callable[[], Any], message: str, timeout: float = 60) -> float:
        """Wait for a condition; returns how long it took, in seconds."""
        begun = time.monotonic()
        wait_until(condition, timeout, message, LOOK)
        return time.monotonic() - begun

    def lines_at_least(self, launch: str, count: int, server: str = "local") -> None:
        """Wait until a job's stored log has ``count`` lines."""
        self.until(lambda: self.team.jobs(launch)[server]["log_lines"] >= count, f"{count} lines of {server}", 120)

    def verify_audit(self) -> str:
        """Verify the audit chain by the product's command; returns what it printed."""
        done = self.stack.flask("audit", "verify")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()


@pytest.fixture
def site(
    stack: Stack, app: Flask, summary_line: Said, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> Site:
    """A platform (nothing of it started yet) with an administrator's API key."""
    stack.settings["MILLWRIGHT_RATE_LIMIT_PER_MINUTE"] = "100000"
    stack.first_admin()
    person = factories.make_person(1)
    key = factories.make_key(person)
    place = request.node.callspec.params.get("database_kind", "") if hasattr(request.node, "callspec") else ""

    def say(text: str) -> None:
        summary_line(f"e2e{f' ({place})' if place else ''}: {text}")

    return Site(stack, Team(stack.base_url, key), person.username, say)
