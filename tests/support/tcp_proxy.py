"""A TCP proxy that breaks connections on purpose: between a worker and its database, a web process and Redis, ...

::

    with TcpProxy("127.0.0.1", server.port, mysql=True, seed=7) as proxy:
        url = proxy.url(database.app_url)       # the same URL through the proxy
        proxy.cut()                             # connections are dropped, new ones refused
        proxy.restore()                         # forwards again
        proxy.freeze()                          # accepts, and not one byte more, in neither direction
        proxy.thaw()                            # goes on; nothing was lost
        proxy.drop()                            # drops the connections of now; new ones are forwarded
        fault = proxy.lose_commit(containing="SET status='claimed'")
        fault.wait()                            # it has happened

``lose_commit`` reads the client's half of MySQL's protocol (``mysql=True``; the server's offer of TLS is taken out of
its greeting, so clients that insist on TLS cannot connect). The next COMMIT of a transaction that held such a
statement is *kept* (the server did it, the answer is lost: "commit outcome unknown") or *undone* (the connection ends
before the COMMIT reaches the server). ``lose_commits(rate)`` does that to COMMITs at random, the same decisions for
the same seed. Two threads for each connection; everything may be called from any thread.
"""

from __future__ import annotations

import contextlib
import random
import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from sqlalchemy import make_url

CHUNK = 64 * 1024
KEPT_STATEMENTS = 200  # of one transaction, for finding what it did
KEPT_BYTES = 4096  # of each
_COMMAND_QUERY = 0x03  # COM_QUERY in MySQL's protocol
_CLIENT_SSL = 0x0800  # the capability in a server's greeting


class Commit(StrEnum):
    """What becomes of a COMMIT whose connection is cut."""

    KEPT = "kept"  # done by the server; its answer is lost
    UNDONE = "undone"  # it never came to the server, which rolls back


@dataclass
class CommitFault:
    """One armed fault; ``statements`` are those of the transaction it hit."""

    pattern: re.Pattern[str]
    outcome: Commit
    times: int
    skip: int = 0
    statements: list[str] = field(default_factory=list)
    happened: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def wait(self, timeout: float = 30.0) -> None:
        """Wait until it happened as often as asked; AssertionError when it did not."""
        assert self._done.wait(timeout), f"no COMMIT after {self.pattern.pattern!r} in {timeout:g} s"

    def hits(self, statements: list[str]) -> bool:
        """Say whether this COMMIT is the one, and count it."""
        if self.happened >= self.times or not any(self.pattern.search(text) for text in statements):
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.statements = list(statements)
        self.happened += 1
        return True

    def finish(self) -> None:
        """Called when the connection is gone and, for KEPT, the server has answered."""
        if self.happened >= self.times:
            self._done.set()


