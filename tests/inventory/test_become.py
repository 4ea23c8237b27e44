"""Becoming root by a stored password, and signing in by one: on a Debian of the test's own, over real ssh."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app.core.actor import Actor
from app.core.runtime import settings
from app.inventory import connection_test, service_credentials, service_host_keys, service_tests
from app.inventory.models import HostKey, Server
from app.playbooks.run_hosts import hosts_for_run
from tests import factories
from tests.inventory.conftest import Acting
from tests.runners.conftest import Ended, Runs
from tests.support.chroot_hosts import ChrootHosts
from tests.support.hosts import SshHost

pytestmark = pytest.mark.hosts
PASSWORD = "correct-horse-battery"
SET_UP = (
    "useradd -m -s /bin/bash deploy && echo 'deploy:{password}' | chpasswd && "
    "echo 'Defaults !lecture' >/etc/sudoers.d/deploy && echo 'deploy ALL=(ALL) ALL' >>/etc/sudoers.d/deploy && "
    "chmod 0440 /etc/sudoers.d/deploy"
)
BOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - name: Who
      command: id -un
    - name: Say the password
      command: echo the password is {{ ansible_become_password }}
"""


class Managed:
    """One server of the inventory that is one chroot host with the account ``deploy``."""

    def __init__(self, acting: Acting, admin: Actor, row: Callable[[int], Server], server_id: int) -> None:
        self.acting, self.admin, self.row, self.id = acting, admin, row, server_id

    def test(self) -> Server:
        """Ask for a connection test and answer it as a worker would."""
        with self.acting(self.admin):
            service_tests.request_server_test(self.admin, self.id)
        connection_test.test_server(self.id)
        return self.row(self.id)

    def set(self, kind: str, password: str) -> None:
        """Store a password."""
        with self.acting(self.admin):
            service_credentials.set_credential(self.admin, self.id, kind, password)

    def run(self, runs: Runs) -> Ended:
        """Run the book as a job kind would hand it over."""
        with self.acting(self.admin):
            hosts = hosts_for_run(self.admin.tenant_id, [self.id])
        return runs.run(BOOK, verbosity=1, connect_timeout=20, **hosts.parameters)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path / "runs")
    yield made
    for handle in made.handles:
        handle.close()


@pytest.fixture
def managed(
    acting: Acting,
    admin: Actor,
    row: Callable[[int], Server],
    make_server: Callable[..., int],
    chroot_hosts: ChrootHosts,
) -> Callable[..., Managed]:
    """Make a host with a user who needs a password for sudo, and its server, trusted."""

    def make(*, with_key: bool = True, **given: Any) -> Managed:
        host: SshHost = chroot_hosts.new("web-1")
        done = host.run(SET_UP.format(password=PASSWORD))
        assert done.returncode == 0, done.stderr
        if not with_key:
            text = (
                (host.folder / "sshd_config")
                .read_text()
                .replace("PasswordAuthentication no", "PasswordAuthentication yes")
            )
            (host.folder / "sshd_config").write_text(text)
            host.stop()
            host.start()
        key = chroot_hosts.install_key(settings().key_root / f"tenant-{admin.tenant_id}")
        fields = {"ip_address": host.address, "ssh_port": host.port, "ssh_user": "deploy", "hostname": "web-1"}
        fields |= {"python_interpreter": host.python_interpreter, "ssh_key_path": str(key) if with_key else None}
        server = Managed(acting, admin, row, make_server(**{**fields, **given}))
        server.test()
        (shown,) = factories.rows(HostKey)
        with acting(admin):
            service_host_keys.accept_host_key(admin, server.id, shown.id)
        return server

    return make


def test_sudo_with_a_stored_password_works_in_test_and_run_and_shows_nowhere(
    managed: Callable[..., Managed], runs: Runs
) -> None:
    server = managed(become=True)
    asked = server.test()
    assert asked.last_test_code == "become" and "Store its become password" in (asked.last_test_message or "")
    server.set("become", "not-the-password")
    assert "Replace the stored become password" in (server.test().last_test_message or "")
    server.set("become", PASSWORD)
    good = server.test()
    assert good.last_test_ok and "becoming root works" in (good.last_test_message or ""), good.last_test_message
    ended = server.run(runs)
    assert ended.codes() == {"web-1": None}, ended.everything
    assert "root" in ended.text("web-1") and "the password is ***" in ended.text("web-1")
    assert PASSWORD not in ended.everything


def test_signing_in_with_a_stored_password_works_in_test_and_run(managed: Callable[..., Managed], runs: Runs) -> None:
    server = managed(with_key=False)
    assert server.test().last_test_code == "permission_denied"
    server.set("connection", "not-the-password")
    refused = server.test()
    assert refused.last_test_code == "permission_denied" and "stored password" in (refused.last_test_message or "")
    server.set("connection", PASSWORD)
    good = server.test()
    assert good.last_test_ok, good.last_test_message
    server.set("become", PASSWORD)  # the book names it; nobody becomes anybody
    ended = server.run(runs)
    assert ended.codes() == {"web-1": None}, ended.everything
    assert "deploy" in ended.text("web-1") and PASSWORD not in ended.everything
