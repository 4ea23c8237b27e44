"""Walks a tenant's chain and names the first entry that is not as it was written."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from app.audit.anchor import Anchors, read_anchors
from app.audit.archived import ArchivedPart, archived_part
from app.audit.canonical import GENESIS
from app.audit.chain import ENTRIES, HEADS, audit_keys
from app.audit.models import AuditVerification
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope

CHUNK = 1_000  # entries in memory at a time
SEARCH_LIMIT = 2_000_000  # sequence numbers tried to find where a moved entry came from
Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """The first thing wrong: at which sequence number (None: outside of the entries), how, in words.

    ``kind``: changed, missing, inserted, swapped, tail_missing, head, anchor, unknown_key,
    archive.
    """

    seq: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of one walk; ``entries`` is how many were read, up to the first bad one."""

    tenant_id: int
    entries: int
    finding: Finding | None
    message: str

    @property
    def is_intact(self) -> bool:
        """Whether nothing wrong was found."""
        return self.finding is None


class Walk:
    """A walk along a tenant's chain that can stop and go on: all it needs are ``next_seq`` and ``previous``."""

    def __init__(
        self, tenant_id: int, anchors: Anchors | None = None, *, next_seq: int = 1, previous: bytes = GENESIS
    ) -> None:
        self.tenant_id = tenant_id
        self.next_seq, self.previous = next_seq, previous
        self.checked = 0  # entries read by this object
        self._anchors = anchors or read_anchors(tenant_id=tenant_id)
        self._links = self._anchors.links.get(tenant_id, {})
        self._keys = audit_keys()
        self._head_seq, self._newest = 0, 0

    def go(self, seconds: float | None = None) -> Verification | None:
        """Go on inside the open unit of work to the end, or for about ``seconds``; None when there is more.

        Memory stays the same at any length. Entries committed after the start are left for the next walk.
        """
        archived = archived_part(self.tenant_id, self._keys)
        if archived.bad is not None:
            return self._result(Finding(None, "archive", archived.bad))
        ends = _ends(self.tenant_id)
        self._head_seq, _hash, self._newest = ends
        give_up_at = None if seconds is None else time.monotonic() + seconds
        for row in _rows(self.tenant_id, self.next_seq - 1, self._head_seq):
            finding = self._step(row, archived)
            if finding is not None:
                return self._result(finding)
            if give_up_at is not None and self.checked % CHUNK == 0 and time.monotonic() >= give_up_at:
                return None
        if self.next_seq <= archived.last_seq:
            self._skip_to(archived.last_seq + 1, archived.hashes[-1])
        finding = _end(self.next_seq - 1, self.previous, ends, self._anchors.newest(self.tenant_id))
        return self._result(finding, archived)

    def _skip_to(self, seq: int, previous: bytes) -> None:
        self.next_seq, self.previous = seq, previous

    def _step(self, row: Row, archived: ArchivedPart) -> Finding | None:
        seq: int = row["seq"]
        if seq > self.next_seq:
            if seq - 1 > archived.last_seq:
                return _gap(max(self.next_seq, archived.last_seq + 1), seq - 1)
            # Gone into a file. Inside of one the entry itself says what came before it: the file's last hash,
            # which is sealed, binds them all.
            self._skip_to(seq, archived.hash_at(seq - 1) or bytes(row["prev_hash"]))
        link = self._keys.link(self.previous, row)
        if link is None:
            return _unknown_key(row)
        if row["prev_hash"] != self.previous or row["hash"] != link:
            return _describe(self.tenant_id, row, self.previous, max(self._head_seq, self._newest))
        if self._links.get(seq, link) != link:
            return _not_anchored(seq)
        if archived.hash_at(seq) not in (None, link):
            return Finding(seq, "archive", f"Entry {seq} is not the last one of the archive file that ends with it.")
        self.next_seq, self.previous = seq + 1, link
        self.checked += 1
        return None

    def _result(self, finding: Finding | None, archived: ArchivedPart | None = None) -> Verification:
        if finding is not None:
            return Verification(self.tenant_id, self.checked, finding, finding.message)
        message = f"{self.checked:,} entries checked, none changed, missing, inserted or swapped."
        if archived is not None and archived.ends:
            message += f" Entries 1 to {archived.last_seq:,} are archived in {len(archived.ends):,} files."
        anchored = self._anchors.newest(self.tenant_id)
        message += f" The anchor file confirms entry {anchored:,}." if anchored else " Nothing is anchored yet."
        if self._anchors.bad_lines:
            message += f" {len(self._anchors.bad_lines)} lines of the anchor file cannot be read."
        return Verification(self.tenant_id, self.checked, None, message)


def verify_chain(tenant_id: int, anchors: Anchors | None = None) -> Verification:
    """Walk the whole chain of a tenant inside the open unit of work; see ``Walk.go``.

    ``anchors``: the file's, read when not given.
    """
    result = Walk(tenant_id, anchors).go()
    assert result is not None  # without a time limit it goes to the end
    return result


