"""Private MariaDB and MySQL servers for tests: own folder, own port on 127.0.0.1, gone with the test process.

Neither touches a system service. Both start with a random administrator's password and with *unhelpful*
defaults (a foreign time zone, REPEATABLE READ), so that a connection of ours that forgets to set its own
session shows up.
"""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pymysql

from tests.support import memory, mysql_sandbox
from tests.support.processes import Process, Timeout, free_port, start, wait_until

ADMIN = "test_admin"
# For tests only: nothing here must survive a power cut, so nothing waits for the disk.
FAST = (
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=OFF",
    "--skip-log-bin",
)
# For measurements: what the installation guide asks of a production server.
DURABLE = ("--innodb-flush-log-at-trx-commit=1", "--sync-binlog=1", "--log-bin=binlog", "--server-id=1")
COMMON = (
    "--bind-address=127.0.0.1",
    "--default-time-zone=+09:30",
    "--transaction-isolation=REPEATABLE-READ",
    "--skip-name-resolve",
    "--performance-schema=OFF",
    "--innodb-buffer-pool-size=128M",
    "--max-connections=200",
    "--local-infile=OFF",
)


class NotAvailable(RuntimeError):
    """This machine cannot have that server; the message says what is missing."""


@dataclass
class DatabaseServer:
    """A running server. ``kind`` is ``mariadb`` or ``mysql``."""

    kind: str
    port: int
    password: str
    process: Process
    folder: Path
    leftovers: list[Path] = field(default_factory=list)
    account: str | None = None  # of the system, that it runs as; None: that of the tests
    chroot: Path | None = None

    def connect(self, database: str | None = None) -> pymysql.connections.Connection[pymysql.cursors.Cursor]:
        """A new autocommit connection of the administrator; the caller closes it."""
        return pymysql.connect(
            host="127.0.0.1",
            port=self.port,
            user=ADMIN,
            password=self.password,
            database=database,
            charset="utf8mb4",
            autocommit=True,
            init_command="SET SESSION time_zone = '+00:00'",
        )

    def execute(self, *statements: str, database: str | None = None) -> None:
        """Run statements as the administrator."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
        finally:
            connection.close()

    def restart(self) -> None:
        """Start it again after its end, with the same data, port and options; returns when it answers."""
        began_with = self.process.popen.args
        assert isinstance(began_with, list)
        argv = [str(word) for word in began_with if not str(word).startswith("--init-file=")]
        log = self.process.log
        self.process = start(argv, name=self.process.name, log=log, user=self.account, chroot=self.chroot)
        _await_ready(self)

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        self.process.kill()
        self.process.wait()
        for path in [self.folder, *self.leftovers]:
            memory.remove(path)


def _init_file(folder: Path, password: str) -> Path:
    path = folder / "init.sql"
    path.write_text(
        f"CREATE USER '{ADMIN}'@'%' IDENTIFIED BY '{password}';\n"
        f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{secrets.token_hex(16)}';\n",
        encoding="utf-8",
    )
    return path


def _await_ready(server: DatabaseServer) -> DatabaseServer:
    def ready() -> bool:
        if not server.process.running:
            raise NotAvailable(f"{server.kind} ended while starting:\n{server.process.output(4000)}")
        try:
            server.connect().close()
        except pymysql.err.OperationalError:
            return False
        return True

    try:
        wait_until(ready, timeout=60, message=f"the private {server.kind} server")
    except Timeout as error:
        log = server.process.output(4000)
        server.stop()
        raise NotAvailable(f"{error}\n{log}") from error
    return server


def _find(*names: str) -> str | None:
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])
    return next((found for name in names if (found := shutil.which(name, path=path))), None)


def start_mariadb(*, durable: bool = False, options: Sequence[str] = ()) -> DatabaseServer:
    """Start a fresh MariaDB from the machine's own package (``mariadb-server``), else NotAvailable."""
    program, installer = _find("mariadbd"), _find("mariadb-install-db")
    if program is None or installer is None:
        raise NotAvailable("MariaDB is not installed (Debian: apt-get install mariadb-server)")
    folder = memory.new_folder("millwright-mariadb")
    user = "mysql" if os.geteuid() == 0 else None
    data, scratch = folder / "data", folder / "tmp"  # a server that starts empties the folder of temporary tables
    data.mkdir(mode=0o700)
    scratch.mkdir(mode=0o700)
    password = secrets.token_hex(16)
    init = _init_file(folder, password)
    if user:
        for path in (folder, data, scratch, init):
            shutil.chown(path, user)
    install = [
        installer,
        "--no-defaults",
        f"--datadir={data}",
        f"--tmpdir={scratch}",
        "--skip-test-db",
        "--innodb-log-file-size=16M",
    ]
    install += ["--auth-root-authentication-method=normal", *([f"--user={user}"] if user else [])]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        shutil.rmtree(folder, ignore_errors=True)
        raise NotAvailable(f"mariadb-install-db failed:\n{done.stdout}{done.stderr}")
    port = free_port()
    process = start(
        [
            program,
            "--no-defaults",
            f"--datadir={data}",
            f"--tmpdir={scratch}",
            f"--port={port}",
            f"--socket={folder}/server.sock",
            f"--pid-file={folder}/server.pid",
            f"--init-file={init}",
            "--innodb-log-file-size=16M",
            "--log-bin-trust-function-creators=ON",
            *COMMON,
            *(DURABLE if durable else FAST),
            *options,
        ],
        name="mariadbd",
        log=folder / "server.log",
        user=user,
    )
    return _await_ready(DatabaseServer("mariadb", port, password, process, folder, account=user))


def start_mysql(*, durable: bool = False, options: Sequence[str] = ()) -> DatabaseServer:
    """Start a fresh Oracle MySQL out of the sandbox (``make mysql-sandbox``), else NotAvailable."""
    sandbox = mysql_sandbox.find()
    if sandbox is None:
        raise NotAvailable(mysql_sandbox.why_not())
    password = secrets.token_hex(16)
    outside = sandbox.new_data_folder()
    inside = "/" + str(outside.relative_to(sandbox.root))
    init = _init_file(outside, password)
    shutil.chown(init, sandbox.user_id, sandbox.group_id)
    log_folder = Path(tempfile.mkdtemp(prefix="millwright-mysql-"))
    port = free_port()
    process = start(
        [
            "/usr/sbin/mysqld",
            "--no-defaults",
            f"--datadir={inside}/data",
            f"--port={port}",
            f"--socket={inside}/server.sock",
            f"--pid-file={inside}/server.pid",
            f"--init-file={inside}/init.sql",
            f"--secure-file-priv={inside}",
            "--mysqlx=0",
            "--log-bin-trust-function-creators=ON",
            *COMMON,
            *(DURABLE if durable else FAST),
            *options,
        ],
        name="mysqld",
        log=log_folder / "server.log",
        user=mysql_sandbox.USER,
        chroot=sandbox.root,
    )
    server = DatabaseServer("mysql", port, password, process, log_folder, [outside])
    server.account, server.chroot = mysql_sandbox.USER, sandbox.root
    return _await_ready(server)
