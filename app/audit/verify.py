"""Walks a tenant's chain and names the first entry that is not as it was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from app.audit.anchor import Anchors, read_anchors
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

    ``kind``: changed, missing, inserted, swapped, tail_missing, head, anchor, unknown_key.
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


def verify_chain(tenant_id: int, anchors: Anchors | None = None) -> Verification:
    """Walk the whole chain of a tenant inside the open unit of work; memory stays the same at any length.

    Entries committed after the start are left for the next walk. ``anchors``: the file's, read when not given.
    """
    anchors = anchors or read_anchors(tenant_id=tenant_id)
    count, finding = _walk(tenant_id, anchors)
    if finding is not None:
        return Verification(tenant_id, count, finding, finding.message)
    message = f"{count:,} entries checked, none changed, missing, inserted or swapped."
    anchored = anchors.newest(tenant_id)
    message += f" The anchor file confirms entry {anchored:,}." if anchored else " Nothing is anchored yet."
    if anchors.bad_lines:
        message += f" {len(anchors.bad_lines)} lines of the anchor file cannot be read."
    return Verification(tenant_id, count, None, message)


def verify_tenant(tenant_id: int) -> Verification:
    """Walk a tenant's chain and keep the result, in units of work of its own (keeper and command line).

    The walk itself only reads: on SQLite writers go on while a long chain is checked.
    """
    with unit_of_work(writes=False):
        result = verify_chain(tenant_id)
    with unit_of_work(), tenant_scope(tenant_id):
        store_verification(result)
    return result


def store_verification(result: Verification) -> AuditVerification:
    """Keep a result in the open unit of work; flushed."""
    row = AuditVerification(
        tenant_id=result.tenant_id,
        verified_at=utc_now(),
        entries=result.entries,
        intact=result.is_intact,
        first_bad_seq=result.finding.seq if result.finding else None,
        message=result.message[:500],
    )
    db.session.add(row)
    db.session.flush()
    return row


def _walk(tenant_id: int, anchors: Anchors) -> tuple[int, Finding | None]:
    links = anchors.links.get(tenant_id, {})
    head_seq, head_hash, newest = _ends(tenant_id)
    keys = audit_keys()
    expected, previous = 1, GENESIS
    for row in _rows(tenant_id, 0, head_seq):
        if row["seq"] > expected:
            return expected - 1, _gap(expected, row["seq"] - 1)
        link = keys.link(previous, row)
        if link is None:
            return expected - 1, _unknown_key(row)
        if row["prev_hash"] != previous or row["hash"] != link:
            return expected - 1, _describe(tenant_id, row, previous, max(head_seq, newest))
        if links.get(expected, link) != link:
            return expected - 1, _not_anchored(expected)
        expected, previous = expected + 1, link
    return expected - 1, _end(expected - 1, previous, (head_seq, head_hash, newest), anchors.newest(tenant_id))


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
