"""The proxy that breaks connections: each fault is the fault that it says, seen with plain clients."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pymysql
import pytest
from sqlalchemy import make_url

from tests.support.databases import TestDatabase
from tests.support.processes import wait_until
from tests.support.tcp_proxy import Commit, TcpProxy

servers = pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)  # SQLite has no connection


class _Echo(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(1024):
            self.request.sendall(data)


@pytest.fixture
def echo() -> Iterator[TcpProxy]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Echo) as server:
        server.daemon_threads = True
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        with TcpProxy("127.0.0.1", server.server_address[1]) as proxy:
            yield proxy
        server.shutdown()
        thread.join()


def dial(proxy: TcpProxy, timeout: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout)


def answer(client: socket.socket, text: bytes = b"hello") -> bytes:
    client.sendall(text)
    return client.recv(100)


def test_what_is_sent_comes_back_unchanged(echo: TcpProxy) -> None:
    with dial(echo) as client:
        assert answer(client) == b"hello"
        assert answer(client, bytes(range(90))) == bytes(range(90))


def test_a_cut_drops_connections_and_refuses_new_ones_until_restored(echo: TcpProxy) -> None:
    with dial(echo) as client:
        assert answer(client) == b"hello"
        echo.cut()
        assert client.recv(100) == b""
    with pytest.raises(ConnectionRefusedError):
        dial(echo)
    echo.restore()
    with dial(echo) as client:
        assert answer(client) == b"hello"


def test_a_freeze_accepts_and_forwards_nothing_and_loses_nothing(echo: TcpProxy) -> None:
    with dial(echo) as old:
        assert answer(old) == b"hello"
        echo.freeze()
        with dial(echo) as new:
            for client in (old, new):
                client.settimeout(0.2)
                client.sendall(b"later")
                with pytest.raises(TimeoutError):
                    client.recv(100)
            echo.thaw()
            for client in (old, new):
                client.settimeout(5)
                assert client.recv(100) == b"later"


def test_a_drop_ends_what_is_connected_and_nothing_else(echo: TcpProxy) -> None:
    with dial(echo) as client:
        assert answer(client) == b"hello"
        echo.drop()
        assert client.recv(100) == b""
    with dial(echo) as client:
        assert answer(client) == b"hello"


@pytest.fixture
def proxy(bare_database: TestDatabase) -> Iterator[TcpProxy]:
    assert bare_database.server is not None
    with TcpProxy("127.0.0.1", bare_database.server.port, mysql=True, seed=3) as made:
        bare_database.server.execute(
            "CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, x INT) ENGINE=InnoDB", database=bare_database.name
        )
        yield made


@pytest.fixture
def connect(proxy: TcpProxy, bare_database: TestDatabase) -> Callable[[], Any]:
    url = make_url(proxy.url(bare_database.migrator_url))

    def made() -> Any:
        return pymysql.connect(
            host=url.host or "",
            port=url.port or 0,
            user=url.username or "",
            password=str(url.password),
            database=url.database,
        )

    return made


def numbers(database: TestDatabase) -> list[int]:
    assert database.server is not None
    connection = database.server.connect(database.name)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT x FROM t ORDER BY id")
            return [int(row[0]) for row in cursor.fetchall()]
    finally:
        connection.close()


def insert(connection: Any, number: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO t (x) VALUES ({number})")
    connection.commit()


@servers
@pytest.mark.parametrize(("outcome", "stored"), [(Commit.KEPT, [1, 2]), (Commit.UNDONE, [1])])
def test_the_answer_of_a_commit_is_lost_and_the_change_is_kept_or_undone_as_asked(
    proxy: TcpProxy, connect: Callable[[], Any], bare_database: TestDatabase, outcome: Commit, stored: list[int]
) -> None:
    fault = proxy.lose_commit(r"VALUES \(2\)", outcome)
    connection = connect()
    insert(connection, 1)
    with pytest.raises(pymysql.err.OperationalError) as caught:
        insert(connection, 2)
    assert caught.value.args[0] == 2013
    fault.wait()
    assert fault.statements == ["INSERT INTO t (x) VALUES (2)"]
    assert numbers(bare_database) == stored
    again = connect()
    insert(again, 2)
    again.close()
    assert numbers(bare_database) == [*stored, 2]
    assert proxy.commits_lost[outcome] == 1


@servers
def test_commits_are_lost_at_random_and_the_same_ones_for_the_same_seed(
    proxy: TcpProxy, connect: Callable[[], Any], bare_database: TestDatabase
) -> None:
    proxy.lose_commits(0.5)
    told: list[int] = []
    connection = connect()
    for number in range(20):
        try:
            insert(connection, number)
            told.append(number)
        except pymysql.err.OperationalError:
            connection = connect()
    connection.close()
    lost = 20 - len(told)
    assert lost == sum(proxy.commits_lost.values()) and 4 <= lost <= 16
    wait_until(lambda: len(numbers(bare_database)) == len(told) + proxy.commits_lost[Commit.KEPT], 10)
    assert set(told) <= set(numbers(bare_database))
    other = TcpProxy("127.0.0.1", proxy.port, mysql=True, seed=3)
    other.lose_commits(0.5)
    assert [number for number in range(20) if other.judge([]) is None] == told
    other.close()
