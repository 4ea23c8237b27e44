"""A backup: a folder with the database, the audit anchor and a sealed manifest; whole or not there at all."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

from sqlalchemy import Engine, create_engine, make_url, text

from app.audit.archive import sha256_of, sync_folder
from app.audit.chain import audit_keys
from app.core.clock import iso, utc_now
from app.core.db import engine_options
from app.core.version import VERSION
from app.operations import manifest as manifests
from app.operations.errors import OperationStopped
from app.operations.sealed_file import SealedWriter
from app.operations.tools import dump_server
from config import ROOT, Settings

ANCHOR = "audit-anchor.jsonl"
GZIP_LEVEL = 3  # text shrinks well at any level; higher ones cost more time than they save room
ROOM_FACTOR = 1.2  # free room for a backup, of the database's size: it is smaller by far, but may be
Say = Callable[[str], None]


def sqlite_path(settings: Settings) -> Path:
    """Return the file of an embedded database."""
    return Path(make_url(settings.database_url).database or "")


def owner_engine(settings: Settings) -> Engine:
    """Return an engine of the account that sees everything, triggers included; dispose of it."""
    url = settings.migration_database_url or settings.database_url
    return create_engine(url, **engine_options(settings, pool_size=1))


def database_bytes(settings: Settings, engine: Engine) -> int:
    """Return about how large the database is."""
    if settings.is_sqlite:
        return sum(path.stat().st_size for path in sqlite_path(settings).parent.glob(sqlite_path(settings).name + "*"))
    question = "SELECT SUM(data_length) FROM information_schema.tables WHERE table_schema = DATABASE()"
    with engine.connect() as connection:
        return int(connection.scalar(text(question)) or 0)


def require_room(folder: Path, size: int) -> None:
    """Raise OperationStopped unless ``folder``'s disk has room for a backup of ``size`` bytes."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    free, needed = shutil.disk_usage(folder).free, int(size * ROOM_FACTOR)
    if free < needed:
        raise OperationStopped(
            f"{folder} has {free // 2**20:,} MiB free; a backup may need {needed // 2**20:,} MiB. "
            "Make room, or name another folder."
        )


def back_up(settings: Settings, target: Path, *, key: bytes | None, say: Say) -> Path:
    """Make a backup in a new folder below ``target`` and return it; ``key`` encrypts the database's file.

    The platform may run meanwhile: the database is read as of one moment. Raises OperationStopped.
    """
    engine = owner_engine(settings)
    try:
        with engine.connect() as connection:
            revision, kind = manifests.revision_of(connection), manifests.database_kind(connection)
        if revision is None:
            raise OperationStopped("There is nothing to back up: the database has no schema yet.")
        require_room(target, database_bytes(settings, engine))
        name = f"millwright-{utc_now():%Y%m%dT%H%M%SZ}"
        partial = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=target))  # mode 0700
        try:
            manifest = _fill(settings, engine, partial, kind, key, say)
            manifests.write_manifest(partial, {**manifest, "schema": revision, "database": kind}, audit_keys())
            made = target / name
            partial.rename(made)
            sync_folder(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    finally:
        engine.dispose()
    return made


def _fill(settings: Settings, engine: Engine, folder: Path, kind: str, key: bytes | None, say: Say) -> dict[str, Any]:
    # The anchor first: a link that is newer than the database would look like a tail that was cut off.
    files = [_copy_anchor(settings, folder)] if settings.anchor_path.exists() else []
    with engine.connect() as connection:
        heads = manifests.audit_heads(connection)
    before = manifests.row_counts(engine)
    name = f"database.{'sqlite' if kind == 'sqlite' else 'sql'}.gz{'.sealed' if key else ''}"
    say(f"reading the {kind} database ...")
    with _written(folder / name, key) as out:
        if kind == "sqlite":
            _copy_sqlite(sqlite_path(settings), folder, out)
        else:
            dump_server(settings, out)
    files.append(name)
    after = manifests.row_counts(engine)
    return {
        "format": manifests.FORMAT,
        "version": VERSION,
        "made_at": iso(utc_now()),
        "host": settings.host_name,
        "encrypted": key is not None,
        "audit_heads": heads,
        "rows": {table: [before.get(table), count] for table, count in after.items()},
        "files": {file: {"sha256": sha256_of(folder / file).hex(), "bytes": _size(folder / file)} for file in files},
        "keys": manifests.fingerprints(settings),
        "not_included": not_included(settings),
    }


def not_included(settings: Settings) -> list[str]:
    """Return what a backup of the database needs beside it: keys, settings, ssh keys, archive files, segments."""
    listed = [f"{name}_FILE={path}" for name, path in sorted(os.environ.items()) if name.startswith("MILLWRIGHT_")
              and name.endswith("_FILE") for name in [name.removesuffix("_FILE")]]  # fmt: skip
    for folder, words in (
        (settings.key_root, "ssh keys"),
        (settings.archive_dir, "audit archive"),
        (settings.segment_folder, "sealed log lines"),
    ):
        number = sum(1 for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else 0
        listed.append(f"{words}: {number} files in {folder}")
    if settings.segment_s3_bucket:
        listed.append(f"sealed log lines: the S3 bucket {settings.segment_s3_bucket}, {settings.segment_s3_prefix}")
    env = ROOT / ".env"
    return listed + ([f"settings: {env}"] if env.exists() else [])


def _size(path: Path) -> int:
    return path.stat().st_size


def _copy_anchor(settings: Settings, folder: Path) -> str:
    shutil.copyfile(settings.anchor_path, folder / ANCHOR)
    (folder / ANCHOR).chmod(0o600)
    return ANCHOR


@contextmanager
def _written(path: Path, key: bytes | None) -> Iterator[IO[bytes]]:
    with path.open("xb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        sealed = SealedWriter(raw, key) if key else None
        with gzip.GzipFile(fileobj=cast(IO[bytes], sealed or raw), mode="wb", compresslevel=GZIP_LEVEL, mtime=0) as out:
            yield cast(IO[bytes], out)
        if sealed is not None:
            sealed.close()
        raw.flush()
        os.fsync(raw.fileno())


def _copy_sqlite(path: Path, folder: Path, out: IO[bytes]) -> None:
    copy = folder / "copy.db"
    source, target = sqlite3.connect(f"file:{path}?mode=ro", uri=True), sqlite3.connect(copy)
    try:
        source.backup(target, pages=10_000)  # writers go on between the pieces
        target.execute("PRAGMA journal_mode=DELETE")
    finally:
        source.close()
        target.close()
    with copy.open("rb") as file:
        shutil.copyfileobj(file, out, 1_048_576)
    copy.unlink()
