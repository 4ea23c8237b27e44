"""What is public is explained."""

from __future__ import annotations

import ast

from tests.architecture.house import ROOT, app_modules, place, project_files, tree

ANSIBLES_OWN = "v2_"  # a callback plugin's methods; Ansible says when each is called
Documented = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def _undocumented(module: ast.Module) -> list[ast.AST]:
    missing: list[ast.AST] = [] if ast.get_docstring(module) else [module]
    for node in module.body:
        if isinstance(node, Documented) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                missing.append(node)
            if isinstance(node, ast.ClassDef):
                missing += [
                    method
                    for method in node.body
                    if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef)
                    and not method.name.startswith(("_", ANSIBLES_OWN))
                    and not ast.get_docstring(method)
                    and not any(getattr(mark, "attr", "") == "setter" for mark in method.decorator_list)
                ]
    return missing


def test_everything_public_has_a_docstring() -> None:
    top_level = [path for path in project_files() if path.suffix == ".py" and path.parent == ROOT]
    missing = [
        f"{place(path, node)} {getattr(node, 'name', 'module')}"
        for path in [*app_modules(), *top_level]
        for node in _undocumented(tree(path))
        if path.read_text(encoding="utf-8").strip()
    ]
    assert not missing, "\n".join(missing)
