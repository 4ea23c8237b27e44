"""Hosts with a Debian of their own, for playbooks that change packages, users and files.

``python -m tests.support.chroot_hosts install`` makes the base once (debootstrap, about a minute,
300 MB, in the user's cache folder). Each host is a fresh overlay of it with an sshd inside, in its own mount,
process and host name spaces: nothing that a playbook does there reaches the machine of the tests. Needs root.

Fixture ``chroot_hosts``: as ``ssh_hosts`` (tests/support/hosts.py); the user on it is root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import debian
from tests.support.hosts import CONFIG, SshHost, SshHosts
from tests.support.processes import Process, start

SUITE = "stable"
PACKAGES = ("python3", "python3-apt", "openssh-server", "sudo", "procps", "iproute2")
FIRST_ADDRESS = 102  # 127.0.0.102: apart from the plain hosts
KEYS = "/etc/ssh/test"
# $1 base, $2 folder of the host, $3 host name. Overlay where the kernel allows it here, else a copy.
BOOT = """
mount --make-rprivate /
mkdir -p "$2/upper" "$2/work" "$2/root"
if [ ! -e "$2/root/etc" ]; then
    mount -t overlay overlay -o "lowerdir=$1,upperdir=$2/upper,workdir=$2/work" "$2/root" 2>/dev/null ||
        cp -a --reflink=auto "$1/." "$2/root/"
fi
mount -t proc proc "$2/root/proc"
mount -t sysfs -o ro sysfs "$2/root/sys" || true
mount -t tmpfs tmpfs "$2/root/run"
mount -t devpts devpts "$2/root/dev/pts" -o newinstance,ptmxmode=0666,mode=0620
mkdir -p "$2/root/run/sshd" "$2/root/etc/ssh/test"
cp "$2/host_key" "$2/authorized_keys" "$2/sshd_config" "$2/root/etc/ssh/test/"
chmod 0600 "$2/root/etc/ssh/test/host_key"
echo "$3" >"$2/root/etc/hostname"
hostname "$3"
exec chroot "$2/root" /usr/sbin/sshd -D -e -f /etc/ssh/test/sshd_config
"""


def base() -> Path:
    """Where the base system is, or would be."""
    chosen = os.environ.get("MILLWRIGHT_TEST_CHROOT_BASE")
    return Path(chosen) if chosen else debian.cache_folder() / f"host-{SUITE}"


def is_installed() -> bool:
    """Whether the base system is there and may be used."""
    return os.geteuid() == 0 and (base() / "usr/sbin/sshd").exists()


def install() -> Path:
    """Make the base system when it is missing. RuntimeError with the reason when it cannot be had."""
    if os.geteuid() != 0:
        raise RuntimeError("chroot hosts need root")
    if not is_installed():
        debian.debootstrap(base(), suite=SUITE, include=PACKAGES)
        for key in (base() / "etc/ssh").glob("ssh_host_*"):
            key.unlink()
    return base()


class ChrootHost(SshHost):
    """A host with its own file system and processes; the same interface as a plain one."""

    def _configure(self) -> None:
        self.user = "root"
        text = CONFIG.format(port=self.port, address=self.address, keys=KEYS)
        (self.folder / "sshd_config").write_text(text, encoding="utf-8")

    def _launch(self) -> Process:
        name_spaces = ["unshare", "--mount", "--pid", "--uts", "--fork", "--kill-child=SIGKILL"]
        return start(
            [*name_spaces, "sh", "-euc", BOOT, "boot", str(base()), str(self.folder), self.name],
            name=f"chroot sshd {self.name}",
            log=self.folder / "sshd.log",
        )

    def stop(self) -> None:
        """Pull the plug: the process name space ends with its first process. Its files stay for ``start``."""
        self.thaw()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class ChrootHosts(SshHosts):
    """Makes chroot hosts."""

    host_type = ChrootHost


@pytest.fixture
def chroot_hosts(tmp_path: Path) -> Iterator[ChrootHosts]:
    """A maker of hosts with a Debian of their own; skipped where they cannot be had."""
    if not is_installed():
        pytest.skip(f"no chroot hosts: `{Path(sys.executable).name} -m tests.support.chroot_hosts install` as root")
    probe = subprocess.run(["unshare", "--mount", "--pid", "--uts", "--fork", "true"], capture_output=True)
    if probe.returncode:
        pytest.skip("no chroot hosts: this container may not make name spaces (CAP_SYS_ADMIN)")
    hosts = ChrootHosts(tmp_path / "chroot-hosts", FIRST_ADDRESS)
    yield hosts
    hosts.stop()
    for host in hosts.made:
        shutil.rmtree(host.folder, ignore_errors=True)


if __name__ == "__main__":
    try:
        print(f"base of the chroot hosts: {install()}")
    except (RuntimeError, OSError) as error:
        print(f"chroot hosts: {error}", file=sys.stderr)
        sys.exit(1)
