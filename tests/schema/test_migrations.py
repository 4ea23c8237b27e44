"""What every migration keeps to."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from tests.schema.released import RELEASED

VERSIONS = Path(__file__).resolve().parents[2] / "migrations" / "versions"


def test_a_released_migration_is_never_edited() -> None:
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in VERSIONS.glob("*.py")}
    assert {name: found.get(name) for name in RELEASED} == RELEASED, "undo the change; write a further migration"


def test_every_migration_goes_both_ways_and_imports_nothing_of_the_application() -> None:
    for path in VERSIONS.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        made = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {"upgrade", "downgrade"} <= made.keys(), path.name
        assert not all(isinstance(line, ast.Pass) for line in made["downgrade"].body), path.name
        imported = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
        imported += [name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names]
        assert not [name for name in imported if name.split(".")[0] in ("app", "config")], path.name
