"""Outcomes of a connection test, and the sentences that say what to do next."""

from __future__ import annotations

import re
from enum import StrEnum

from app.inventory.for_run import HostConnection
from app.runners.bounded_process import Finished


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
    BECOME = "become"
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


def is_about_host_key(finished: Finished) -> bool:
    """Say whether ssh went no further because of the key that the server showed."""
    return re.search(r"Host key verification failed|IDENTIFICATION|no matching host key", finished.error) is not None


def changed(*, was: str, now: str) -> Result:
    """A key other than the accepted one: loud, and nothing was signed in to."""
    return (
        Outcome.HOST_KEY_CHANGED,
        f"DANGER: the host key has changed. Accepted is {was}, shown was {now}. Nothing was signed in to. Somebody may "
        "stand between. If the server was reinstalled, compare the new fingerprint on its console, then accept it.",
    )


def unreachable(connection: HostConnection, reason: str) -> str:
    """Advice for a server that does not answer."""
    text = (
        f"{connection.ansible_host} port {connection.port} cannot be reached from the worker ({reason}). "
        "Check the address, the port, the firewall and that sshd runs."
    )
    if reason == "connection closed":
        text += " After failed sign-ins sshd may shut the worker out for some seconds: wait half a minute, test again."
    return text


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
        if connection.passwords.get("connection"):
            return (
                Outcome.PERMISSION_DENIED,
                f"The server refuses user '{connection.user}' with {key} and with the stored password. Correct the "
                "user, or replace the password; sshd may also refuse passwords (PasswordAuthentication).",
            )
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


def missing_interpreter(connection: HostConnection, broken: str | None = None, works: str | None = None) -> Result:
    """Signed in, but Ansible would find no Python, or one that does not run although another does."""
    if broken and works:
        text = f"Ansible would use {broken}, which does not run. Set python_interpreter to {works}."
    elif connection.python_interpreter and connection.python_interpreter.startswith("/"):
        text = (
            f"there is no Python at {connection.python_interpreter}. Correct python_interpreter, or install it there."
        )
    else:
        text = "no Python 3 was found. Install python3 there, or set python_interpreter to its full path."
    return Outcome.MISSING_INTERPRETER, f"Signed in as '{connection.user}', but {text}"


def become(connection: HostConnection) -> Result:
    """Signed in, but sudo does not let this account become the other one."""
    user = connection.become_user or "root"
    if connection.passwords.get("become"):
        advice = "Replace the stored become password, or correct the sudo rules of this account there."
    else:
        advice = "Store its become password here, or allow it sudo without one there."
    return Outcome.BECOME, f"Signed in as '{connection.user}', but sudo refuses to make it '{user}'. {advice}"


def network_reached(connection: HostConnection) -> str:
    """A network device answers and its key is accepted; Ansible signs in, not this test."""
    text = "Reached, and its host key is accepted. Signing in is left to the run."
    return text if connection.network_os else f"{text} Set its network platform first: a run needs it."


def winrm_reached(connection: HostConnection) -> str:
    """The port answers; Ansible signs in, not this test."""
    text = f"Port {connection.port} answers. Signing in over WinRM is left to the run."
    if connection.passwords.get("connection") or connection.winrm_transport in ("certificate", "kerberos"):
        return text
    return f"{text} Store its password first: a run needs it."
