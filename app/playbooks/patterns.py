"""What a text may be: named patterns and classes of characters.

People who declare variables choose from these names. A pattern of their own would be a regular expression that the
server runs over text of strangers, and one bad expression holds a process for hours; every check here takes time
linear in the length of the text.
"""

from __future__ import annotations

import ipaddress
import re
import string
from collections.abc import Callable
from datetime import date
from urllib.parse import urlsplit

_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_LOCAL_PART = frozenset(string.ascii_letters + string.digits + "!#$%&'*+/=?^_`{|}~.-")  # RFC 5322, dot-atom
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\Z")
_VERSION = re.compile(r"[vV]?[0-9][0-9A-Za-z.+~_-]{0,99}\Z")
_SEMVER_NUMBER = re.compile(r"(0|[1-9][0-9]{0,9})\Z")
_SEMVER_PART = re.compile(r"[0-9A-Za-z-]{1,100}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")


def _is_hostname(text: str) -> bool:
    return len(text) <= 253 and all(_LABEL.match(label) for label in text.split("."))


def _is_ip(text: str) -> bool:
    try:
        return "%" not in text and bool(ipaddress.ip_address(text))
    except ValueError:
        return False


def _is_network(text: str) -> bool:
    try:
        return "/" in text and "%" not in text and bool(ipaddress.ip_network(text, strict=False))
    except ValueError:
        return False


def _is_email(text: str) -> bool:
    local, at, domain = text.rpartition("@")
    if not at or len(text) > 254 or not 1 <= len(local) <= 64:
        return False
    dots = local.startswith(".") or local.endswith(".") or ".." in local
    return not dots and set(local) <= _LOCAL_PART and "." in domain and _is_hostname(domain)


def _is_url(text: str) -> bool:
    if len(text) > 2048 or not text.isascii() or any(char.isspace() or ord(char) < 33 for char in text):
        return False
    try:
        parts = urlsplit(text)
        host, _port = parts.hostname, parts.port  # both may raise
    except ValueError:
        return False
    named = host is not None and (_is_hostname(host) or _is_ip(host))
    return parts.scheme in ("http", "https") and named and parts.username is None and parts.password is None


def _is_path(text: str) -> bool:
    printable = all(character.isprintable() for character in text)
    return text.startswith("/") and len(text) <= 4096 and printable and ".." not in text.split("/")


def _is_semver(text: str) -> bool:
    core, plus, build = text.partition("+")
    core, dash, early = core.partition("-")
    numbers = core.split(".")
    if len(numbers) != 3 or not all(_SEMVER_NUMBER.match(number) for number in numbers):
        return False
    for marked, tail in ((dash, early), (plus, build)):
        if marked and not all(_SEMVER_PART.match(part) for part in tail.split(".")):
            return False
    # Numbers of a pre-release have no leading zero (semver.org 2.0.0, item 9).
    return not dash or all(not part.isdigit() or _SEMVER_NUMBER.match(part) for part in early.split("."))


def _is_date(text: str) -> bool:
    try:
        return _DATE.match(text) is not None and bool(date.fromisoformat(text))
    except ValueError:
        return False


# Name -> (what it is, in words that follow "must be", check).
PATTERNS: dict[str, tuple[str, Callable[[str], bool]]] = {
    "hostname": ("a host name, for example web-1.example.org", _is_hostname),
    "ip": ("an IP address, for example 192.0.2.7 or 2001:db8::7", _is_ip),
    "network": ("a network, for example 192.0.2.0/24", _is_network),
    "email": ("an e-mail address", _is_email),
    "url": ("an http or https address without a password in it", _is_url),
    "path": ("an absolute path without .., for example /srv/app", _is_path),
    "version": ("a version, for example 1.4 or v2.0-rc1", lambda text: _VERSION.match(text) is not None),
    "semver": ("a version of three numbers, for example 1.4.2", _is_semver),
    "identifier": ("a name of letters, digits and _, no digit first", lambda text: _IDENTIFIER.match(text) is not None),
    "uuid": ("a UUID", lambda text: _UUID.match(text) is not None),
    "date": ("a date as year-month-day, for example 2026-03-31", _is_date),
}

# Name -> (word for people, the characters).
CHARACTERS: dict[str, tuple[str, frozenset[str]]] = {
    "lower": ("a-z", frozenset(string.ascii_lowercase)),
    "upper": ("A-Z", frozenset(string.ascii_uppercase)),
    "letters": ("letters", frozenset(string.ascii_letters)),
    "digits": ("digits", frozenset(string.digits)),
    "space": ("spaces", frozenset(" ")),
    "dot": (".", frozenset(".")),
    "dash": ("-", frozenset("-")),
    "underscore": ("_", frozenset("_")),
    "slash": ("/", frozenset("/")),
    "colon": (":", frozenset(":")),
    "comma": (",", frozenset(",")),
    "at": ("@", frozenset("@")),
    "plus": ("+", frozenset("+")),
    "equals": ("=", frozenset("=")),
}


def characters_in_words(names: tuple[str, ...]) -> str:
    """Return "letters, digits, -" for names of CHARACTERS."""
    return ", ".join(CHARACTERS[name][0] for name in names)


def wrong_text(text: str, pattern: str | None, characters: tuple[str, ...]) -> str | None:
    """Return what is wrong with a text ("must be a host name ..."), None when it fits; empty text always does."""
    if not text:
        return None
    if characters and not set(text) <= frozenset().union(*(CHARACTERS[name][1] for name in characters)):
        return f"may hold only: {characters_in_words(characters)}"
    if pattern is not None and not PATTERNS[pattern][1](text):
        return f"must be {PATTERNS[pattern][0]}"
    return None
