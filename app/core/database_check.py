"""Is the database as the code needs it? One finding per question, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from app.core.db import Model, db, unit_of_work
from app.core.schema_version import needed_revision, schema_problem

# Triggers that the rules rest on, by the migrations of the audit log and of jobs.
TRIGGERS = (
    "tr_audit_archives_no_delete",
    "tr_audit_archives_no_update",
    "tr_audit_logs_no_delete",
    "tr_audit_logs_no_update",
    "tr_jobs_final",
)
DENIED = frozenset({1142, 1143})  # MySQL, MariaDB: command denied to this account on a table or column
COLLATION = "utf8mb4_unicode_ci"


@dataclass(frozen=True, slots=True)
class Finding:
    """Answer to one question. ``message`` says what to do when it is not fine."""

    name: str
    is_ok: bool
    message: str


def check_database() -> list[Finding]:
    """Ask everything; opens units of work of its own."""
    problem = schema_problem()
    findings = [Finding("schema version", problem is None, problem or needed_revision())]
    if problem is not None:
        return findings
    with unit_of_work(writes=False):
        connection = db.session.connection()
        questions = _SQLITE if connection.dialect.name == "sqlite" else _SERVER
        for question in questions:
            findings.extend(question(connection))
    if connection.dialect.name != "sqlite":
        findings.append(_audit_is_closed())
    return findings


def _triggers(connection: Connection) -> Iterator[Finding]:
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
    else:
        rows = connection.execute(
            text("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()")
        )
    missing = sorted(set(TRIGGERS) - {row[0] for row in rows})
    if missing and connection.dialect.name != "sqlite" and not _may_see_triggers(connection):
        yield Finding("triggers", True, "not visible to this account; check as the migration account")
        return
    advice = f"missing: {', '.join(missing)}. Restore them from the backup or the migrations." if missing else "present"
    yield Finding("triggers", not missing, advice)


def _may_see_triggers(connection: Connection) -> bool:
    grants = [str(row[0]) for row in connection.execute(text("SHOW GRANTS"))]
    return any("TRIGGER" in grant or "ALL PRIVILEGES" in grant for grant in grants)


def _foreign_keys(connection: Connection) -> Iterator[Finding]:
    is_on = connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
    yield Finding("foreign keys", is_on, "enforced" if is_on else "off: connect through the application")
    broken = connection.execute(text("PRAGMA foreign_key_check")).first()
    yield Finding("references", broken is None, "whole" if broken is None else f"table {broken[0]} has dangling rows")


def _collation(connection: Connection) -> Iterator[Finding]:
    rows = connection.execute(
        text(
            "SELECT table_name, engine, table_collation FROM information_schema.tables "
            "WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'"
        )
    )
    ours = set(Model.metadata.tables)
    other = sorted(
        str(name) for name, engine, collation in rows if name in ours and (engine, collation) != ("InnoDB", COLLATION)
    )
    repair = f"ALTER TABLE ... ENGINE=InnoDB, CONVERT TO CHARACTER SET utf8mb4 COLLATE {COLLATION}"
    advice = f"differs on {', '.join(other)}: {repair}"
    yield Finding("engine and collation", not other, advice if other else f"InnoDB, {COLLATION}")


def _session(connection: Connection) -> Iterator[Finding]:
    zone, mode = connection.execute(text("SELECT @@session.time_zone, @@session.sql_mode")).one()
    yield Finding("session time zone", zone == "+00:00", str(zone))
    strict = "STRICT_TRANS_TABLES" in str(mode)
    yield Finding("strict mode", strict, "on" if strict else "off: values would be cut silently")
    isolation = connection.get_isolation_level()
    yield Finding("isolation", isolation == "READ COMMITTED", isolation)
    packet = int(connection.execute(text("SELECT @@max_allowed_packet")).scalar_one())
    enough = packet >= 16 * 1024 * 1024
    yield Finding("max_allowed_packet", enough, f"{packet:,} bytes" + ("" if enough else "; set it to 64M"))


def _audit_is_closed() -> Finding:
    """Try a change that matches no row: the account's rights are asked before any row is."""
    name = "audit rights"
    for verb in ("UPDATE audit_logs SET seq = seq WHERE tenant_id = 0", "DELETE FROM audit_logs WHERE tenant_id = 0"):
        try:
            with unit_of_work():
                db.session.connection().execute(text(verb))
        except DBAPIError as error:
            if error.orig is None or error.orig.args[0] not in DENIED:
                raise
            continue
        return Finding(
            name,
            False,
            f"this account may {verb.split()[0]} audit_logs: see `flask db grants` for the three accounts",
        )
    return Finding(name, True, "this account may only add entries")


Question = Callable[[Connection], Iterator[Finding]]
_SQLITE: tuple[Question, ...] = (_triggers, _foreign_keys)
_SERVER: tuple[Question, ...] = (_triggers, _collation, _session)
