"""The database's own tools: mysqldump and mysql, or mariadb-dump and mariadb. Passwords go through an option file."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from sqlalchemy import URL, make_url

from app.operations.errors import OperationStopped
from config import Settings

BUFFER = 1_048_576
ENDING = b"-- Dump completed"
DUMP_OPTIONS = (
    "--single-transaction",  # one consistent moment, nobody is locked out
    "--quick",
    "--routines",
    "--events",
    "--triggers",
    "--hex-blob",
    "--no-tablespaces",  # would ask for PROCESS
    "--default-character-set=utf8mb4",
)
# Oracle's tool alone: no positions of this server, no statistics that MariaDB does not have.
ORACLE_OPTIONS = ("--set-gtid-purged=OFF", "--column-statistics=0")
_TABLE = re.compile(rb"CREATE TABLE (?:IF NOT EXISTS )?(`[^`]+`) \(")
_GENERATED = re.compile(rb"(  `[^`]+` .*?) GENERATED ALWAYS AS \(.*\) STORED(,?)\r?\n\Z")
_DEFINER = (b"/*!50017 DEFINER=", b"/*!50020 DEFINER=", b"/*!50106 DEFINER=", b"/*!50117 DEFINER=")


def _find(*names: str) -> tuple[str, bool]:
    """Return a program and whether it is MariaDB's. OperationStopped when there is none."""
    for name in names:
        found = shutil.which(name)
        if found:
            said = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=30).stdout
            return found, "MariaDB" in said
    raise OperationStopped(f"{' or '.join(names)} is not installed. On Debian: apt-get install mariadb-client")


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@contextmanager
def _option_file(url: URL, settings: Settings, *, is_mariadbs: bool) -> Iterator[Path]:
    lines = [
        "[client]",
        f"user={_quoted(url.username or '')}",
        f"password={_quoted(str(url.password or ''))}",
        f"host={_quoted(url.host or '127.0.0.1')}",
        f"port={url.port or 3306}",
        "protocol=tcp",
    ]
    if settings.database_ssl_ca is not None:
        lines.append(f"ssl-ca={_quoted(str(settings.database_ssl_ca))}")
        lines.append("ssl-verify-server-cert" if is_mariadbs else "ssl-mode=VERIFY_IDENTITY")
        lines.append("tls-version=TLSv1.2,TLSv1.3")
    handle, name = tempfile.mkstemp(prefix="millwright-", suffix=".cnf")  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
        yield Path(name)
    finally:
        Path(name).unlink()


def dump_server(settings: Settings, target: IO[bytes]) -> None:
    """Write the whole schema as SQL. OperationStopped when the tool fails or its output is cut short."""
    url = make_url(settings.migration_database_url or settings.database_url)
    program, is_mariadbs = _find("mariadb-dump", "mysqldump")
    options = DUMP_OPTIONS if is_mariadbs else DUMP_OPTIONS + ORACLE_OPTIONS
    with _option_file(url, settings, is_mariadbs=is_mariadbs) as path:
        argv = [program, f"--defaults-file={path}", *options, "--", url.database or ""]
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=complaints)
            assert process.stdout is not None
            tail = b""
            try:
                while data := process.stdout.read(BUFFER):
                    target.write(data)
                    tail = (tail + data)[-200:]
            finally:
                process.stdout.close()
                if tail == b"":
                    process.kill()
                code = process.wait()
            complaints.seek(0)
            said = complaints.read(2_000).decode("utf-8", "replace").strip()
    if code or ENDING not in tail:
        raise OperationStopped(f"{Path(program).name} failed ({code}): {said or 'its output was cut short'}")


def load_server(settings: Settings, lines: Iterator[bytes], *, is_mysql: bool) -> None:
    """Feed SQL to the server as the migration account. OperationStopped with the tool's own words when it fails.

    The definer of triggers and routines becomes this account: naming another one would ask for more than it has.
    """
    url = make_url(settings.migration_database_url or settings.database_url)
    program, is_mariadbs = _find("mariadb", "mysql")
    with _option_file(url, settings, is_mariadbs=is_mariadbs) as path, tempfile.TemporaryFile() as complaints:
        # Binary: a NUL in a value must not end the input. Nothing of the file is a command of the client.
        argv = [program, f"--defaults-file={path}", "--binary-mode", "--default-character-set=utf8mb4"]
        argv += ["--", url.database or ""]
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=complaints)
        assert process.stdin is not None
        try:
            for line in loadable(lines, is_mysql=is_mysql):
                process.stdin.write(line)
            process.stdin.close()
        except BrokenPipeError:
            pass  # the client gave up; it says why
        except BaseException:
            process.kill()
            raise
        finally:
            code = process.wait()
        complaints.seek(0)
        said = complaints.read().decode("utf-8", "replace").strip()
    if code:  # the statement that failed stands before the reason, and may be megabytes long
        raise OperationStopped(f"{Path(program).name} failed ({code}): {said[-1000:]}")


def loadable(lines: Iterator[bytes], *, is_mysql: bool) -> Iterator[bytes]:
    """Yield the lines of a dump as the migration account may load them.

    MariaDB's tool writes values of generated columns, which MySQL refuses. There such a column is made a plain one
    first and generated again at the end; the server then computes its values itself.
    """
    table, again = b"", []
    for line in lines:
        found = _TABLE.match(line)
        if found:
            table = found[1]
        elif line.startswith(b")"):
            table = b""
        elif is_mysql and table and (column := _GENERATED.match(line)):
            again.append(b"ALTER TABLE " + table + b" MODIFY COLUMN " + line.strip().rstrip(b",") + b";\n")
            line = column[1] + column[2] + b"\n"
        yield without_definer(line)
    yield from again


def without_definer(line: bytes) -> bytes:
    """Return a line of a dump without the account that defined what it makes; lines with data are left alone."""
    if not line.startswith((b"/*!50003 CREATE*/", b"/*!50106 CREATE*/", b"CREATE DEFINER=")):
        return line
    if line.startswith(b"CREATE DEFINER="):
        _definer, _, rest = line[len(b"CREATE DEFINER=") :].partition(b" ")
        return b"CREATE " + rest
    for mark in _DEFINER:
        before, found, after = line.partition(mark)
        if found:
            _definer, _, rest = after.partition(b"*/")
            return before + rest
    return line
