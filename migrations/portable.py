"""Frozen helpers of the migrations: types and defaults that hold on SQLite, MariaDB and MySQL.

They never change: a released migration must go on making the same schema. A new form gets a new name.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import ColumnElement

OPTIONS = {f"{d}_{k}": v for d in ("mysql", "mariadb") for k, v in
           (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_unicode_ci"))}  # fmt: skip

BIG_KEY = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
LONG_BYTES = sa.LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
LONG_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
DIGEST = sa.BINARY(32).with_variant(sa.LargeBinary(32), "sqlite")
MOMENT = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def ascii_binary(length: int) -> sa.types.TypeEngine[str]:
    """VARCHAR of ASCII that compares byte by byte."""
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return sa.String(length).with_variant(binary, "mysql", "mariadb")


def enum(name: str, *values: str) -> sa.Enum:
    """Native ENUM, or VARCHAR + CHECK on SQLite."""
    return sa.Enum(*values, name=name, create_constraint=True)


class _Created(ColumnElement[Any]):
    inherit_cache = True


class _Updated(ColumnElement[Any]):
    inherit_cache = True


@compiles(_Created)
def _created(_element: Any, _compiler: Any, **_kw: Any) -> str:
    return "CURRENT_TIMESTAMP(6)"


@compiles(_Updated)
def _updated(_element: Any, _compiler: Any, **_kw: Any) -> str:
    return "CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)"


@compiles(_Created, "sqlite")
@compiles(_Updated, "sqlite")
def _on_sqlite(_element: Any, _compiler: Any, **_kw: Any) -> str:
    return "(strftime('%Y-%m-%d %H:%M:%f', 'now') || '000')"


CREATED = _Created()
UPDATED = _Updated()


def touch_trigger(table: str) -> None:
    """On SQLite, keep ``updated_at`` when a statement does not set it; servers have ON UPDATE."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            f"CREATE TRIGGER tr_{table}_updated_at AFTER UPDATE ON {table} FOR EACH ROW "
            "WHEN NEW.updated_at IS OLD.updated_at BEGIN "
            f"UPDATE {table} SET updated_at = strftime('%Y-%m-%d %H:%M:%f', 'now') || '000' WHERE id = NEW.id; END"
        )


class TriggerRefused(RuntimeError):
    """The migration account may not create triggers; the message says what the installer has to do."""


def create_trigger(sql: str) -> None:
    """Create a trigger, or fail with advice: MySQL with a binary log asks for more than TRIGGER (error 1419)."""
    try:
        op.execute(sa.text(sql.replace(":", r"\:")))
    except sa.exc.DBAPIError as error:
        if error.orig is not None and error.orig.args and error.orig.args[0] == 1419:
            raise TriggerRefused(
                "The database server writes a binary log and refuses triggers from this account. Set "
                "log_bin_trust_function_creators=1 (or give the migration account SUPER), then upgrade again."
            ) from error
        raise


def refuse(table: str, name: str, when: str, message: str, condition: str | None = None) -> None:
    """Create a trigger that refuses ``when`` (e.g. ``BEFORE UPDATE``) on ``table``, always or if ``condition``."""
    dialect = op.get_bind().dialect.name
    if dialect == "sqlite":
        guard = f"WHEN {condition} " if condition else ""
        create_trigger(
            f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW {guard}BEGIN SELECT RAISE(ABORT, '{message}'); END"
        )
    else:
        signal = f"SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = '{message}';"
        body = f"IF {condition} THEN {signal} END IF;" if condition else signal
        create_trigger(f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW BEGIN {body} END")


def drop_trigger(name: str) -> None:
    """Drop a trigger made by ``refuse`` or ``touch_trigger``; no error when the table took it along."""
    op.execute(f"DROP TRIGGER IF EXISTS {name}")
