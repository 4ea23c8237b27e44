"""Outcomes of a connection test, and the sentences that say what to do next."""

from __future__ import annotations

import re
from enum import StrEnum

from app.inventory.bounded_process import Finished
from app.inventory.for_run import HostConnection


class Outcome(StrEnum):
    """The result in one word, stored as ``last_test_code``."""

    OK = "ok"
    UNREACHABLE = "unreachable"
    HOST_KEY_WAITING = "host_key_waiting"
    HOST_KEY_CHANGED = "host_key_changed"
    HOST_KEY_REVOKED = "host_key_revoked"
    PERMISSION_DENIED = "permission_denied"
    KEY_FILE = "key_file"
    MISSING_INTERPRETER = "missing_interpreter"
    JUMP_HOST = "jump_host"
    ERROR = "error"


Result = tuple[Outcome, str]

WAITING: Result = (
    Outcome.HOST_KEY_WAITING,
    "Reached. Compare the fingerprints below with those on the server "
    "(ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub), then let an administrator accept the key. "
    "Nothing signs in before that.",
)
REVOKED: Result = (
    Outcome.HOST_KEY_REVOKED,
    "The server shows only host keys that were revoked here. Find out why, and give it a new host key if it is sound.",
)
JUMP_NOT_TRUSTED: Result = (
    Outcome.JUMP_HOST,
    "A jump host on the way has no accepted host key. Test the jump host first and accept its key.",
)
NETWORK = re.compile(
    r"timed out|refused|No route|unreachable|Connection closed|Connection reset|Could not resolve|banner exchange",
    re.IGNORECASE,
)


def changed(*, was: str, now: str) -> Result:
    """A key other than the accepted one: loud, and nothing was signed in to."""
    return (
        Outcome.HOST_KEY_CHANGED,
        f"DANGER: the host key has changed. Accepted is {was}, shown was {now}. Nothing was signed in to. Somebody may "
        "stand between. If the server was reinstalled, compare the new fingerprint on its console, then accept it.",
    )


def unreachable(connection: HostConnection, reason: str) -> str:
    """Advice for a server that does not answer."""
    return (
        f"{connection.ansible_host} port {connection.port} cannot be reached from the worker ({reason}). "
        "Check the address, the port, the firewall and that sshd runs."
    )


def _reason(text: str) -> str:
    """The last line of ssh that names a network trouble, shortened to the trouble itself."""
    for line in reversed(text.splitlines()):
        found = NETWORK.search(line)
        if found:
            return found[0].lower()
    return "no answer in time"


def no_keys(connection: HostConnection, finished: Finished) -> Result:
    """No host key could be read."""
    if connection.jump_hosts and "Permission denied" in finished.error:
        return Outcome.JUMP_HOST, "A jump host refuses the key or user. Test the jump host by itself first."
    if connection.jump_hosts and "Host key verification failed" in finished.error:
        return Outcome.JUMP_HOST, "A jump host shows another host key than the accepted one. Test it by itself first."
    return Outcome.UNREACHABLE, unreachable(connection, _reason(finished.error))


def sign_in(connection: HostConnection, finished: Finished) -> Result:
    """Signing in failed, by what ssh said."""
    said = finished.error
    if "Host key verification failed" in said or "IDENTIFICATION HAS CHANGED" in said:
        return Outcome.HOST_KEY_CHANGED, changed(was="another key", now="not the accepted one")[1]
    if re.search(r"invalid format|error in libcrypto|incorrect passphrase|Load key", said):
        return (
            Outcome.KEY_FILE,
            "The private key of this server cannot be used: it is damaged or has a passphrase. "
            "Give it a key in OpenSSH format without passphrase.",
        )
    if "Permission denied" in said or "Too many authentication failures" in said:
        key = "its key" if connection.key_path else "the worker's own keys"
        return (
            Outcome.PERMISSION_DENIED,
            f"The server refuses user '{connection.user}' with {key}. Add the public key to "
            f"~{connection.user}/.ssh/authorized_keys there, or correct the user or the key path here.",
        )
    if finished.code == 255 or finished.code is None:
        return Outcome.UNREACHABLE, unreachable(connection, _reason(said))
    return (
        Outcome.ERROR,
        f"Signed in as '{connection.user}', but a shell command could not be run there. "
        "Check the account's login shell and that no forced command stands in the way.",
    )


def missing_interpreter(connection: HostConnection) -> Result:
    """Signed in, but Ansible would find no Python."""
    if connection.python_interpreter and connection.python_interpreter.startswith("/"):
        text = (
            f"there is no Python at {connection.python_interpreter}. Correct python_interpreter, or install it there."
        )
    else:
        text = "no Python 3 was found. Install python3 there, or set python_interpreter to its full path."
    return Outcome.MISSING_INTERPRETER, f"Signed in as '{connection.user}', but {text}"
