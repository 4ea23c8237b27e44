"""Puts a backup back: checks it first, refuses a database that holds something, pauses dispatch afterwards."""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, inspect, text

from app.audit.anchor import read_anchors
from app.audit.archive import sha256_of
from app.audit.chain import audit_keys
from app.core.clock import utc_now
from app.core.schema_version import is_known_revision
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.lost_begins import RESTORED_FLAG
from app.operations import manifest as manifests
from app.operations.backup import ANCHOR, owner_engine, sqlite_path
from app.operations.errors import OperationStopped
from app.operations.rights import give_rights
from app.operations.running import require_stopped
from app.operations.sealed_file import open_sealed
from app.operations.tools import load_server
from config import Settings

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put back. ``warnings`` are sentences; ``lost`` says how many anchored entries are newer, by tenant."""

    revision: str
    tables: int
    warnings: list[str]
    lost: dict[int, int]


def restore(settings: Settings, folder: Path, *, key: bytes | None, replace: bool, say: Say) -> Restored:
    """Check a backup, load it, and leave dispatch paused. Raises OperationStopped before anything is changed.

    ``replace`` lets it empty a database that holds something; a SQLite file and the anchor file are kept aside.
    """
    manifest = read_checked(settings, folder, key)
    engine = owner_engine(settings)
    try:
        if not settings.is_sqlite or sqlite_path(settings).exists():
            _require_target(settings, engine.connect(), manifest, replace=replace)
    finally:
        engine.dispose()
    stamp = f"{utc_now():%Y%m%dT%H%M%SZ}"
    name = next(file for file in manifest["files"] if file.startswith("database."))
    say(f"loading {name} ...")
    if settings.is_sqlite:
        _load_sqlite(sqlite_path(settings), _clear(folder / name, key), stamp)
    else:
        _empty(settings)
        load_server(settings, _lines(_clear(folder / name, key)), is_mysql=manifest["database"] == "mysql")
    return _after(settings, manifest, _swap_anchor(settings, folder, manifest, stamp))


def read_checked(settings: Settings, folder: Path, key: bytes | None) -> dict[str, Any]:
    """Return the manifest after checking seal, checksums, schema and keys; OperationStopped with the reason."""
    manifest = manifests.read_manifest(folder, audit_keys())
    if manifest["encrypted"] != (key is not None):
        raise OperationStopped(
            "The backup is encrypted: give --key-file." if manifest["encrypted"] else "The backup is not encrypted."
        )
    for name, said in manifest["files"].items():
        path = folder / name
        if not path.is_file() or sha256_of(path).hex() != said["sha256"]:
            raise OperationStopped(f"{path} is missing, or its SHA-256 is not the one in the manifest.")
    if not is_known_revision(manifest["schema"]):
        raise OperationStopped(
            f"The backup has schema {manifest['schema']}, which version {manifest['version']} wrote and this one does "
            "not know. Restore it with that version or a newer one."
        )
    present = manifests.fingerprints(settings)
    for name, known in manifest["keys"].items():
        if known[0] not in present[name]:
            raise OperationStopped(
                f"MILLWRIGHT_{name.upper()} is not the key of this backup: put the installation's keys back first."
            )
    return manifest


def _require_target(settings: Settings, connection: Connection, manifest: dict[str, Any], *, replace: bool) -> None:
    with connection:
        kind = manifests.database_kind(connection)
        if kind != manifest["database"]:
            raise OperationStopped(f"The backup is of {manifest['database']}, the database here is {kind}.")
        names = inspect(connection).get_table_names()
        if names and not replace:
            raise OperationStopped(
                f"The database holds {len(names)} tables. Restore into an empty one, or say --replace to lose them."
            )
        if names:
            require_stopped(settings, connection)


def _clear(path: Path, key: bytes | None) -> Iterator[bytes]:
    """Yield the unpacked content in pieces."""
    unpack = zlib.decompressobj(wbits=31)  # gzip
    with path.open("rb") as raw:
        pieces = open_sealed(raw, key) if key else iter(lambda: raw.read(1_048_576), b"")
        for piece in pieces:
            yield unpack.decompress(piece)
        yield unpack.flush()
    if not unpack.eof:
        raise OperationStopped(f"{path.name} ends too early.")


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = io.BytesIO()
    for piece in pieces:
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            rest.write(piece[start : end + 1])
            yield rest.getvalue()
            rest = io.BytesIO()
            start = end + 1
        rest.write(piece[start:])
    if rest.tell():
        yield rest.getvalue()


def _load_sqlite(path: Path, pieces: Iterator[bytes], stamp: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.restoring")
    with fresh.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        for piece in pieces:
            file.write(piece)
        file.flush()
        os.fsync(file.fileno())
    opened = sqlite3.connect(fresh)
    try:
        verdict = opened.execute("PRAGMA quick_check").fetchone()[0]
    finally:
        opened.close()
    if verdict != "ok":
        raise OperationStopped(f"The restored file is damaged: {verdict}. {path} was not touched.")
    for suffix in ("", "-wal", "-shm"):
        former = path.with_name(path.name + suffix)
        if former.exists():
            former.rename(path.with_name(f"{path.name}.before-{stamp}{suffix}"))
    fresh.rename(path)


def _empty(settings: Settings) -> None:
    engine = owner_engine(settings)
    try:
        with engine.connect() as connection:
            connection.execute(text("SET SESSION foreign_key_checks = 0"))
            quote = connection.dialect.identifier_preparer.quote
            for name in inspect(connection).get_table_names():
                connection.execute(text(f"DROP TABLE {quote(name)}"))
            connection.invalidate()  # the session's setting goes with it
    finally:
        engine.dispose()


def _swap_anchor(settings: Settings, folder: Path, manifest: dict[str, Any], stamp: str) -> dict[int, int]:
    """Put the backup's anchor file back, keep the present one aside; return entries that the latter knows beyond."""
    path, heads = settings.anchor_path, manifest["audit_heads"]
    present = read_anchors(path)
    lost = {tenant: present.newest(tenant) - int(heads.get(str(tenant), {"seq": 0})["seq"]) for tenant in present.links}
    if path.exists():
        path.rename(path.with_name(f"{path.name}.before-{stamp}"))
    if ANCHOR in manifest["files"]:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        shutil.copyfile(folder / ANCHOR, path)
        path.chmod(0o600)
    return {tenant: number for tenant, number in lost.items() if number > 0}


