"""Who may do what in the database: three accounts, rights table by table.

The *migrator* owns the schema. The *application* (web, worker, keeper) reads and changes rows, but of the audit
log it may only read and add. The *archiver* may delete audit entries that were archived; the triggers decide
which. MySQL and MariaDB refuse what is not granted; SQLite has no accounts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

EVERYTHING = "SELECT, INSERT, UPDATE, DELETE"
VERSION_TABLE = "alembic_version"
# Rights of the application that are less than EVERYTHING, and why.
NARROWER = {
    "audit_logs": "SELECT, INSERT",  # append-only
    "audit_heads": "SELECT, INSERT, UPDATE",  # moves with every entry, never goes
    "audit_verifications": "SELECT, INSERT",
    "audit_archives": "SELECT",  # written by the archiver
    VERSION_TABLE: "SELECT",  # a worker compares it with its own release
}
ARCHIVER = {"audit_logs": "SELECT, DELETE", "audit_archives": "SELECT, INSERT", "audit_heads": "SELECT"}
# Identifiers are quoted, not bound: the driver has no placeholders for them.
_NAME = re.compile(r"[A-Za-z0-9_$-]{1,64}\Z")


def _quoted(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"not a usable name of a database, table or account: {name!r}")
    return f"`{name}`"


def grant_statements(database: str, tables: Iterable[str], *, application: str, archiver: str | None) -> list[str]:
    """Return GRANT statements for MySQL and MariaDB, in the order of ``tables``.

    ``application`` and ``archiver`` are account names; the host part is ``%`` (who may connect from where is the
    network's business). The statements add rights; an account that has too many must be revoked by hand. Raises
    ValueError for a name that cannot be quoted safely.
    """
    statements = []
    for table in tables:
        place = f"{_quoted(database)}.{_quoted(table)}"
        statements.append(f"GRANT {NARROWER.get(table, EVERYTHING)} ON {place} TO {_quoted(application)}@`%`")
        if archiver is not None and table in ARCHIVER:
            statements.append(f"GRANT {ARCHIVER[table]} ON {place} TO {_quoted(archiver)}@`%`")
    return statements