class TcpProxy:
    """Listens on 127.0.0.1 at ``port`` (chosen by itself unless given) and forwards to a server."""

    def __init__(self, host: str, port: int, *, mysql: bool = False, seed: int = 0, listen: int = 0) -> None:
        self._target = (host, port)
        self._mysql = mysql
        self._random = random.Random(seed)
        self._rate = 0.0
        self._faults: list[CommitFault] = []
        self._links: set[_Link] = set()
        self._lock = threading.RLock()
        self._flowing = threading.Event()
        self._flowing.set()
        self.connections = 0  # accepted so far
        self.commits_lost = {Commit.KEPT: 0, Commit.UNDONE: 0}
        self._listener: socket.socket | None = self._bind(listen)
        self.port: int = self._listener.getsockname()[1]
        self._closed = False
        self._listen()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self, url: str) -> str:
        """The same SQLAlchemy or Redis URL with this proxy's address."""
        return make_url(url).set(host="127.0.0.1", port=self.port).render_as_string(hide_password=False)

    # --- faults

    def cut(self) -> None:
        """Drop every connection; refuse new ones until ``restore``."""
        with self._lock:
            if self._listener is not None:
                _shut(self._listener)
                # Bound but not listening: the port stays ours, and whoever connects is refused.
                self._listener = None
                self._reserved = self._bind(self.port)
            self.drop()

    def restore(self) -> None:
        """End ``cut`` and ``freeze``."""
        with self._lock:
            if self._listener is None and not self._closed:
                self._listener = self._reserved
                self._listen()
        self.thaw()

    def drop(self) -> None:
        """Drop the connections of now; new ones are forwarded."""
        with self._lock:
            links = list(self._links)
        for link in links:
            link.close()

    def freeze(self) -> None:
        """Hold every byte in both directions, of old and new connections, until ``thaw``."""
        self._flowing.clear()

    def thaw(self) -> None:
        """End ``freeze``: what was held is forwarded."""
        self._flowing.set()

    def lose_commit(
        self, containing: str = "", outcome: Commit = Commit.KEPT, *, times: int = 1, skip: int = 0
    ) -> CommitFault:
        """Cut the next COMMITs of transactions with a statement that matches ``containing`` (a regular expression).

        ``times`` of them, after ``skip`` others of the kind have passed.
        """
        assert self._mysql, "only a proxy made with mysql=True understands a COMMIT"
        fault = CommitFault(re.compile(containing, re.IGNORECASE | re.DOTALL), outcome, times, skip)
        with self._lock:
            self._faults.append(fault)
        return fault

    def lose_commits(self, rate: float) -> None:
        """Cut this share (0 to 1) of all COMMITs from now on, by chance kept or undone."""
        assert self._mysql, "only a proxy made with mysql=True understands a COMMIT"
        with self._lock:
            self._rate = rate

    def close(self) -> None:
        """End it all; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            if self._listener is not None:
                _shut(self._listener)
            else:
                self._reserved.close()
            self._listener = None
        self.thaw()
        self.drop()

    # --- inside

    def _bind(self, port: int) -> socket.socket:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(("127.0.0.1", port))
        return made

    def _listen(self) -> None:
        assert self._listener is not None
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=(self._listener,), name="proxy-accept", daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _address = listener.accept()
            except OSError:
                return  # closed
            with self._lock:
                if self._listener is not listener:
                    client.close()
                    return
                self.connections += 1
                link = _Link(self, client)
                self._links.add(link)
            threading.Thread(target=link.run, args=(self._target,), name="proxy-up", daemon=True).start()

    def server_ports(self) -> set[int]:
        """The local ports of the connections to the server: how its list of processes names them."""
        with self._lock:
            return {port for link in self._links if (port := link.server_port())}

    def await_flow(self) -> None:
        """Wait while frozen."""
        self._flowing.wait()

    def forget(self, link: _Link) -> None:
        """Drop a link that has ended."""
        with self._lock:
            self._links.discard(link)

    @property
    def understands(self) -> bool:
        """Whether statements are to be read."""
        return self._mysql

    def judge(self, statements: list[str]) -> tuple[Commit, CommitFault | None] | None:
        """Decide about a COMMIT; None lets it pass."""
        with self._lock:
            for fault in self._faults:
                if fault.hits(statements):
                    self.commits_lost[fault.outcome] += 1
                    return fault.outcome, fault
            if self._rate and self._random.random() < self._rate:
                outcome = self._random.choice(list(Commit))
                self.commits_lost[outcome] += 1
                return outcome, None
            return None


class _Link:
    """One client's connection and its counterpart to the server."""

    def __init__(self, proxy: TcpProxy, client: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server: socket.socket | None = None
        self._lock = threading.Lock()
        self._closed = False
        self._answer_lost: Callable[[], None] | None = None

    def server_port(self) -> int:
        with self._lock:
            if self._closed or self._server is None:
                return 0
            port: int = self._server.getsockname()[1]
            return port

    def run(self, target: tuple[str, int]) -> None:
        self._proxy.await_flow()
        try:
            server = socket.create_connection(target, timeout=10)
        except OSError:
            self.close()
            return
        with self._lock:
            if self._closed:
                server.close()
                return
            server.settimeout(None)
            for end in (server, self._client):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._server = server
        threading.Thread(target=self._down, args=(server,), name="proxy-down", daemon=True).start()
        self._up(server)

    def _up(self, server: socket.socket) -> None:
        reader = _Statements(self._proxy) if self._proxy.understands else None
        with contextlib.suppress(OSError):
            while data := self._client.recv(CHUNK):
                self._proxy.await_flow()
                if reader is not None:
                    data, verdict = reader.take(data)
                    if verdict is not None:
                        outcome, fault = verdict
                        self._lose(server, data, outcome, fault)
                        return
                server.sendall(data)
        self.close()

    def _lose(self, server: socket.socket, commit: bytes, outcome: Commit, fault: CommitFault | None) -> None:
        def done() -> None:
            self.close()
            if fault is not None:
                fault.finish()

        if outcome is Commit.UNDONE:
            done()
            return
        self._answer_lost = done  # the other thread cuts when the server has answered
        server.sendall(commit)

    def _down(self, server: socket.socket) -> None:
        greeting = self._proxy.understands
        with contextlib.suppress(OSError):
            while data := server.recv(CHUNK):
                if greeting:
                    data, greeting = _without_tls(data), False
                if self._answer_lost is not None:
                    self._answer_lost()
                    return
                self._proxy.await_flow()
                self._client.sendall(data)
        self.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            for end in (self._client, self._server):
                if end is not None:
                    _shut(end)
        self._proxy.forget(self)


class _Statements:
    """Reads the packets that a MySQL client sends: which statements the open transaction holds, and its COMMIT."""

    def __init__(self, proxy: TcpProxy) -> None:
        self._proxy = proxy
        self._rest = b""
        self._statements: list[str] = []

    def take(self, data: bytes) -> tuple[bytes, tuple[Commit, CommitFault | None] | None]:
        """Return what may be forwarded (whole packets), and the verdict if its last packet is a COMMIT to lose."""
        self._rest += data
        at = 0
        while len(self._rest) - at >= 4:
            size = int.from_bytes(self._rest[at : at + 3], "little")
            if len(self._rest) - at < 4 + size:
                break
            # A command begins a new sequence; what has another number belongs to a handshake or goes on.
            if size and self._rest[at + 3] == 0 and self._rest[at + 4] == _COMMAND_QUERY:
                verdict = self._statement(self._rest[at + 5 : at + 4 + min(size, KEPT_BYTES)])
                if verdict is not None:
                    end = at + 4 + size if verdict[0] is Commit.KEPT else at
                    return self._rest[:end], verdict
            at += 4 + size
        whole, self._rest = self._rest[:at], self._rest[at:]
        return whole, None

    def _statement(self, query: bytes) -> tuple[Commit, CommitFault | None] | None:
        text = query.decode("utf-8", "replace").strip()
        word = text[:8].upper()
        if word.startswith("COMMIT"):
            statements, self._statements = self._statements, []
            return self._proxy.judge(statements)
        if word == "ROLLBACK" and " TO " not in text[:20].upper():
            self._statements = []
        elif len(self._statements) < KEPT_STATEMENTS:
            self._statements.append(text)
        return None


def _without_tls(greeting: bytes) -> bytes:
    """A server's first packet without its offer of TLS: what is encrypted cannot be read here.

    After the header of four bytes and the protocol version stand the server's version up to a NUL, four bytes of
    thread id, eight of the challenge, a filler, and two of capabilities, the low byte first.
    """
    at = greeting.find(b"\0", 5) + 1 + 4 + 8 + 1
    if greeting[4:5] != b"\x0a" or len(greeting) < at + 2:
        return greeting
    capabilities = int.from_bytes(greeting[at : at + 2], "little") & ~_CLIENT_SSL
    return greeting[:at] + capabilities.to_bytes(2, "little") + greeting[at + 2 :]


def _shut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
