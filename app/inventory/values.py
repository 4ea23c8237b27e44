"""What each field of a server may hold: one function per kind of value, pure, raising ValueError with advice.

Hostnames become Ansible's ``inventory_hostname`` and words of ssh command lines, so nothing passes here that a
shell, an option parser, an inventory pattern or a template could take for something else.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z")  # RFC 1123, 2.1
HOSTNAME_LENGTH = 253  # RFC 1035, 2.3.4, without the closing dot
# Words that Ansible gives a meaning of its own; a host of that name would hide it.
RESERVED_HOSTNAMES = frozenset({"all", "ungrouped", "localhost", "localhost.localdomain", "controller", "none"})
CONTROLLER_HOSTNAMES = frozenset({"controller", "localhost"})
WORD = re.compile(r"[a-z0-9][a-z0-9._:/+=-]{0,49}\Z")
USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,49}\Z")
INTERPRETER = re.compile(r"/[A-Za-z0-9_.+-]+(?:/[A-Za-z0-9_.+-]+)*\Z")
INTERPRETER_WORDS = frozenset({"auto", "auto_silent"})
BECOME_METHODS = ("sudo", "su", "doas", "runas", "enable")
NETWORK_OS = re.compile(r"[a-z0-9_]{1,40}(?:\.[a-z0-9_]{1,40}){0,2}\Z")
WINRM_TRANSPORTS = ("ntlm", "kerberos", "credssp", "certificate", "basic")  # ansible.builtin.winrm
WINRM_SCHEMES = ("https", "http")
WINRM_CERT_VALIDATION = ("validate", "ignore")
OS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._()/-]{0,49}\Z")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,99}\Z")
# Ansible's own names; it would ignore or overwrite them.
RESERVED_VARIABLES = frozenset(
    {"environment", "group_names", "groups", "hostvars", "inventory_dir", "inventory_file", "inventory_hostname"}
    | {"inventory_hostname_short", "omit", "play_hosts", "playbook_dir", "role_path", "vars"}
)
MAXIMUM_TAGS = 50
MAXIMUM_DESCRIPTION = 5_000  # characters
MAXIMUM_VARIABLES_BYTES = 65_536
MAXIMUM_DEPTH = 20
TEMPLATE_MARKS = ("{{", "{%", "{#")


def hostname(text: str, *, is_controller: bool = False) -> str:
    """Return the name in lower case without a closing dot."""
    name = text.strip(" ").lower().removesuffix(".")
    if is_controller and name in CONTROLLER_HOSTNAMES:
        return name
    labels = name.split(".")
    if not name or len(name) > HOSTNAME_LENGTH or not all(LABEL.match(label) for label in labels):
        raise ValueError(
            "Use a host name: letters a-z, digits and dashes between dots, at most 63 characters between two dots "
            "and 253 in all, for example web-1.example.org."
        )
    if labels[-1].isdigit():
        raise ValueError("This looks like an address. Put addresses into ip_address and give the server a name.")
    if name in RESERVED_HOSTNAMES or name.endswith(".localhost"):
        raise ValueError(f"'{name}' has a meaning of its own here. Choose another name.")
    return name


def address(text: str) -> str:
    """Return the canonical form of an IPv4 or IPv6 address."""
    advice = "Give one IPv4 or IPv6 address, for example 192.0.2.10 or 2001:db8::10."
    try:
        found = ipaddress.ip_address(text.strip(" "))
    except ValueError as error:
        raise ValueError(advice) from error
    if isinstance(found, ipaddress.IPv6Address):
        if found.scope_id is not None:
            raise ValueError("An address with a zone (%) means something else on every machine. Give it without.")
        if found.ipv4_mapped is not None:
            raise ValueError(f"Give the IPv4 address itself: {found.ipv4_mapped}.")
    if found.is_unspecified or found.is_multicast or found == ipaddress.IPv4Address("255.255.255.255"):
        raise ValueError(f"No single machine has this address. {advice}")
    return str(found)


def is_own_address(canonical: str) -> bool:
    """Say whether an address is one of the worker's own machine or link: only administrators may use those."""
    found = ipaddress.ip_address(canonical)
    return found.is_loopback or found.is_link_local


def word(text: str) -> str:
    """Return an environment or a tag in lower case."""
    found = text.strip(" ").lower()
    if not WORD.match(found):
        raise ValueError(
            f"'{text[:50]}' cannot be used: 1 to 50 of a-z, 0-9 and . _ : / + = -, beginning with a letter or digit."
        )
    return found


