"""Where a project may be cloned from: which URLs, branches, hosts and addresses git is allowed to see (T-GIT, T-SSRF).

Text of people never becomes an option, a helper (``ext::``) or a shell word: what does not match is refused.
"""

from __future__ import annotations

import fnmatch
import ipaddress
import os
import re
import socket
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from app.core.errors import InvalidInput
from app.core.runtime import settings

MAX_URL = 500
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?\Z")
_URL = re.compile(
    r"(https|ssh)://(?:([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@)?(\[[0-9A-Fa-f:.]{2,45}\]|[^/:@\[\]]+)(?::([0-9]{1,5}))?(/.*)\Z"
)
_SCP = re.compile(r"([A-Za-z0-9_][A-Za-z0-9_.-]{0,63})@([A-Za-z0-9.-]+):([^/:][^:]*)\Z")
_PATH = re.compile(r"/[A-Za-z0-9_.~+/-]{1,400}\Z")
# git-check-ref-format(1), narrower: no blank, no wildcard, nothing that an option or a revision begins with.
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./+=#-]{0,199}\Z")
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LOCAL_NAMES = ("localhost", "localdomain", "internal", "local", "home.arpa")


class Scheme(StrEnum):
    """Transports that git may use."""

    HTTPS = "https"
    SSH = "ssh"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class GitUrl:
    """A checked address. ``host`` is empty and ``path`` absolute for files; ``port`` is always the one used."""

    scheme: Scheme
    host: str
    port: int
    user: str
    path: str

    @property
    def text(self) -> str:
        """The URL as git gets it and the project keeps it."""
        if self.scheme is Scheme.FILE:
            return f"file://{self.path}"
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port != _PORTS[self.scheme] else ""
        return f"{self.scheme}://{user}{self.host}{port}{self.path}"


_PORTS = {Scheme.HTTPS: 443, Scheme.SSH: 22, Scheme.FILE: 0}
_ADVICE = "Give an address such as https://git.example.org/team/plays.git or git@git.example.org:team/plays.git."


class AddressRefused(Exception):
    """A host cannot be found, or leads to an address that git must not reach; the text says what to do."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_git_url(text: str, *, field: str = "git_url") -> GitUrl:
    """Return a checked address, or raise InvalidInput. Looks nothing up: names are resolved on the worker."""
    if not isinstance(text, str) or not 0 < len(text) <= MAX_URL or not text.isascii() or not text.isprintable():
        raise InvalidInput(**{field: _ADVICE})
    if text.startswith(("file://", "/")):
        return _local(text.removeprefix("file://"), field)
    scp = _SCP.match(text)
    found = _URL.match(f"ssh://{scp[1]}@{scp[2]}/{scp[3]}" if scp else text)
    if found is None:
        if "@" in text and text.startswith("https://"):
            raise InvalidInput(**{field: "Leave user and password out of the address; there are fields for them."})
        raise InvalidInput(**{field: f"Only https and ssh addresses are cloned. {_ADVICE}"})
    scheme, port = Scheme(found[1]), int(found[4]) if found[4] else 0
    host, path = found[3].strip("[]").lower(), found[5]
    if scheme is Scheme.HTTPS and found[2]:
        raise InvalidInput(**{field: "Leave the user out of the address; there is a field for it."})
    if port > 65_535 or not _PATH.match(path) or ".." in path.split("/") or path.endswith("/.git/config"):
        raise InvalidInput(**{field: f"The port or the path of this address cannot be used. {_ADVICE}"})
    _check_host(host, field)
    shown = f"[{host}]" if ":" in host else host
    return GitUrl(scheme, shown, port or _PORTS[scheme], found[2] or ("git" if scheme is Scheme.SSH else ""), path)


def _local(path: str, field: str) -> GitUrl:
    root = settings().git_local_root
    if root is None:
        raise InvalidInput(
            **{field: "Repositories on the platform's own disk are switched off (MILLWRIGHT_GIT_LOCAL_ROOT)."}
        )
    if not _PATH.match(path) or ".." in path.split("/"):
        raise InvalidInput(**{field: f"Give file:// and the full path of a repository below {root}, without '..'."})
    if not Path(path).is_relative_to(root):
        raise InvalidInput(**{field: f"Local repositories must lie below {root}."})
    return GitUrl(Scheme.FILE, "", 0, "", path)


def check_local(url: GitUrl) -> None:
    """On the worker: raise AddressRefused when a link leads out of the root, or nothing is there."""
    root = settings().git_local_root
    real = Path(os.path.realpath(url.path))
    if root is None or not real.is_relative_to(os.path.realpath(root)):
        raise AddressRefused("address_refused", f"{url.path} does not lie below the folder of local repositories.")
    if not real.is_dir():
        raise AddressRefused("not_found", f"There is no repository {url.path} on this worker. Copy it there.")


def _check_host(host: str, field: str) -> None:
    """Refuse what needs no lookup to be refused: the list of hosts, names of this machine, literal addresses."""
    allowed = settings().git_allowed_hosts
    if allowed and not any(fnmatch.fnmatchcase(host, pattern.lower()) for pattern in allowed):
        raise InvalidInput(**{field: f"Projects may be cloned from {', '.join(allowed[:5])} only; ask the operator."})
    literal = _literal(host)
    if literal is not None:
        if not may_reach(literal):
            raise InvalidInput(**{field: _inside(host)})
        return
    if not _HOST.match(host) or ".." in host or host.isdigit():
        raise InvalidInput(**{field: f"This is no host name. {_ADVICE}"})
    if host.rsplit(".", 1)[-1] in _LOCAL_NAMES and not settings().git_allowed_networks:
        raise InvalidInput(**{field: _inside(host)})


def _inside(host: str) -> str:
    return (
        f"{host} is not a public address. An administrator of the platform can allow its network with "
        "MILLWRIGHT_GIT_ALLOWED_NETWORKS."
    )


def _literal(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the address that ``host`` spells, decimal and hexadecimal forms included (they work in URLs)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    if host[:1].isdigit():
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return None
    return None


def may_reach(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Say whether git may connect there: public addresses, and the networks of the setting.

    IPv4 inside IPv6 (mapped, 6to4, Teredo, NAT64) counts as that IPv4 address.
    """
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
        if inner is None and address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return may_reach(inner)
    networks = [ipaddress.ip_network(text) for text in settings().git_allowed_networks]
    if any(address in network for network in networks if network.version == address.version):
        return True
    return address.is_global and not address.is_multicast


def resolve(url: GitUrl) -> str:
    """Return the one address that git is to connect to (on the worker); every address of the name must be allowed.

    The caller pins it, so that a second answer of the name server changes nothing. Raises AddressRefused.
    """
    try:
        found = socket.getaddrinfo(url.host.strip("[]"), url.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(
            "unreachable", f"The host {url.host} cannot be found from the worker. Check its name, or the worker's DNS."
        ) from error
    addresses = list(dict.fromkeys(str(item[4][0]) for item in found))
    for text in addresses:
        if not may_reach(ipaddress.ip_address(text.partition("%")[0])):
            raise AddressRefused("address_refused", f"{url.host} leads to {text}: {_inside(url.host)}")
    return addresses[0]


def check_branch(text: str, *, field: str = "git_branch") -> str:
    """Return a branch name that is one and nothing else, or raise InvalidInput."""
    wrong = ("..", "//", "@{", "/.", "./")
    if (
        not isinstance(text, str)
        or not _BRANCH.match(text)
        or any(part in text for part in wrong)
        or text.endswith(("/", ".", ".lock"))
    ):
        raise InvalidInput(**{field: "Give the name of a branch, for example main or release/2.4."})
    return text
