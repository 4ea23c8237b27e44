"""Mechanisms that can be switched off on purpose: each time the rig has to notice (``make chaos WITHOUT=name``)."""

from __future__ import annotations

from pathlib import Path

import pymysql

from tests.support.servers import DatabaseServer

HOOKS = Path(__file__).with_name("hooks")
# Mechanism -> the case that notices, and what is switched off.
MECHANISMS = {
    "unique-index": ("R11", "the unique key of idempotency keys"),
    "begin-mark": ("R1", "the mark that a run has begun, set before its engine starts"),
    "salvage": ("R1", "shipping a dead executor's spool before the final status"),
    "lease": ("R2", "reaping runs of a host that is silent"),
}


def environment(without: str | None) -> dict[str, str]:
    """What the platform's processes get."""
    return {"PYTHONPATH": str(HOOKS), "CHAOS_WITHOUT": without} if without else {}


def crash(point: str) -> dict[str, str]:
    """What a process gets that kills itself when it comes to a function ("module:name")."""
    return {"PYTHONPATH": str(HOOKS), "CHAOS_CRASH": point}


def change_database(without: str | None, server: DatabaseServer, name: str) -> None:
    """Do in the database what the sabotage needs; a second time does nothing."""
    if without != "unique-index":
        return
    index = "uq_idempotency_keys_tenant_id_user_id_key"
    plain = f"CREATE INDEX chaos_tenant ON {name}.idempotency_keys (tenant_id)"  # its foreign key needs an index
    for statement in (plain, f"ALTER TABLE {name}.idempotency_keys DROP INDEX {index}"):
        try:
            server.execute(statement)
        except pymysql.err.OperationalError as error:
            if error.args[0] not in (1061, 1091):  # it is there, or gone, already
                raise