def tags(given: Sequence[str]) -> list[str]:
    """Return the tags in lower case, sorted, each once."""
    if len(given) > MAXIMUM_TAGS:
        raise ValueError(f"At most {MAXIMUM_TAGS} tags.")
    return sorted({word(tag) for tag in given})


def user(text: str) -> str:
    """Return a user name of a server."""
    if not USER.match(text):
        raise ValueError("Use 1 to 50 of letters, digits and _ . @ -, beginning with a letter, digit or underscore.")
    return text


def port(number: int) -> int:
    """Return a TCP port."""
    if isinstance(number, bool) or not 1 <= number <= 65_535:
        raise ValueError("Give a port between 1 and 65535; 22 is usual.")
    return number


def interpreter(text: str) -> str:
    """Return the absolute path of Python on the server, ``auto`` or ``auto_silent``."""
    if text in INTERPRETER_WORDS:
        return text
    if len(text) > 255 or not INTERPRETER.match(text) or ".." in text.split("/"):
        raise ValueError("Give the full path of Python on the server, such as /usr/bin/python3, or 'auto'.")
    return text


def network_os(text: str) -> str:
    """Return the platform of a network device as Ansible names it."""
    if not NETWORK_OS.match(text):
        raise ValueError("Give the platform as Ansible names it, for example cisco.ios.ios or arista.eos.eos.")
    return text


def one_of(choices: Sequence[str]) -> Callable[[str], str]:
    """Return a check that a text is one of ``choices``."""

    def check(text: str) -> str:
        if text not in choices:
            raise ValueError(f"Choose one of {', '.join(choices)}.")
        return text

    return check


def os_name(text: str) -> str:
    """Return the name or the version of an operating system."""
    if not OS_NAME.match(text):
        raise ValueError("Use 1 to 50 letters, digits, spaces and . _ ( ) / -, for example debian or 13.1.")
    return text


def description(text: str) -> str:
    """Return free text without control characters."""
    found = text.replace("\r\n", "\n").strip()
    if len(found) > MAXIMUM_DESCRIPTION:
        raise ValueError(f"At most {MAXIMUM_DESCRIPTION:,} characters.")
    if any(ord(character) < 32 and character not in "\n\t" for character in found) or "\x7f" in found:
        raise ValueError("Remove the control characters.")
    return _storable(found)


def variables(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables when their names are usable and they are small; see ``privileged_variables``."""
    for name in given:
        if not VARIABLE.match(name):
            raise ValueError(f"'{name[:50]}' is no variable name: letters, digits and underscores, no digit first.")
        if name in RESERVED_VARIABLES:
            raise ValueError(f"'{name}' belongs to Ansible itself. Choose another name.")
    _check_depth(given)
    try:
        size = len(json.dumps(given, allow_nan=False))
    except ValueError as error:
        raise ValueError("Numbers must be finite.") from error
    if size > MAXIMUM_VARIABLES_BYTES:
        raise ValueError(f"At most {MAXIMUM_VARIABLES_BYTES // 1024} KiB as JSON; these have {size:,} bytes.")
    return dict(given)


def privileged_variables(given: Mapping[str, Any]) -> list[str]:
    """Name the variables that steer the platform's own machine: ``ansible_*``, and values that hold templates."""
    found = [name for name in given if name.startswith("ansible_")]
    return found + [name for name, value in given.items() if name not in found and has_template(value)]


def has_template(value: Any) -> bool:
    """Say whether a text in this value, however deep, holds a mark of Jinja."""
    if isinstance(value, str):
        return any(mark in value for mark in TEMPLATE_MARKS)
    if isinstance(value, Mapping):
        return any(has_template(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(has_template(item) for item in value)


def _check_depth(value: Any) -> None:
    level = [value]
    for _ in range(MAXIMUM_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, Mapping):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
            elif isinstance(item, str):
                _storable(item)
            elif isinstance(item, int) and abs(item) >= 2**63:
                raise ValueError("Whole numbers must be smaller than 2^63; give larger ones as text.")
        if not inner:
            return
        level = inner
    raise ValueError(f"Nested deeper than {MAXIMUM_DEPTH} levels.")


def _storable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("Contains half of a surrogate pair, which is no text.") from error
    return text
