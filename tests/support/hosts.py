"""Machines to run playbooks on: real sshd servers on 127.0.0.2 and up, each with keys of its own.

Fixture ``ssh_hosts``:  host = ssh_hosts.new("web-1")   then host.address, host.port, host.user, host.key_path
    host.stop() / host.start()      switched off: connections are refused
    host.freeze() / host.thaw()     unreachable: connections hang until the client gives up
    host.change_host_key()          reinstalled by somebody: same address, another key

They run as the user of the tests, so a playbook acts as that user **on this machine**: only reading ones.
For packages, users and services take ``chroot_hosts`` (tests/support/chroot_hosts.py), which has the same
interface and a Debian of its own.
"""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.support.processes import Process, accepts_connections, free_port, start, wait_until

FIRST_ADDRESS = 2  # 127.0.0.2; the whole of 127/8 is this machine
PYTHON = "/usr/bin/python3"
CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {keys}/host_key
AuthorizedKeysFile {keys}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
MaxStartups 200
LogLevel VERBOSE
"""


def find_sshd() -> str | None:
    """Path of sshd (it insists on being started by its full path), None when it is not installed."""
    return shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def make_key(path: Path) -> Path:
    """A new ed25519 key pair without passphrase; returns the private key's path."""
    for old in (path, path.with_name(path.name + ".pub")):
        old.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", str(path)],
        check=True,
        capture_output=True,
    )
    return path


class SshHost:
    """One host. ``folder`` holds its keys, configuration and log."""

    def __init__(self, name: str, address: str, folder: Path, key_path: Path) -> None:
        self.name = name
        self.address = address
        self.port = free_port(address)
        self.user = getpass.getuser()
        self.folder = folder
        self.key_path = key_path
        self.python_interpreter = PYTHON
        self._process: Process | None = None
        self._frozen: list[psutil.Process] = []
        folder.mkdir(parents=True)
        make_key(folder / "host_key")
        shutil.copy(key_path.with_name(key_path.name + ".pub"), folder / "authorized_keys")
        self._configure()

    def _configure(self) -> None:
        text = CONFIG.format(port=self.port, address=self.address, keys=self.folder)
        (self.folder / "sshd_config").write_text(text, encoding="utf-8")

    def _launch(self) -> Process:
        program = find_sshd()
        assert program is not None
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # what its unit file would do; in memory only
        argv = [program, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        return start(argv, name=f"sshd {self.name}", log=self.folder / "sshd.log")

    @property
    def log(self) -> str:
        """What sshd said."""
        path = self.folder / "sshd.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    @property
    def host_key(self) -> str:
        """The public host key as known_hosts has it: ``ssh-ed25519 AAAA...``."""
        words = (self.folder / "host_key.pub").read_text(encoding="utf-8").split()
        return f"{words[0]} {words[1]}"

    @property
    def known_hosts_line(self) -> str:
        """A complete line for a known_hosts file."""
        return f"[{self.address}]:{self.port} {self.host_key}"

    def start(self) -> None:
        """Switch it on and wait until it accepts connections."""
        process = self._process = self._launch()

        def ready() -> bool:
            assert process.running, f"{process.name} ended:\n{self.log}"
            return accepts_connections(self.address, self.port)

        wait_until(ready, message=f"{process.name} on {self.address}:{self.port}")

    def stop(self) -> None:
        """Switch it off, with every session on it; connections are refused from now on."""
        self.thaw()
        if self._process is not None:
            self._process.stop(grace=2)
            self._process = None

    def freeze(self) -> None:
        """Make it unreachable: it accepts nothing and answers nothing, its sessions hang."""
        assert self._process is not None
        parent = psutil.Process(self._process.pid)
        self._frozen = [parent, *parent.children(recursive=True)]
        for process in self._frozen:
            process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """End ``freeze``."""
        for process in self._frozen:
            if process.is_running():
                process.send_signal(signal.SIGCONT)
        self._frozen = []

    def change_host_key(self) -> None:
        """Come back under the same address with another host key."""
        self.stop()
        make_key(self.folder / "host_key")
        self.start()

    def run(self, *argv: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command on it over ssh and return what it printed (``check`` is the caller's)."""
        known = self.folder / "known_hosts"
        known.write_text(self.known_hosts_line + "\n", encoding="utf-8")
        options = ["BatchMode=yes", "StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}"]
        command = ["ssh", "-F", "none", "-i", str(self.key_path), "-p", str(self.port)]
        command += [word for option in options for word in ("-o", option)]
        return subprocess.run(
            [*command, f"{self.user}@{self.address}", *argv],
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
        )


class SshHosts:
    """Makes hosts and switches all of them off at the end. ``key_path`` is the client's private key."""

    host_type: type[SshHost] = SshHost

    def __init__(self, folder: Path, first_address: int = FIRST_ADDRESS) -> None:
        self.folder = folder
        self.made: list[SshHost] = []
        self._next = first_address
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "ssh_keys").mkdir(mode=0o700)
        self.key_path = make_key(folder / "ssh_keys" / "id_ed25519")

    def new(self, name: str, address: str | None = None) -> SshHost:
        """A running host on the next address, or on this one (of 127/8)."""
        if address is None:
            address = f"127.0.0.{self._next}"
            self._next += 1
        host = self.host_type(name, address, self.folder / name, self.key_path)
        self.made.append(host)
        host.start()
        return host

    def install_key(self, folder: Path) -> Path:
        """Copy the client key (0600) into a folder, such as the platform's ssh_keys; returns its path."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / "id_ed25519"
        path.touch(mode=0o600)
        path.write_bytes(self.key_path.read_bytes())
        return path

    def stop(self) -> None:
        """Switch all of them off."""
        for host in self.made:
            host.stop()


@pytest.fixture
def ssh_hosts(tmp_path: Path) -> Iterator[SshHosts]:
    """A maker of sshd hosts; skipped where OpenSSH is missing."""
    if find_sshd() is None or shutil.which("ssh") is None:
        pytest.skip("no OpenSSH server and client (Debian: apt-get install openssh-server openssh-client)")
    hosts = SshHosts(tmp_path / "hosts")
    yield hosts
    hosts.stop()
