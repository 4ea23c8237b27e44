"""The rules that give services one hand."""

from __future__ import annotations

import ast

from tests.architecture import exceptions
from tests.architecture.house import (
    APP,
    app_modules,
    called_name,
    calls,
    layer_modules,
    module_name,
    place,
    public_functions,
    tree,
)


def _is_call_to_require(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(value, ast.Call) and called_name(value).startswith("require")


def _body_without_docstring(function: ast.FunctionDef) -> list[ast.stmt]:
    has_docstring = ast.get_docstring(function) is not None
    return function.body[1:] if has_docstring else function.body


def _complaint(function: ast.FunctionDef) -> str | None:
    positional = [*function.args.posonlyargs, *function.args.args]
    if not positional or positional[0].arg != "actor":
        return "takes no actor as its first argument"
    if function.args.kwarg is not None:
        return "takes **kwargs: name what it accepts"
    body = _body_without_docstring(function)
    if not body or not _is_call_to_require(body[0]):
        return "does not begin with require(actor, Permission.X)"
    passed = [arg.id for call in calls(body[0]) for arg in call.args if isinstance(arg, ast.Name)]
    return None if "actor" in passed else "calls require without its actor"


def _complaints() -> dict[str, str]:
    found = {}
    for path in layer_modules("service"):
        for function in public_functions(tree(path)):
            if complaint := _complaint(function):
                found[f"{module_name(path)}.{function.name}"] = f"{place(path, function)} {function.name} {complaint}"
    return found


def test_every_service_takes_its_actor_first_and_asks_for_a_permission_first() -> None:
    wrong = {name: text for name, text in _complaints().items() if name not in exceptions.SERVICES_WITHOUT_REQUIRE}
    assert not wrong, "\n".join(wrong.values())


def test_each_service_without_a_permission_has_a_reason_and_still_exists() -> None:
    complaints = _complaints()
    for name, reason in exceptions.SERVICES_WITHOUT_REQUIRE.items():
        assert len(reason) > 20, f"{name}: say why"
        assert name in complaints, f"{name} no longer needs its exception"


def _unit_of_work_calls(path_tree: ast.Module) -> list[ast.Call]:
    return [call for call in calls(path_tree) if called_name(call) in {"commit", "rollback"}]


def test_nothing_but_the_unit_of_work_commits() -> None:
    found = {}
    for path in app_modules():
        if path.is_relative_to(APP / "core") or module_name(path) in exceptions.COMMITTERS:
            continue
        for call in _unit_of_work_calls(tree(path)):
            found[place(path, call)] = called_name(call)
    assert not found, "open a unit of work in the face, the task or the command instead"


def test_services_never_commit_whatever_the_exceptions_say() -> None:
    found = [
        place(path, call)
        for path in layer_modules("service", "queries", "models", "web", "api")
        for call in _unit_of_work_calls(tree(path))
    ]
    assert not found


def test_each_committer_has_a_reason_and_still_commits() -> None:
    by_name = {module_name(path): path for path in app_modules()}
    for name, reason in exceptions.COMMITTERS.items():
        assert len(reason) > 20, f"{name}: say why"
        assert _unit_of_work_calls(tree(by_name[name])), f"{name} no longer needs its exception"


def test_every_relationship_says_that_it_loads_nothing_by_itself() -> None:
    wrong = []
    for path in app_modules():
        for call in calls(tree(path)):
            if called_name(call) == "relationship":
                lazy = [word.value for word in call.keywords if word.arg == "lazy"]
                if not (lazy and isinstance(lazy[0], ast.Constant) and lazy[0].value in {"raise", "write_only"}):
                    wrong.append(place(path, call))
    assert not wrong, 'write lazy="raise"; queries say what they load'


def test_no_condition_asks_whether_a_column_is_true_or_false() -> None:
    # MySQL looks up `is_active = true` in an index, but not `is_active IS true`.
    wrong = []
    for path in app_modules():
        for call in calls(tree(path)):
            is_null = len(call.args) == 1 and isinstance(call.args[0], ast.Constant) and call.args[0].value is None
            if called_name(call).split(".")[-1] in ("is_", "is_not") and not is_null:
                wrong.append(f"{place(path, call)} compare with == and sqlalchemy.true() or false()")
    assert not wrong, "\n".join(wrong)
