"""ssh as the connection test uses it: scanning host keys and one sign-in. No database, no state."""

from __future__ import annotations

import base64
import binascii
import hashlib
import shlex
from dataclasses import dataclass
from pathlib import Path

from app.inventory.for_run import HostConnection
from app.inventory.models_kept import CredentialKind
from app.runners import bounded_process
from app.runners.bounded_process import Finished

CONNECT_SECONDS = 8
SCAN_SECONDS = 15
SIGN_IN_SECONDS = 30
MAXIMUM_KEYS = 10
KEY_TYPES = frozenset({"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"})
TARGET = "target"
ANSWER_NAME = "answer"  # holds what askpass prints
ASKPASS_NAME = "askpass"
MARK = "millwright-test"
# What ansible-core 2.19 looks for, in its order (INTERPRETER_PYTHON_FALLBACK): the test and the run find the same one.
USUAL = (
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.9",
    "python3.8",
    "/usr/bin/python3",
    "python3",
)
# $1 is one interpreter, or nothing: then the usual names; $2 the user to become by sudo, or nothing; the password for
# that, if there is one, is the first line of the input. Prints lines of "<mark> <word> <value>".
REMOTE = f"""
for python in ${{1:-{" ".join(USUAL)}}}
do
  found=$(command -v "$python" 2>/dev/null) || continue
  version=$("$python" -c 'import sys; print(".".join(map(str, sys.version_info[:3])))' 2>/dev/null) || version=
  if [ -n "$version" ]; then echo "{MARK} python $version"; echo "{MARK} path $found"; break; fi
  echo "{MARK} broken $found"
done
if [ -n "$2" ]; then
  if sudo -k -S -p "" -u "$2" -- true >/dev/null 2>&1; then echo "{MARK} become yes"; else echo "{MARK} become no"; fi
fi
if [ -r /etc/os-release ]; then . /etc/os-release; echo "{MARK} os $ID"; echo "{MARK} version $VERSION_ID"; fi
echo "{MARK} end -"
"""


@dataclass(frozen=True, slots=True)
class ScannedKey:
    """A public host key as the server showed it."""

    key_type: str
    public_key: str  # base64

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it: SHA256 and base64 without padding."""
        digest = hashlib.sha256(base64.b64decode(self.public_key)).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class SignIn:
    """What the remote command said; ``finished.code`` 255 is ssh's own failure."""

    finished: Finished
    python_version: str | None
    os_type: str | None
    os_version: str | None
    complete: bool
    python_path: str | None = None
    broken_path: str | None = None  # Ansible takes the first that is there, and this one does not run
    become: bool | None = None  # None: not tried


def _password(connection: HostConnection) -> str | None:
    return connection.passwords.get(CredentialKind.CONNECTION.value)


def _write_private(path: Path, text: str, mode: int) -> None:
    path.touch(mode=mode, exist_ok=False)
    path.write_text(text, encoding="utf-8")


def _quoted(text: str) -> str:
    return '"' + text + '"'  # every value was validated: no quotes, no backslashes, no line ends


def write_files(connection: HostConnection, folder: Path) -> Path:
    """Write ssh_config and known_hosts for a server and its jump hosts into a private folder; return the config."""
    known = folder / "known_hosts"
    known.write_text("".join(f"{line}\n" for line in connection.all_known_hosts), encoding="utf-8")
    parts: list[str] = []
    names = [f"jump{number}" for number in range(len(connection.jump_hosts))] + [TARGET]
    for number, (name, host) in enumerate(zip(names, (*connection.jump_hosts, connection), strict=True)):
        lines = [f"Host {name}", f"HostName {host.ansible_host}", f"Port {host.port}", f"User {host.user}"]
        if host.key_path is not None:
            lines += [f"IdentityFile {_quoted(host.key_path)}", "IdentitiesOnly yes"]
        if host is connection and _password(host):
            # Of the server alone: the way through jump hosts is by key.
            lines += ["BatchMode no", "PasswordAuthentication yes", "KbdInteractiveAuthentication yes"]
            lines += ["NumberOfPasswordPrompts 1", "PreferredAuthentications publickey,password,keyboard-interactive"]
        if number:
            lines.append(f"ProxyJump {names[number - 1]}")
        parts.append("\n  ".join(lines))
    everywhere = [
        "Host *",
        "BatchMode yes",
        "StrictHostKeyChecking yes",
        f"UserKnownHostsFile {_quoted(str(known))}",
        "GlobalKnownHostsFile none",
        "UpdateHostKeys no",
        "CheckHostIP no",
        f"ConnectTimeout {CONNECT_SECONDS}",
        "ConnectionAttempts 1",
        "ServerAliveInterval 5",
        "ServerAliveCountMax 2",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "ForwardAgent no",
        "ForwardX11 no",
        "ClearAllForwardings yes",
        "PermitLocalCommand no",
        "LogLevel ERROR",
    ]
    if password := _password(connection):
        # ssh asks this program instead of a terminal: the password is in no argument and no environment.
        _write_private(folder / ANSWER_NAME, f"{password}\n", 0o600)
        _write_private(folder / ASKPASS_NAME, f"#!/bin/sh\nexec cat {folder / ANSWER_NAME}\n", 0o700)
    config = folder / "ssh_config"
    config.write_text("\n".join([*parts, "\n  ".join(everywhere)]) + "\n", encoding="utf-8")
    return config