def _after(settings: Settings, manifest: dict[str, Any], lost: dict[int, int]) -> Restored:
    engine, warnings = owner_engine(settings), []
    try:
        counts = manifests.row_counts(engine)
        for table, (before, after) in manifest["rows"].items():
            found, known = counts.get(table), [count for count in (before, after) if count is not None]
            if len(known) == 2 and (found is None or not min(known) <= found <= max(known)):
                warnings.append(f"{table} has {found} rows, {min(known)} to {max(known)} when it was backed up")
        with engine.begin() as connection:
            _pause(connection, str(manifest["made_at"]))
        if not settings.is_sqlite:
            warnings += give_rights(settings)
    finally:
        engine.dispose()
    return Restored(manifest["schema"], len(counts), warnings, lost)


def _pause(connection: Connection, made_at: str) -> None:
    """Leave dispatch paused until ``flask ops resume`` has seen the journals of the workers' machines."""
    tables = inspect(connection).get_table_names()
    if "platform_flags" not in tables:
        return
    reason = f"restored from the backup of {made_at}: check, then flask ops resume"
    for name, value in ((PAUSED_FLAG, reason), (RESTORED_FLAG, made_at)):
        connection.execute(text("DELETE FROM platform_flags WHERE name = :name"), {"name": name})
        connection.execute(
            text("INSERT INTO platform_flags (name, value, set_at) VALUES (:name, :value, :at)"),
            {"name": name, "value": value[:500], "at": utc_now().replace(tzinfo=None)},
        )
    for table in {"journal_reports", "lost_begins"}.intersection(tables):  # of an earlier restore
        connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - two fixed names
