"""A stand-in for ansible-playbook, so that a thousand runs fit into minutes. Run as a script, without the package.

It does what the engine asks of ansible-playbook and nothing else: it reads the inventory's host names, connects to the
event socket and tells plays, tasks, text and results as the output plugin does (app/runners/ansible_plugins). What it
does is written in the playbook as a comment ``# chaos {json}``; keys: see ``chaos.payload.Payload``.

Its first act is to append ``marker pid hosts`` to the ledger. What it has handed over is appended to the file ``sent``
(``marker host number``) after each batch: so many lines must be in the log whatever dies afterwards, but the
supervisor itself.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sys
import time
import zlib


def host_names(inventory: str) -> list[str]:
    """Return the keys of the mapping all.hosts in the platform's one-line YAML."""
    start = inventory.index('? "hosts" : {') + len('? "hosts" : {')
    names, depth, position = [], 1, start
    token = re.compile(r'\? "((?:[^"\\]|\\.)*)" : |"(?:[^"\\]|\\.)*"|[{}]')
    while depth:
        match = token.search(inventory, position)
        if match is None:
            break
        position = match.end()
        if match[0] == "{":
            depth += 1
        elif match[0] == "}":
            depth -= 1
        elif match[1] is not None and depth == 1:
            names.append(match[1])
    return names


def line(marker: str, host: str, number: int, width: int) -> str:
    """Return the numbered line with its checksum, filled up to ``width`` characters."""
    check = zlib.crc32(f"{marker} {host} {number}".encode())
    return f"L {number} {check:08x} ".ljust(width, ".")


def append(path: str, text: str) -> None:
    """Append in one write: an O_APPEND write of this size is never torn or mixed with another's."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    os.write(descriptor, text.encode())
    os.close(descriptor)


def stray(depth: int) -> None:
    """Leave a process behind that has a session of its own, two generations away."""
    if os.fork():
        return
    os.setsid()
    if depth and os.fork():
        os._exit(0)
    os.closerange(0, 64)
    os.execv("/bin/sleep", ["sleep", "600"])  # noqa: S606 - no shell is meant


class Events:
    """The connection to the supervisor."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.connect(os.environ["MILLWRIGHT_EVENTS"])

    def send(self, **event: object) -> None:
        """Hand over one event; returns when the kernel has all of it."""
        self._socket.sendall(json.dumps(event).encode("ascii") + b"\n")


def wait_for(path: str, seconds: float) -> None:
    """Wait until a file is there, at most so long."""
    end = time.monotonic() + seconds
    while not os.path.exists(path) and time.monotonic() < end:  # noqa: PTH110 - no pathlib: it costs more than all
        time.sleep(0.05)


def main(arguments: list[str]) -> int:
    """Do what the playbook says; returns the exit code."""
    with open(arguments[-1], encoding="utf-8") as book:  # noqa: PTH123
        told = json.loads(re.search(r"^# chaos (\{.*\})$", book.read(), re.MULTILINE)[1])  # type: ignore[index]
    with open(arguments[arguments.index("-i") + 1], encoding="utf-8") as inventory:  # noqa: PTH123
        hosts = host_names(inventory.read())
    marker = os.environ["MILLWRIGHT_RUN"]
    append(told["ledger"], f"{marker} {os.getpid()} {','.join(hosts)}\n")
    if told.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    for number in range(told.get("strays", 0)):
        stray(number % 2)
    events = Events()
    events.send(e="hello", ver="0.0-chaos")
    events.send(e="play", id="p", p="Chaos", batch=hosts, all=hosts)
    events.send(e="task", s=1, p="Chaos", n="Print", m="chaos", f="site.yml:1", y="task")
    lines, batch, width = told.get("lines", 0), max(told.get("batch", 50), 1), told.get("width", 60)
    for first in range(1, lines + 1, batch):
        last = min(first + batch - 1, lines)
        for host in hosts:
            text = "\n".join(line(marker, host, number, width) for number in range(first, last + 1))
            events.send(e="text", x=text, h=host, s=1, v="INFO")
        append(told["sent"], "".join(f"{marker} {host} {last}\n" for host in hosts))
        if told.get("pause"):
            time.sleep(told["pause"])
    if told.get("texts"):
        with open(told["texts"], encoding="utf-8") as file:  # noqa: PTH123
            for text in json.load(file):
                for host in hosts:
                    events.send(e="text", x=text, h=host, s=1, v="INFO")
    if told.get("printed"):
        with open(told["printed"], "rb") as raw:  # noqa: PTH123
            while piece := raw.read(65536):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    if told.get("gate"):
        wait_for(told["gate"], told.get("gate_seconds", 600))
    status = "failed" if told.get("fail") else "ok"
    for host in hosts:
        events.send(e="res", h=host, s=1, st=status, d=1, df=None, n="Print", m="chaos", msg="as told", all=False)
    events.send(e="stats", hosts={}, left=[])
    return 2 if told.get("fail") else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
