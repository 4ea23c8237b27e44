"""The tables of Terraform are those of their document but for the written deviations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Column, Table, UniqueConstraint
from sqlalchemy.dialects import mysql

from app.core.db import Model
from app.wiring import load_models
from tests.schema import terraform_deviations as deviations
from tests.schema.core_document import Document, text
from tests.schema.terraform_document import TABLES


def _type(column: Column[object]) -> str:
    """Return a column's type as MySQL has it, in the document's words."""
    compiled = column.type.compile(mysql.dialect()).lower().split(" character set")[0].split(" collate")[0]
    return {"integer": "int", "longtext": "text"}.get(compiled, compiled)


def _fits(wanted: str, found: str) -> bool:
    kind = found.replace("datetime(6)", "datetime").replace("numeric(", "decimal(")
    return kind == wanted or (wanted in ("varchar", "decimal") and re.match(rf"{wanted}\(", kind) is not None)


def _default(column: Column[object]) -> str | None:
    given = getattr(column.server_default, "arg", None)
    if given is None or isinstance(given, str):
        return given
    return "now, updated" if "Updated" in type(given).__name__ else "now"


def _keys(table: Table) -> tuple[set[tuple[str, ...]], set[tuple[str, ...]]]:
    """Return the columns of all keys, and of unique ones, without the tenant in front."""
    unique = {tuple(c.columns.keys()) for c in table.constraints if isinstance(c, UniqueConstraint)}
    unique |= {tuple(index.columns.keys()) for index in table.indexes if index.unique}
    plain = {tuple(index.columns.keys()) for index in table.indexes}

    def bare(keys: set[tuple[str, ...]]) -> set[tuple[str, ...]]:
        return {key[1:] if key[0] == "tenant_id" else key for key in keys}

    return bare(unique | plain), bare(unique)


def _foreign(table: Table) -> set[tuple[str, str, str]]:
    return {
        (constraint.column_keys[-1], constraint.referred_table.name, constraint.ondelete or "RESTRICT")
        for constraint in table.foreign_key_constraints
    }


def _of_columns(name: str, table: Table, wanted: Document) -> set[str]:
    wrong = set()
    for column, (kind, null, default) in wanted.columns.items():
        if column not in table.columns:
            wrong.add(f"{name}.{column}")
            continue
        found = table.columns[column]
        if not _fits(kind, _type(found)):
            wrong.add(f"{name}.{column} type")
        if found.nullable is not null and not (kind == "json" and _type(found) == "json"):
            wrong.add(f"{name}.{column} null")
        if _default(found) != default:
            wrong.add(f"{name}.{column} default")
    return wrong


def differences(document: Mapping[str, Document]) -> set[str]:
    """Return what the models have not, or have otherwise, in the words of terraform_deviations."""
    load_models()
    wrong = set()
    for name, wanted in document.items():
        table = Model.metadata.tables.get(name)
        if table is None:
            wrong.add(name)
            continue
        wrong |= _of_columns(name, table, wanted)
        keys, unique = _keys(table)
        for columns in wanted.indexes:
            if not any(key[: len(columns)] == columns for key in keys):
                wrong.add(f"{name} INDEX({', '.join(columns)})")
        wrong |= {f"{name} UNIQUE({', '.join(columns)})" for columns in wanted.unique - unique}
        for column, (parent, action) in wanted.foreign_keys.items():
            if (column, parent, action) not in _foreign(table):
                wrong.add(f"{name} FOREIGN KEY({column})")
    return wrong


def test_the_tables_are_the_documents_but_for_the_written_deviations() -> None:
    assert differences(TABLES) == set(deviations.PARTICULAR) | deviations.AWAITED


def test_each_kind_of_difference_is_found() -> None:
    document = TABLES["git_branches"]
    columns = {**document.columns, "name": text(100), "is_default": ("bool", True, "1"), "colour": text(9)}
    changed = replace(
        document,
        columns=columns,
        unique={("name",)},
        indexes={("last_commit_date",)},
        foreign_keys={"project_id": ("terraform_projects", "RESTRICT")},
    )
    assert differences({"git_branches": changed, "nowhere": document}) == {
        "nowhere",
        "git_branches.name type",
        "git_branches.is_default null",
        "git_branches.is_default default",
        "git_branches.colour",
        "git_branches UNIQUE(name)",
        "git_branches INDEX(last_commit_date)",
        "git_branches FOREIGN KEY(project_id)",
    }
