"""The source tree as the architecture tests see it: files, slices, functions. It only reads."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app"
SLICES = (
    "audit",
    "accounts",
    "inventory",
    "sources",
    "jobs",
    "playbooks",
    "terraform",
    "tickets",
    "pipelines",
    "catalog",
    "dashboard",
)


@cache
def project_files() -> tuple[Path, ...]:
    """Every file that is, or would be, committed: tracked ones and new ones that .gitignore does not name."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = {ROOT / name for name in listed.stdout.split("\0") if name}
    return tuple(sorted(path for path in paths if path.is_file()))


@cache
def tree(path: Path) -> ast.Module:
    """The syntax tree of one Python file."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """``app/jobs/service.py`` -> ``app.jobs.service``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def app_modules() -> list[Path]:
    """Python files under ``app/``."""
    return [path for path in project_files() if path.suffix == ".py" and path.is_relative_to(APP)]


def layer_modules(*layers: str) -> list[Path]:
    """The slices' files of these layers, split ones (``service_launch.py``, ``service/``) included."""
    found = []
    for path in app_modules():
        parts = path.relative_to(APP).with_suffix("").parts
        if len(parts) >= 2 and parts[0] in SLICES:
            layer = parts[1]
            if any(layer == name or layer.startswith(f"{name}_") for name in layers):
                found.append(path)
    return found


def public_functions(module: ast.Module) -> Iterator[ast.FunctionDef]:
    """Top-level functions whose name has no leading underscore."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Every call below a node."""
    for child in ast.walk(node):
        if isinstance(child, ast.Call):
            yield child


def called_name(call: ast.Call) -> str:
    """The last part of what is called: ``db.session.commit()`` -> ``commit``."""
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def imported_roots(module: ast.Module) -> Iterator[tuple[str, int]]:
    """Top-level packages that a file imports directly, with the line; those for type checkers count too."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.partition(".")[0], node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module.partition(".")[0], node.lineno


def place(path: Path, node: ast.AST | None = None) -> str:
    """``app/jobs/service.py:12``, as editors understand it."""
    line = getattr(node, "lineno", None)
    return f"{path.relative_to(ROOT)}" + (f":{line}" if line else "")
