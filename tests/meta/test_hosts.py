"""The hosts that tests run playbooks on behave like machines."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from tests.support.chroot_hosts import ChrootHosts
from tests.support.hosts import SshHosts

pytestmark = pytest.mark.hosts


def test_a_host_answers_with_its_own_key_until_it_is_switched_off(ssh_hosts: SshHosts) -> None:
    one, two = ssh_hosts.new("one"), ssh_hosts.new("two")
    assert one.run("echo", "hello").stdout == "hello\n"
    assert (one.address, one.host_key) != (two.address, two.host_key)

    one.stop()

    assert "refused" in one.run("true").stderr
    assert two.run("true").returncode == 0


def test_a_host_that_was_reinstalled_is_not_recognised(ssh_hosts: SshHosts) -> None:
    host = ssh_hosts.new("one")
    before = host.known_hosts_line

    host.change_host_key()

    assert host.known_hosts_line != before
    assert host.run("true").returncode == 0  # with its new key


def test_a_frozen_host_never_answers_and_comes_back(ssh_hosts: SshHosts) -> None:
    host = ssh_hosts.new("one")
    host.freeze()
    with pytest.raises(subprocess.TimeoutExpired):
        host.run("true", timeout=1)
    host.thaw()
    assert host.run("true").returncode == 0


def test_the_client_key_is_private_wherever_it_is_put(ssh_hosts: SshHosts, tmp_path: Path) -> None:
    path = ssh_hosts.install_key(tmp_path / "keys")
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_chroot_host_changes_itself_and_not_this_machine(chroot_hosts: ChrootHosts) -> None:
    one, two = chroot_hosts.new("crate-1"), chroot_hosts.new("crate-2")
    before, name = Path("/etc/passwd").read_bytes(), socket.gethostname()

    assert one.run("useradd", "-m", "visitor").returncode == 0
    assert one.run("hostname").stdout == "crate-1\n"
    assert one.run("python3", "-c", "'print(6 * 7)'").stdout == "42\n"

    assert two.run("id", "visitor").returncode != 0
    assert Path("/etc/passwd").read_bytes() == before
    assert socket.gethostname() == name
    one.stop()
    one.start()
    assert one.run("id", "visitor").returncode == 0, "what was done survives a restart"
