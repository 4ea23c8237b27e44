"""Moves entries that are old enough into archive files, then deletes them; run by ``flask audit archive``.

The order survives a kill at any moment: a whole file under its name, checked by reading it again; its row in
``audit_archives``; an entry in the log; only then deletion, in small transactions. A run first ends what an earlier
one began. File, row and deletion are the archiver's (an account of its own on a server), the entry the application's.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain as joined
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, RowMapping, create_engine, delete, func, insert, select

from app.audit.archive import ArchiveBroken, ArchiveFile, add_sum, check_archive, sha256_of, write_archive
from app.audit.archived import ARCHIVES, archived_part, sealed_row
from app.audit.chain import ENTRIES, HEADS, audit_keys
from app.audit.resource import Resource
from app.audit.service import record
from app.core.actor import Actor, Via
from app.core.clock import utc_now
from app.core.db import engine_options, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import tenant_scope

FILE_ENTRIES = 100_000  # of one file: about 10 MB
READ_CHUNK = 1_000
DELETE_CHUNK = 500  # entries of one transaction: milliseconds, also where SQLite lets nobody else write
Say = Callable[[str], None]


class ArchiveStopped(RuntimeError):
    """Archiving cannot go on; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Archived:
    """What a run did for one tenant."""

    tenant_id: int
    files: int
    entries: int


def archive_all(say: Say = lambda _text: None, *, now: datetime | None = None) -> list[Archived]:
    """Archive what is older than the setting for every tenant; opens units of work of its own.

    Raises ArchiveStopped: another run is at work, a chain or a file is not as it should be, or rights are missing.
    """
    limit = (now or utc_now()) - timedelta(days=settings().audit_days)
    folder = settings().archive_dir
    url = settings().archiver_database_url or settings().database_url
    engine = create_engine(url, **engine_options(settings(), pool_size=1))
    try:
        with _alone(folder):
            with engine.connect() as connection:
                tenants = list(connection.scalars(select(HEADS.c.tenant_id).order_by(HEADS.c.tenant_id)))
            return [_archive_tenant(engine, folder, tenant_id, limit, say) for tenant_id in tenants]
    finally:
        engine.dispose()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ArchiveStopped(f"Another run is archiving into {folder}. Wait for its end.") from error
        yield
    finally:
        os.close(handle)


def _archive_tenant(engine: Engine, folder: Path, tenant_id: int, limit: datetime, say: Say) -> Archived:
    _finish_begun(engine, folder, tenant_id, say)
    files = entries = 0
    while True:
        made = _next_file(engine, folder, tenant_id, limit)
        if made is None:
            return Archived(tenant_id, files, entries)
        with engine.begin() as connection:
            key = connection.execute(insert(ARCHIVES).values(**made)).inserted_primary_key
        assert key is not None  # one row was inserted
        files, entries = files + 1, entries + made["last_seq"] - made["first_seq"] + 1
        _finish(engine, folder, {**made, "id": key[0]}, say)


def _finish_begun(engine: Engine, folder: Path, tenant_id: int, say: Say) -> None:
    """End what a run that was killed left: rows whose entries are still in the table."""
    with unit_of_work(writes=False):
        bad = archived_part(tenant_id, audit_keys()).bad
    if bad is not None:
        raise ArchiveStopped(f"{bad} Nothing is archived before that is cleared up: run `flask audit verify`.")
    with engine.connect() as connection:
        oldest = connection.scalar(_oldest(tenant_id))
        rows = connection.execute(
            select(ARCHIVES)
            .where(ARCHIVES.c.tenant_id == tenant_id, ARCHIVES.c.last_seq >= (oldest or 0))
            .order_by(ARCHIVES.c.first_seq)
        )
        begun = [dict(row) for row in rows.mappings()] if oldest is not None else []
    for row in begun:
        _finish(engine, folder, row, say)


def _oldest(tenant_id: int) -> Any:
    return select(func.min(ENTRIES.c.seq)).where(ENTRIES.c.tenant_id == tenant_id)


