"""Who may import whom. The contracts themselves stand in pyproject.toml (``lint-imports``)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.architecture.house import (
    APP,
    ROOT,
    SLICES,
    app_modules,
    imported_roots,
    layer_modules,
    module_name,
    place,
    tree,
)

WEB_AND_QUEUE = {"flask", "flask_login", "flask_smorest", "marshmallow", "celery"}


def test_the_import_contracts_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run(
        [str(program), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "120"},
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


def test_split_layers_obey_the_same_rule() -> None:
    """``service_launch.py`` is a service too; import-linter knows only exact module names."""
    offenders = [
        f"{place(path)}:{line} imports {name}"
        for path in layer_modules("service", "queries", "models")
        for name, line in imported_roots(tree(path))
        if name in WEB_AND_QUEUE
    ]
    assert not offenders


def test_every_package_is_a_slice_or_a_named_part_of_the_house() -> None:
    known = {*SLICES, "core", "runners", "cli", "operations", "standalone", "templates", "static"}
    packages = {path.parent.name for path in APP.glob("*/__init__.py")}
    assert packages <= known, f"place {sorted(packages - known)} in pyproject.toml and tests/architecture/house.py"


def test_only_the_wiring_knows_the_command_line_and_nobody_the_process_runner() -> None:
    import ast

    offenders = []
    for path in app_modules():
        name = module_name(path)
        for node in ast.walk(tree(path)):
            targets = []
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                targets = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            for target in targets:
                for part, allowed in (
                    ("app.cli", ("app.wiring", "app.cli")),
                    ("app.standalone", ("app.standalone",)),
                    ("app.operations", ("app.operations", "app.cli")),
                ):
                    inside = target == part or target.startswith(f"{part}.")
                    if inside and not any(name == who or name.startswith(f"{who}.") for who in allowed):
                        offenders.append(f"{place(path, node)} imports {target}")
    assert not sorted(set(offenders))


def test_the_engines_can_be_started_without_the_web_stack() -> None:
    """Every run starts a process of ``app.runners``; Flask alone would cost it a quarter of a second."""
    program = (
        "import sys, importlib, pkgutil, app.runners as r\n"
        "names = [m.name for m in pkgutil.walk_packages(r.__path__, 'app.runners.')\n"
        "         if not any(word in m.name for word in ('__main__', '.callback', '.plugin'))]\n"
        "[importlib.import_module(n) for n in names]\n"
        "bad = {'flask', 'sqlalchemy', 'celery', 'marshmallow', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(f'app.runners pulls in {sorted(bad)}' if bad else 0)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
