"""The sample playbooks that change a system: on a chroot host with a Debian of its own, never on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.playbooks.test_samples import play
from tests.support.chroot_hosts import ChrootHosts

pytestmark = pytest.mark.hosts
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGJ0ZXN0dGVzdHRlc3R0ZXN0dGVzdHRlc3R0ZXN0dGVzdA grace@example.org"


def said(host: Any, *argv: str) -> str:
    """What a command prints on the host, whatever its exit code."""
    return str(host.run(*argv).stdout)


def test_a_user_and_a_key_are_made_once_and_taken_away(chroot_hosts: ChrootHosts, tmp_path: Path) -> None:
    host = chroot_hosts.new("box-1")
    wanted = {"user_name": "grace", "public_key": KEY, "user_comment": "Grace"}
    checked = play(host, tmp_path, "users_and_keys.yml", "--check", **wanted)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "grace" not in said(host, "cat", "/etc/passwd")
    first = play(host, tmp_path, "users_and_keys.yml", **wanted)
    assert first.returncode == 0 and "changed=0" not in first.stdout, first.stdout + first.stderr
    assert KEY in said(host, "cat", "/home/grace/.ssh/authorized_keys")
    again = play(host, tmp_path, "users_and_keys.yml", **wanted)
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout + again.stderr
    gone = play(host, tmp_path, "users_and_keys.yml", user_name="grace", user_state="absent", remove_home=True)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    assert "grace" not in said(host, "cat", "/etc/passwd")


def test_package_updates_settle_and_a_dry_run_touches_no_package(chroot_hosts: ChrootHosts, tmp_path: Path) -> None:
    host = chroot_hosts.new("box-1")
    before = said(host, "dpkg-query", "-W")
    checked = play(host, tmp_path, "package_updates.yml", "--check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert said(host, "dpkg-query", "-W") == before
    first = play(host, tmp_path, "package_updates.yml")
    assert first.returncode == 0, first.stdout + first.stderr
    again = play(host, tmp_path, "package_updates.yml")
    assert again.returncode == 0 and "changed=0" in again.stdout, again.stdout + again.stderr


def test_a_restart_that_is_due_is_said_and_done_only_when_allowed(chroot_hosts: ChrootHosts, tmp_path: Path) -> None:
    host = chroot_hosts.new("box-1")
    said(host, "rm", "-f", "/run/reboot-required")
    quiet = play(host, tmp_path, "reboot_if_required.yml", allow_restart=True)
    assert quiet.returncode == 0, quiet.stdout + quiet.stderr
    assert "No restart is due" in quiet.stdout and "changed=0" in quiet.stdout
    said(host, "touch", "/run/reboot-required")
    due = play(host, tmp_path, "reboot_if_required.yml")
    assert due.returncode == 2, due.stdout
    assert "Restart now" in due.stdout
    checked = play(host, tmp_path, "reboot_if_required.yml", "--check", allow_restart=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "changed=1" in checked.stdout  # it would have been restarted
    said(host, "rm", "-f", "/run/reboot-required")


def test_the_journal_of_a_host_without_one_is_left_alone(chroot_hosts: ChrootHosts, tmp_path: Path) -> None:
    host = chroot_hosts.new("box-1")
    measured = play(host, tmp_path, "log_space.yml", shrink_journal_to_mb=100)
    assert measured.returncode == 0, measured.stdout + measured.stderr