def _next_file(engine: Engine, folder: Path, tenant_id: int, limit: datetime) -> dict[str, Any] | None:
    """Write and check the next file; return the values of its row, None when nothing is old enough."""
    rows = _old_rows(engine, tenant_id, limit)
    first = next(rows, None)
    if first is None:
        return None
    made, sha256 = write_archive(folder, joined([first], rows), audit_keys())
    _check(folder / made.file_name, made, sha256)
    with unit_of_work(writes=False):
        known = archived_part(tenant_id, audit_keys())
    if (made.first_seq, made.prev_hash) != (known.last_seq + 1, known.hashes[-1] if known.ends else bytes(32)):
        raise ArchiveStopped(
            f"Entry {made.first_seq} of tenant {tenant_id} does not follow what was archived before: "
            "run `flask audit verify`."
        )
    add_sum(folder, made.file_name, sha256)
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "first_seq": made.first_seq,
        "last_seq": made.last_seq,
        "prev_hash": made.prev_hash,
        "last_hash": made.last_hash,
        "newest_at": made.newest_at,
        "file_name": made.file_name,
        "sha256": sha256,
        "key_id": made.key_id,
    }
    seal = audit_keys().seal("archive", sealed_row(values))
    return {**values, "seal": seal, "created_at": utc_now()}


def _old_rows(engine: Engine, tenant_id: int, limit: datetime) -> Iterator[Mapping[Any, Any]]:
    """Yield a tenant's entries in order up to the first that is too young, FILE_ENTRIES at most."""

    def rows() -> Iterator[RowMapping]:
        after, left = 0, FILE_ENTRIES
        while left > 0:
            size = min(READ_CHUNK, left)
            following = (
                select(ENTRIES)
                .where(ENTRIES.c.tenant_id == tenant_id, ENTRIES.c.seq > after)
                .order_by(ENTRIES.c.seq)
                .limit(size)
            )
            with engine.connect() as connection:  # each for itself: no long snapshot beside the writers
                chunk = connection.execute(following).mappings().all()
            yield from chunk
            if len(chunk) < size:
                return
            after, left = chunk[-1]["seq"], left - size

    return takewhile(lambda row: bool(row["timestamp"] < limit), rows())


def _check(path: Path, expected: ArchiveFile, sha256: bytes) -> None:
    try:
        found = check_archive(path, audit_keys())
    except ArchiveBroken as error:
        raise ArchiveStopped(f"{error}. No entry was deleted; run `flask audit verify`.") from error
    if found != expected or sha256_of(path) != sha256:
        raise ArchiveStopped(f"{path} reads otherwise than it was written: check the disk. No entry was deleted.")


def _finish(engine: Engine, folder: Path, row: Mapping[str, Any], say: Say) -> None:
    path = folder / row["file_name"]
    if not path.exists() or sha256_of(path) != bytes(row["sha256"]):
        raise ArchiveStopped(
            f"{path} is not there, or not as it was written, and its entries are still in the table. Put it back "
            "and archive again; no entry was deleted."
        )
    _note(row)
    for first in range(row["first_seq"], row["last_seq"] + 1, DELETE_CHUNK):
        last = min(first + DELETE_CHUNK - 1, row["last_seq"])
        with engine.begin() as connection:
            connection.execute(
                delete(ENTRIES).where(ENTRIES.c.tenant_id == row["tenant_id"], ENTRIES.c.seq.between(first, last))
            )
    say(f"tenant {row['tenant_id']}: entries {row['first_seq']:,} to {row['last_seq']:,} are in {path}")


def _note(row: Mapping[str, Any]) -> None:
    """Leave an entry about the file, unless an earlier run did."""
    tenant_id, resource = row["tenant_id"], Resource("audit_archive", row["id"])
    noted = select(ENTRIES.c.id).where(
        ENTRIES.c.tenant_id == tenant_id,
        ENTRIES.c.resource_type == resource.type,
        ENTRIES.c.resource_id == resource.id,
    )
    details = {
        "file": row["file_name"],
        "sha256": bytes(row["sha256"]).hex(),
        "entries": f"{row['first_seq']} to {row['last_seq']}",
    }
    with tenant_scope(tenant_id), unit_of_work() as session:
        if session.connection().execute(noted.limit(1)).first() is None:
            actor = Actor.system(tenant_id)
            record(_from_command_line(actor), "audit:archive", resource, details=details)


def _from_command_line(actor: Actor) -> Actor:
    return Actor(actor.tenant_id, actor.user_id, actor.role, actor.label, Via.CLI)
