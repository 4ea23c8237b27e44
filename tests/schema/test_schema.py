"""The live schema is that of the models and, but for the written deviations, that of the document."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.core.db import Model
from app.wiring import load_models
from tests.schema import catalogue, deviations, terraform_deviations
from tests.schema.catalogue import LiveTable
from tests.schema.core_document import TABLES
from tests.schema.migrating import flask_db
from tests.support.databases import TestDatabase

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "schema-deviations.md"
with_servers = pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)


def live(database: TestDatabase) -> tuple[dict[str, LiveTable], dict[str, str]]:
    engine = database.engine("migrator")
    with engine.connect() as connection:
        found = catalogue.read(connection), catalogue.triggers(connection)
    engine.dispose()
    return found


@pytest.mark.database
def test_migrations_make_exactly_the_tables_of_the_models(database: TestDatabase, bare_database: TestDatabase) -> None:
    load_models()
    engine = bare_database.engine("migrator")
    with engine.begin() as connection:
        wanted = catalogue.from_models(Model.metadata, connection)
    engine.dispose()
    found, _ = live(database)
    assert set(found) == set(wanted)
    for name, table in wanted.items():
        assert found[name].columns == table.columns, name
        assert found[name].indexes == table.indexes, name
        assert found[name].foreign_keys == table.foreign_keys, name
        assert found[name].checks == table.checks, name
        assert found[name].generated == table.generated, name
        assert (found[name].options, found[name].charsets) == (table.options, table.charsets), name


@pytest.mark.database
def test_an_upgrade_can_be_taken_back_and_made_again(bare_database: TestDatabase, tmp_path: Path) -> None:
    flask_db(bare_database, tmp_path, "upgrade")
    first = live(bare_database)
    flask_db(bare_database, tmp_path, "downgrade", "base")
    assert live(bare_database) == ({}, {})
    flask_db(bare_database, tmp_path, "upgrade")
    assert live(bare_database) == first


@pytest.mark.database
def test_the_triggers_that_rules_rest_on_are_there(database: TestDatabase) -> None:
    _, found = live(database)
    assert {"tr_audit_logs_no_update", "tr_audit_logs_no_delete", "tr_jobs_final"} <= set(found)
    touched = {f"tr_{name}_updated_at" for name, table in Model.metadata.tables.items() if "updated_at" in table.c}
    assert touched <= set(found) if database.kind == "sqlite" else not touched & set(found)


@with_servers
def test_every_table_is_innodb_in_utf8mb4_unicode_ci(database: TestDatabase) -> None:
    found, _ = live(database)
    for name, table in found.items():
        assert table.options == ("InnoDB", "utf8mb4_unicode_ci"), name
        allowed = {"utf8mb4 utf8mb4_unicode_ci", "ascii ascii_bin"}
        if database.kind == "mariadb":
            allowed.add("utf8mb4 utf8mb4_bin")  # what JSON is there
        assert set(table.charsets.values()) <= allowed, name


def differences(found: dict[str, LiveTable]) -> set[str]:
    """Differences from the document, the general ones aside, in the words of deviations.PARTICULAR."""
    wrong = set()
    for name, wanted in TABLES.items():
        table = found[name]
        for column, (kind, null, default) in wanted.columns.items():
            live_kind, live_null, live_default = table.columns[column]
            if live_kind != (kind.replace("datetime", "datetime(6)") if kind == "datetime" else kind):
                wrong.add(f"{name}.{column} type {live_kind}")
            if live_null != null:
                wrong.add(f"{name}.{column} null")
            if live_default != default:
                wrong.add(f"{name}.{column} default")
        keys = {columns for _, columns, _ in table.indexes}
        for columns in wanted.indexes:
            if not any(key[: len(columns) + 1] == ("tenant_id", *columns) or key == columns for key in keys):
                wrong.add(f"{name} INDEX({', '.join(columns)})")
        unique = {columns for _, columns, is_unique in table.indexes if is_unique}
        wrong |= {f"{name} UNIQUE({', '.join(columns)})" for columns in wanted.unique - unique}
        for column, (parent, action) in wanted.foreign_keys.items():
            single, composite = (
                ((column,), parent, ("id",), action),
                (
                    ("tenant_id", column),
                    parent,
                    ("tenant_id", "id"),
                    action,
                ),
            )
            if not {single, composite} & table.foreign_keys:
                wrong.add(f"{name} FOREIGN KEY({column})")
    return wrong


@with_servers
def test_the_schema_is_the_documents_but_for_the_written_deviations(database: TestDatabase) -> None:
    found, _ = live(database)
    assert differences(found) == set(deviations.PARTICULAR)


def rendered() -> str:
    """docs/schema-deviations.md as it has to be."""
    lines = [
        "# Where the schema differs from the core document",
        "",
        "The tests compare the live MySQL and MariaDB schema with the document; these are all the differences.",
        "The list is kept in `tests/schema/deviations.py`; a test keeps this page equal to it.",
        "",
        "## In every table",
        "",
        *(f"- **{name}**: {reason}" for name, reason in deviations.GENERAL.items()),
        "",
        "## In one place",
        "",
        *(f"- **`{name}`**: {reason}" for name, reason in deviations.PARTICULAR.items()),
        "",
        "## Tables of Terraform",
        "",
        "Compared with their own document; what is above for every table holds here, too.",
        "",
        *(f"- **{name}**: {reason}" for name, reason in terraform_deviations.GENERAL.items()),
        *(f"- **`{name}`**: {reason}" for name, reason in terraform_deviations.PARTICULAR.items()),
        *(f"- **`{name}`**: not there yet." for name in sorted(terraform_deviations.AWAITED)),
    ]
    return "\n".join(lines) + "\n"


def test_the_page_of_deviations_is_up_to_date() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == rendered(), "run: python -m tests.schema.test_schema"


if __name__ == "__main__":
    DOCUMENT.write_text(rendered(), encoding="utf-8")
