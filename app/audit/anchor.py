"""The newest link of each chain, copied to an append-only file outside the database.

Whoever may rewrite the whole database can cut the tail of a chain together with its head; the file remembers how
far it went. One JSON object per line: {"tenant": 1, "seq": 42, "hash": "<64 hex digits>", "at": "<ISO time>"}.
Keep the file where the database's administrators cannot write, and in the backup.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select

from app.audit.chain import HEADS
from app.core.clock import iso, utc_now
from app.core.db import unit_of_work
from app.core.runtime import settings


@dataclass(frozen=True, slots=True)
class Anchors:
    """What the file says: link by sequence number per tenant, and the numbers of lines that cannot be read."""

    links: dict[int, dict[int, bytes]]
    bad_lines: tuple[int, ...]

    def newest(self, tenant_id: int) -> int:
        """Return the highest anchored sequence number of a tenant, 0 for none."""
        return max(self.links.get(tenant_id, {0: b""}))


def read_anchors(path: Path | None = None, tenant_id: int | None = None) -> Anchors:
    """Read the file (the configured one unless given), all tenants or one. A missing file is empty.

    A last line without its newline is one that a crash cut short: it is no link and no bad line.
    """
    links: dict[int, dict[int, bytes]] = {}
    bad: list[int] = []
    path = path or settings().anchor_path
    if not path.exists():
        return Anchors(links, ())
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            try:
                fields = json.loads(line)
                tenant, seq, link = int(fields["tenant"]), int(fields["seq"]), bytes.fromhex(fields["hash"])
            except (ValueError, KeyError, TypeError):
                bad.append(number)
                continue
            if tenant_id is None or tenant == tenant_id:
                links.setdefault(tenant, {})[seq] = link
    return Anchors(links, tuple(bad))


def anchor_heads(path: Path | None = None) -> int:
    """Append the heads that moved since the last anchoring; return how many lines were written, on disk.

    Opens a unit of work of its own. OSError when the file cannot be written.
    """
    path = path or settings().anchor_path
    with unit_of_work(writes=False) as session:
        heads = session.connection().execute(select(HEADS).where(HEADS.c.tenant_id > 0).order_by(HEADS.c.tenant_id))
        rows = [(row.tenant_id, row.seq, bytes(row.hash)) for row in heads]
    known = read_anchors(path)
    moment = iso(utc_now())
    lines = [
        json.dumps({"tenant": tenant, "seq": seq, "hash": link.hex(), "at": moment}) + "\n"
        for tenant, seq, link in rows
        if seq > 0 and known.links.get(tenant, {}).get(seq) != link
    ]
    if lines:
        _append("".join(lines).encode(), path)
    return len(lines)


def _append(data: bytes, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_new = not path.exists()
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(handle).st_size
        if size and os.pread(handle, 1, size - 1) != b"\n":
            data = b"\n" + data  # a crash cut the last line short: close it, so that only that one is lost
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    if is_new:
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
