"""What a database says about its own tables, in one form for SQLite, MariaDB and MySQL."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, MetaData, inspect, text

# On MariaDB the name of a check is unique within its table only, on MySQL within the schema.
_MARIADB_CHECKS = (
    "SELECT table_name, constraint_name, check_clause FROM information_schema.check_constraints "
    "WHERE constraint_schema = DATABASE()"
)
_MYSQL_CHECKS = (
    "SELECT t.table_name, c.constraint_name, c.check_clause FROM information_schema.check_constraints c "
    "JOIN information_schema.table_constraints t ON t.constraint_schema = c.constraint_schema "
    "AND t.constraint_name = c.constraint_name AND t.constraint_type = 'CHECK' "
    "WHERE c.constraint_schema = DATABASE()"
)


@dataclass
class LiveTable:
    """One table as the catalogue has it; names of constraints included where the database keeps them."""

    columns: dict[str, tuple[str, bool, str | None]] = field(default_factory=dict)  # type, null, default
    indexes: set[tuple[str, tuple[str, ...], bool]] = field(default_factory=set)  # name, columns, unique
    foreign_keys: set[tuple[tuple[str, ...], str, tuple[str, ...], str]] = field(default_factory=set)
    checks: set[str] = field(default_factory=set)
    generated: dict[str, str] = field(default_factory=dict)
    options: tuple[Any, ...] = ()
    charsets: dict[str, str] = field(default_factory=dict)


def read(connection: Connection) -> dict[str, LiveTable]:
    """Every table but Alembic's, by name."""
    looker = inspect(connection)
    tables = {}
    for name in looker.get_table_names():
        if name != "alembic_version":
            tables[name] = _common(looker, name)
    if connection.dialect.name == "sqlite":
        _read_sqlite(connection, tables)
    else:
        _read_server(connection, tables)
    return tables


def triggers(connection: Connection) -> dict[str, str]:
    """Triggers: name -> table, event and body in one line."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
        return {row[0]: " ".join(row[1].split()) for row in rows}
    rows = connection.execute(
        text(
            "SELECT trigger_name, CONCAT(action_timing, ' ', event_manipulation, ' ', event_object_table, ' ', "
            "action_statement) FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        )
    )
    return {row[0]: " ".join(row[1].split()) for row in rows}


def from_models(metadata: MetaData, connection: Connection) -> dict[str, LiveTable]:
    """Make the tables of the models in an empty database and read them back."""
    metadata.create_all(connection)
    return read(connection)


def _common(looker: Any, name: str) -> LiveTable:
    table = LiveTable()
    for index in looker.get_indexes(name):
        columns = tuple(index["column_names"])
        table.indexes.add((index["name"], columns, bool(index["unique"])))
    for unique in looker.get_unique_constraints(name):
        table.indexes.add((unique["name"], tuple(unique["column_names"]), True))
    table.indexes.add(("PRIMARY", tuple(looker.get_pk_constraint(name)["constrained_columns"]), True))
    for key in looker.get_foreign_keys(name):
        # MySQL does not print RESTRICT, it is what nothing means.
        action = key["options"].get("ondelete", "RESTRICT")
        table.foreign_keys.add(
            (tuple(key["constrained_columns"]), key["referred_table"], tuple(key["referred_columns"]), action)
        )
    return table


def _read_server(connection: Connection, tables: dict[str, LiveTable]) -> None:
    rows = connection.execute(
        text(
            "SELECT table_name, column_name, column_type, is_nullable, column_default, extra, generation_expression, "
            "character_set_name, collation_name FROM information_schema.columns WHERE table_schema = DATABASE()"
        )
    )
    for table, name, kind, null, default, extra, generated, charset, collation in rows:
        if table not in tables:
            continue
        found = tables[table]
        found.columns[name] = (_type(str(kind)), null == "YES", _default(default, str(extra)))
        if generated:
            found.generated[name] = str(generated)
        if charset is not None:
            found.charsets[name] = f"{charset} {collation}"
    rows = connection.execute(
        text(
            "SELECT table_name, engine, table_collation FROM information_schema.tables WHERE table_schema = DATABASE()"
        )
    )
    for table, engine, collation in rows:
        if table in tables:
            tables[table].options = (engine, collation)
    rows = connection.execute(
        text(_MARIADB_CHECKS if getattr(connection.dialect, "is_mariadb", False) else _MYSQL_CHECKS)
    )
    for table, name, clause in rows:
        if table not in tables:
            continue
        if str(clause).lower().startswith("json_valid"):  # MariaDB's JSON is LONGTEXT with this check
            kind, null, default = tables[table].columns[name]
            assert kind == "longtext"
            tables[table].columns[name] = ("json", null, default)
        else:
            tables[table].checks.add(f"{name}: {clause}")


def _sqlite_keys(connection: Connection, name: str) -> set[tuple[tuple[str, ...], str, tuple[str, ...], str]]:
    """Ask the database itself: SQLAlchemy reads no action of a key that stands beside its column."""
    rows: dict[int, list[Any]] = {}
    for row in connection.execute(text(f"PRAGMA foreign_key_list('{name}')")):
        rows.setdefault(row.id, []).append(row)
    found = set()
    for parts in rows.values():
        ordered = sorted(parts, key=lambda part: int(part.seq))
        own, other = tuple(getattr(part, "from") for part in ordered), tuple(part.to for part in ordered)
        action = ordered[0].on_delete
        found.add((own, ordered[0].table, other, "RESTRICT" if action == "NO ACTION" else action))
    return found


def _read_sqlite(connection: Connection, tables: dict[str, LiveTable]) -> None:
    for name, table in tables.items():
        for row in connection.execute(text(f"PRAGMA table_xinfo('{name}')")):
            table.columns[row.name] = (row.type.lower(), not (row.notnull or row.pk), row.dflt_value)
            if row.hidden:
                table.generated[row.name] = {2: "virtual", 3: "stored"}[row.hidden]
        table.foreign_keys = _sqlite_keys(connection, name)
        sql = connection.execute(text("SELECT sql FROM sqlite_master WHERE name = :n"), {"n": name}).scalar_one()
        table.checks = {" ".join(line.split()).rstrip(",") for line in sql.splitlines() if " CHECK " in f" {line} "}


def _type(kind: str) -> str:
    """MariaDB prints the display width of integers, MySQL no longer does (except of booleans)."""
    return (
        re.sub(r"\b(big)?int\(\d+\)", lambda found: "bigint" if found[1] else "int", kind)
        if kind != "tinyint(1)"
        else kind
    )


def _default(default: Any, extra: str) -> str | None:
    plain = None if default is None or str(default) == "NULL" else str(default).strip("'")
    if plain is not None and plain.lower().startswith("current_timestamp"):
        return "now, updated" if "on update" in extra.lower() else "now"
    return plain
