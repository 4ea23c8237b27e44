"""Which variables of an Ansible inventory become fields of a server, and which are not taken over at all."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.inventory import values
from app.inventory.inventory_text import LeftOut

# Field of a server -> the variables that set it, the best first.
NAMES: dict[str, tuple[str, ...]] = {
    "ip_address": ("ansible_host", "ansible_ssh_host"),
    "ssh_port": ("ansible_port", "ansible_ssh_port"),
    "ssh_user": ("ansible_user", "ansible_ssh_user"),
    "connection": ("ansible_connection",),
    "become": ("ansible_become",),
    "become_user": ("ansible_become_user",),
    "become_method": ("ansible_become_method",),
    "python_interpreter": ("ansible_python_interpreter",),
    "ssh_key_path": ("ansible_ssh_private_key_file", "ansible_private_key_file"),
    "network_os": ("ansible_network_os",),
    "winrm_transport": ("ansible_winrm_transport",),
    "winrm_scheme": ("ansible_winrm_scheme",),
    "winrm_cert_validation": ("ansible_winrm_server_cert_validation",),
}
FIELD_OF = {name: field for field, names in NAMES.items() for name in names}
# Fields without which a server would be reached wrongly: a value that cannot be used refuses the host.
NEEDED = frozenset({"ip_address", "ssh_port", "ssh_user", "connection"})
PASSWORD = re.compile(r"ansible_(?:\w+_)?(?:pass|password|passphrase)\Z")
CONNECTIONS = {
    **dict.fromkeys(("ssh", "smart", "paramiko", "paramiko_ssh", "ansible.builtin.ssh"), "ssh"),
    **dict.fromkeys(("local", "ansible.builtin.local"), "local"),
    **dict.fromkeys(("winrm", "ansible.builtin.winrm"), "winrm"),
    **dict.fromkeys(("network_cli", "ansible.netcommon.network_cli"), "network_cli"),
}
_YES, _NO = ("yes", "true", "on", "1", "y", "t"), ("no", "false", "off", "0", "n", "f")
NO_PASSWORDS = (
    "passwords are not kept in clear: store it on the server's page, where it is encrypted, or sign in with a key"
)


class UnusableField(ValueError):
    """A variable that should become a field cannot; ``name`` is the variable, the message the reason."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


def _port(value: Any) -> int:
    return values.port(int(str(value)) if str(value).isascii() and str(value).isdigit() else 0)


def _flag(value: Any) -> bool:
    word = str(value).strip().lower()
    if word not in (*_YES, *_NO):
        raise ValueError("Write true or false.")
    return word in _YES


def _connection(value: Any) -> str:
    found = CONNECTIONS.get(str(value))
    if found is None:
        raise ValueError("Servers are reached by ssh, local, winrm or network_cli.")
    return found


_READERS: dict[str, Callable[[Any], Any]] = {"ssh_port": _port, "become": _flag, "connection": _connection}


@dataclass(slots=True)
class Read:
    """What became of the connection variables of one host."""

    fields: dict[str, Any]
    left_out: list[tuple[str, str]]  # variable, reason


def read_fields(variables: Mapping[str, Any]) -> Read:
    """Return the fields that a host's effective variables set. Raises UnusableField for one in NEEDED."""
    read = Read({}, [])
    for field, names in NAMES.items():
        name = next((name for name in names if name in variables), None)
        if name is None or variables[name] is None:
            continue
        value = variables[name]
        try:
            if isinstance(value, LeftOut):
                raise ValueError(value.reason)
            if values.has_template(value):
                raise ValueError("it is a template: write the value out")
            read.fields[field] = _READERS[field](value) if field in _READERS else str(value)
        except ValueError as error:
            if field in NEEDED:
                raise UnusableField(name, str(error)) from None
            read.left_out.append((name, str(error)))
    return read
