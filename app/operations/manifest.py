"""What a backup says of itself: versions, rows, ends of the audit chains, files; sealed with the audit key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, inspect, text

from app.audit.canonical import AuditKeys
from app.core.grants import VERSION_TABLE
from app.operations.errors import OperationStopped
from config import Settings

FORMAT = "millwright backup 1"
NAME = "manifest.json"
KEYS = ("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
COUNT_LIMIT = 20_000_000  # rows; larger tables are not counted, which would take minutes


def fingerprints(settings: Settings) -> dict[str, list[str]]:
    """Return short digests of each key's lines: they say whether keys are the same ones, not what they are."""
    found = {}
    for name in KEYS:
        lines = getattr(settings, name).get_secret_value().splitlines()
        found[name] = [_fingerprint(name, line.strip()) for line in lines if line.strip()]
    return found


def _fingerprint(name: str, line: str) -> str:
    return hashlib.sha256(f"millwright {name}:{line}".encode()).hexdigest()[:16]


def database_kind(connection: Connection) -> str:
    """Return sqlite, mariadb or mysql, as the server itself says."""
    if connection.dialect.name == "sqlite":
        return "sqlite"
    return "mariadb" if "mariadb" in str(connection.scalar(text("SELECT VERSION()"))).lower() else "mysql"


def revision_of(connection: Connection) -> str | None:
    """Return the schema's revision, None for a database without one."""
    if VERSION_TABLE not in inspect(connection).get_table_names():
        return None
    found: str | None = connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}"))  # noqa: S608 - a constant
    return found


def row_counts(engine: Engine) -> dict[str, int | None]:
    """Return rows by table; None for one above COUNT_LIMIT."""
    counts: dict[str, int | None] = {}
    with engine.connect() as connection:
        quote = connection.dialect.identifier_preparer.quote
        for name in sorted(inspect(connection).get_table_names()):
            limited = f"SELECT COUNT(*) FROM (SELECT 1 FROM {quote(name)} LIMIT {COUNT_LIMIT + 1}) counted"  # noqa: S608
            found = int(connection.scalar(text(limited)) or 0)
            counts[name] = None if found > COUNT_LIMIT else found
    return counts


def audit_heads(connection: Connection) -> dict[str, dict[str, Any]]:
    """Return the end of each tenant's chain: {"1": {"seq": 42, "hash": hex}}."""
    if "audit_heads" not in inspect(connection).get_table_names():
        return {}
    rows = connection.execute(text("SELECT tenant_id, seq, hash FROM audit_heads"))
    return {str(row.tenant_id): {"seq": row.seq, "hash": bytes(row.hash).hex()} for row in rows}


def _covered(manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in manifest.items() if name != "seal"}


def write_manifest(folder: Path, manifest: dict[str, Any], keys: AuditKeys) -> None:
    """Store it, sealed."""
    manifest["key_id"] = keys.active
    seal = keys.seal("backup", _covered(manifest))
    assert seal is not None  # the active key is always here
    text = json.dumps({**manifest, "seal": seal.hex()}, indent=2, sort_keys=True)
    (folder / NAME).write_text(text + "\n", encoding="utf-8")
    (folder / NAME).chmod(0o600)


def read_manifest(folder: Path, keys: AuditKeys) -> dict[str, Any]:
    """Read and check it. OperationStopped for another format, a changed one, or one of other keys."""
    try:
        manifest: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OperationStopped(f"{folder} holds no readable {NAME}: it is no backup, or not a whole one.") from error
    if manifest.get("format") != FORMAT:
        raise OperationStopped(f"{folder} has the format {manifest.get('format')!r}; this version reads {FORMAT!r}.")
    seal = keys.seal("backup", _covered(manifest), str(manifest.get("key_id")))
    if seal is None:
        raise OperationStopped(
            f"The backup belongs to the audit key {manifest.get('key_id')}, which is not among the lines of "
            "MILLWRIGHT_AUDIT_KEY. Put the keys of that installation back first: nothing else can read its secrets."
        )
    if seal.hex() != manifest.get("seal"):
        raise OperationStopped(f"{folder / NAME} was changed after the backup was made.")
    return manifest