def verify_tenant(tenant_id: int) -> Verification:
    """Walk a tenant's chain and keep the result, in units of work of its own (keeper and command line).

    The walk itself only reads: on SQLite writers go on while a long chain is checked.
    """
    with unit_of_work(writes=False):
        result = verify_chain(tenant_id)
    with unit_of_work(), tenant_scope(tenant_id):
        store_verification(result)
    return result


def store_verification(
    result: Verification, *, user_id: int | None = None, started_at: datetime | None = None
) -> AuditVerification:
    """Keep a result in the open unit of work; flushed. ``user_id``: who asked for it."""
    row = AuditVerification(
        tenant_id=result.tenant_id,
        verified_at=utc_now(),
        entries=result.entries,
        intact=result.is_intact,
        first_bad_seq=result.finding.seq if result.finding else None,
        message=result.message[:500],
        user_id=user_id,
        started_at=started_at,
    )
    db.session.add(row)
    db.session.flush()
    return row


def _ends(tenant_id: int) -> tuple[int, bytes | None, int]:
    """The head's link and the highest entry, from one statement: they agree although others write."""
    newest = select(func.max(ENTRIES.c.seq)).where(ENTRIES.c.tenant_id == tenant_id).scalar_subquery()
    connection = db.session.connection()
    found = connection.execute(
        select(HEADS.c.seq, HEADS.c.hash, newest.label("newest")).where(HEADS.c.tenant_id == tenant_id)
    ).one_or_none()
    if found is None:
        return 0, None, connection.execute(select(newest)).scalar() or 0
    return found.seq, bytes(found.hash), found.newest or 0


def _rows(tenant_id: int, after: int, until: int) -> Iterator[Row]:
    connection = db.session.connection()
    while True:
        chunk = connection.execute(
            select(ENTRIES)
            .where(ENTRIES.c.tenant_id == tenant_id, ENTRIES.c.seq > after, ENTRIES.c.seq <= until)
            .order_by(ENTRIES.c.seq)
            .limit(CHUNK)
        )
        rows = chunk.mappings().all()
        yield from rows
        if len(rows) < CHUNK:
            return
        after = rows[-1]["seq"]


def _gap(first: int, last: int) -> Finding:
    which = f"Entry {first}" if first == last else f"Entries {first} to {last}"
    return Finding(first, "missing", f"{which} of the chain: missing. Somebody deleted from the audit log.")


def _unknown_key(row: Row) -> Finding:
    return Finding(
        row["seq"],
        "unknown_key",
        f"Entry {row['seq']} was signed with key {row['key_id']}, which is not among the lines of "
        "MILLWRIGHT_AUDIT_KEY. Add the former key as a further line, or treat the entry as forged.",
    )


def _not_anchored(seq: int) -> Finding:
    return Finding(seq, "anchor", f"Entry {seq} is not the one in the anchor file: the log was replaced up to it.")


def _describe(tenant_id: int, row: Row, previous: bytes, newest: int) -> Finding:
    """Say how the entry at a bad place differs, by trying which change the keyed hash fits."""
    keys = audit_keys()
    seq: int = row["seq"]
    own = keys.link(row["prev_hash"], row)
    if own == row["hash"]:
        return Finding(seq, "swapped", f"Entry {seq} is genuine but does not follow entry {seq - 1}: swapped.")
    following = next(_rows(tenant_id, seq, newest), None)
    if following is not None and keys.link(previous, {**following, "seq": seq}) == following["hash"]:
        return Finding(seq, "inserted", f"Entry {seq} was inserted: the entry after it was number {seq} once.")
    for former in range(1, min(newest, SEARCH_LIMIT) + 1):
        if keys.link(row["prev_hash"], {**row, "seq": former}) == row["hash"]:
            return Finding(seq, "swapped", f"Entry {seq} was number {former} once: swapped.")
    if row["prev_hash"] == previous:
        return Finding(seq, "changed", f"Entry {seq} was changed after it was written.")
    return Finding(seq, "changed", f"Entry {seq} was changed, or put in place of the one that was written.")


def _end(last: int, previous: bytes, ends: tuple[int, bytes | None, int], anchored: int) -> Finding | None:
    head_seq, head_hash, newest = ends
    if head_hash is None and newest:
        return Finding(None, "head", "The head of the chain is missing although there are entries.")
    if last < head_seq:
        return _tail(last + 1, f"the head says {head_seq}")
    if newest > head_seq:
        return Finding(head_seq + 1, "inserted", f"Entry {head_seq + 1} was inserted after the head of the chain.")
    if head_hash is not None and head_hash != previous:
        return Finding(None, "head", f"The head of the chain was changed: its hash is not that of entry {last}.")
    if anchored > last:
        return _tail(last + 1, f"the anchor file says {anchored}")
    return None


def _tail(first: int, source: str) -> Finding:
    return Finding(first, "tail_missing", f"The chain ends before entry {first}, but {source}: its tail was cut off.")