def parse_keys(text: str) -> list[ScannedKey]:
    """Return the well-formed keys of known types in the output of ssh-keyscan or a known_hosts file."""
    found: dict[str, ScannedKey] = {}
    for line in text.splitlines():
        words = line.split()
        if line.startswith("#") or len(words) < 3 or words[1] not in KEY_TYPES or len(words[2]) > 8192:
            continue
        try:
            blob = base64.b64decode(words[2], validate=True)
        except (binascii.Error, ValueError):
            continue
        # RFC 4253, 6.6: the blob begins with its own type, as a string with a 4-byte length.
        if blob[4 : 4 + len(words[1])] == words[1].encode():
            key = ScannedKey(words[1], words[2])
            found.setdefault(key.fingerprint, key)
    return list(found.values())[:MAXIMUM_KEYS]


def scan_keys(connection: HostConnection, config: Path) -> tuple[list[ScannedKey], Finished]:
    """Ask the server for its host keys; behind a jump host for the one that ssh prefers. Signs in nowhere but there."""
    if not connection.jump_hosts:
        argv = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(connection.port), "-t", "ed25519,ecdsa,rsa"]
        done = bounded_process.run([*argv, connection.ansible_host], timeout=SCAN_SECONDS)
        return parse_keys(done.output), done
    seen = config.with_name("seen_hosts")
    options = ["StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={seen}", "PreferredAuthentications=none"]
    # Options on the command line go to the last host only: ssh starts the jump with -F alone.
    argv = ["ssh", "-F", str(config), *(word for option in options for word in ("-o", option))]
    done = bounded_process.run([*argv, "-o", "HashKnownHosts=no", TARGET, "true"], timeout=SIGN_IN_SECONDS)
    return (parse_keys(seen.read_text(encoding="utf-8", errors="replace")) if seen.exists() else []), done


def sign_in(connection: HostConnection, config: Path) -> SignIn:
    """Sign in once with the accepted keys and read facts of the system; changes nothing there."""
    wanted = connection.python_interpreter or ""
    interpreter = wanted if wanted.startswith("/") else ""
    # sshd gives the text to the account's shell; sh -c makes it the same for every shell.
    become = (connection.become_user or "root") if _becomes_by_sudo(connection) else ""
    command = f"exec sh -c {shlex.quote(REMOTE)} {MARK} {shlex.quote(interpreter)} {shlex.quote(become)}"
    askpass = config.with_name(ASKPASS_NAME)
    done = bounded_process.run(
        ["ssh", "-F", str(config), "-T", TARGET, command],
        timeout=SIGN_IN_SECONDS,
        given=f"{connection.passwords.get(CredentialKind.BECOME.value, '')}\n".encode(),
        environment={"SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"} if askpass.exists() else None,
    )
    said: dict[str, str] = {}
    for line in done.output.splitlines():
        words = line.split(maxsplit=2)
        if len(words) == 3 and words[0] == MARK:
            said.setdefault(words[1], words[2].strip()[:50])
    return SignIn(
        done,
        said.get("python"),
        said.get("os"),
        said.get("version"),
        "end" in said,
        said.get("path"),
        said.get("broken"),
        None if "become" not in said else said["become"] == "yes",
    )


def _becomes_by_sudo(connection: HostConnection) -> bool:
    return connection.become and connection.become_method in (None, "sudo")
