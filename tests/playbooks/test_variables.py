from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.playbooks.declarations import RESERVED, VariableType, parse_specs, suggest
from app.playbooks.variables import check_variables, read_typed

SPECS = parse_specs(
    [
        {"name": "title"},
        {"name": "count", "type": "number", "minimum": 1, "maximum": 10, "default": 3},
        {"name": "fast", "type": "boolean", "default": False},
        {"name": "size", "type": "choice", "choices": ["small", "large"], "default": "small"},
        {"name": "parts", "type": "multi_choice", "choices": ["a", "b"]},
        {"name": "pin", "type": "secret"},
        {"name": "target", "type": "server"},
    ]
)


def _wrong(given: Any, name: str, specs: Any = SPECS, defaults: Any = None) -> str:
    with pytest.raises(InvalidInput) as caught:
        check_variables(specs, defaults or {}, given)
    return str(caught.value.errors[f"extra_vars.{name}"][0])


def test_given_values_win_over_defaults() -> None:
    checked = check_variables(SPECS, {"count": 4, "other": "kept"}, {"count": 5})
    assert checked.extra_vars == {"count": 5, "fast": False, "size": "small", "other": "kept"}


def test_secrets_are_kept_apart() -> None:
    checked = check_variables(SPECS, {}, {"pin": "correct horse", "title": "x"})
    assert checked.secrets == {"pin": "correct horse"}
    assert "pin" not in checked.extra_vars


def test_a_short_secret_is_refused_because_it_could_not_be_masked() -> None:
    assert "8 to 4,096 characters" in _wrong({"pin": "1234567"}, "pin")


@pytest.mark.parametrize(
    "name",
    [
        *("ansible_connection", "ansible_ssh_common_args", "ansible_ssh_executable", "ansible_python_interpreter"),
        *("ansible_become_password", "ANSIBLE_HOST", "hostvars", "environment", "inventory_hostname"),
    ],
)
def test_t_vars_names_of_ansible_itself_are_refused_even_when_they_are_defaults(name: str) -> None:
    assert "belongs to Ansible" in _wrong({name: "x"}, name)
    assert "belongs to Ansible" in _wrong({name: "x"}, name, defaults={name: "y"})


@pytest.mark.parametrize("name", ["", "1a", "a-b", "a b", "class", "a" * 101, "é", "a\n"])
def test_t_vars_names_that_are_no_names_are_refused(name: str) -> None:
    assert "A variable's name" in _wrong({name: "x"}, name[:100])


def test_t_vars_a_name_that_nobody_declared_is_refused() -> None:
    assert "declares no such variable" in _wrong({"nope": 1}, "nope")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", 5),
        ("title", "x" * 10_001),
        ("title", "a\x00b"),
        ("title", "\ud800"),
        ("count", "3"),
        ("count", True),
        ("count", 0),
        ("count", 11),
        ("count", float("nan")),
        ("fast", "true"),
        ("size", "huge"),
        ("size", ["small"]),
        ("parts", "a"),
        ("parts", ["a", "c"]),
        ("parts", ["a", "a"]),
        ("pin", 12345678),
        ("target", ""),
    ],
)
def test_a_value_of_another_type_is_refused(name: str, value: Any) -> None:
    assert name in _wrong({name: value}, name)


@pytest.mark.parametrize(
    "mark", ["{{ lookup('pipe', 'id') }}", "{{ {'a': 1} and lookup('pipe', 'id') }}", "{% if 1 %}", "{# x #}"]
)
def test_t_vars_templates_are_refused_wherever_they_hide(mark: str) -> None:
    loose = {"free": None}
    for value in (mark, [mark], {"a": [{"b": mark}]}, {mark: 1}):
        assert "never templates" in _wrong({"free": value}, "free", defaults=loose)
    assert "never templates" in _wrong({"title": mark}, "title")
    assert "never templates" in _wrong({"pin": "12345678" + mark}, "pin")


def test_sizes_have_limits() -> None:
    loose: dict[str, Any] = {"free": None}
    deep: Any = "x"
    for _ in range(12):
        deep = [deep]
    assert "nests deeper" in _wrong({"free": deep}, "free", defaults=loose)
    assert "1000" in _wrong({"free": [1] * 1001}, "free", defaults=loose)
    assert "exactly" in _wrong({"free": 2**60}, "free", defaults=loose)
    with pytest.raises(InvalidInput, match="fields") as caught:
        check_variables((), loose, {"free": ["x" * 9999] * 8})
    assert "64 KiB" in caught.value.errors["extra_vars"][0]


def test_a_required_variable_must_be_given() -> None:
    specs = parse_specs([{"name": "who", "required": True, "label": "User name"}])
    assert _wrong({}, "who", specs) == "User name is required."
    assert _wrong({"who": ""}, "who", specs) == "User name is required."
    assert check_variables(specs, {"who": "ada"}, {}).extra_vars == {"who": "ada"}


def test_every_wrong_value_is_named_at_once() -> None:
    with pytest.raises(InvalidInput) as caught:
        check_variables(SPECS, {}, {"count": "x", "size": "y", "nope": 1})
    assert sorted(caught.value.errors) == ["extra_vars.count", "extra_vars.nope", "extra_vars.size"]


@pytest.mark.parametrize(
    "bad",
    [
        "x",
        {"type": "text"},
        {"name": "ansible_user"},
        {"name": "a", "type": "date"},
        {"name": "a", "type": ["text"]},
        {"name": "a", "pattern": "(a+)+$"},
        {"name": "a", "type": "choice"},
        {"name": "a", "type": "choice", "choices": []},
        {"name": "a", "type": "choice", "choices": [1]},
        {"name": "a", "choices": ["b"]},
        {"name": "a", "type": "secret", "default": "hunter2hunter2"},
        {"name": "a", "minimum": 1},
        {"name": "a", "type": "number", "minimum": "1"},
        {"name": "a", "required": "yes"},
        {"name": "a", "label": "x" * 101},
        {"name": "a", "pattern": ["ip"]},
        {"name": "a", "type": "number", "pattern": "ip"},
        {"name": "a", "type": "secret", "pattern": "ip"},
        {"name": "a", "type": "secret", "multiline": True},
        {"name": "a", "characters": ["emoji"]},
        {"name": "a", "characters": "digits"},
        {"name": "a", "min_length": -1},
        {"name": "a", "min_length": 1.5},
        {"name": "a", "min_length": 5, "max_length": 4},
        {"name": "a", "integer": True},
        {"name": "a", "type": "number", "integer": 1},
        {"name": "a", "type": "number", "minimum": 2, "maximum": 1},
        {"name": "a", "type": "choice", "choices": ["x"], "multiple": True},
    ],
)
def test_a_declaration_that_makes_no_sense_is_refused(bad: Any) -> None:
    with pytest.raises(InvalidInput):
        parse_specs([bad])


def test_a_variable_is_declared_once() -> None:
    with pytest.raises(InvalidInput, match="fields"):
        parse_specs([{"name": "a"}, {"name": "a"}])


def test_declarations_survive_storage() -> None:
    assert parse_specs(json.loads(json.dumps([spec.as_json() for spec in SPECS]))) == SPECS


def test_prompts_and_vars_become_suggestions() -> None:
    plays = [
        {
            "hosts": "all",
            "vars_prompt": [{"name": "pw", "prompt": "Password"}, {"name": "who", "private": False}],
            "vars": {"port_number": 80, "on": True, "name": "x", "expr": "{{ a }}", "ansible_user": "root", "l": [1]},
        }
    ]
    found = {entry["name"]: entry for entry in suggest(plays)}
    assert found["pw"] == {"name": "pw", "type": "secret", "label": "Password"}
    assert found["who"]["type"] == "text"
    assert found["port_number"] == {"name": "port_number", "type": "number", "default": 80}
    assert found["on"]["default"] is True
    assert "default" not in found["expr"]
    assert not {"ansible_user", "l"} & found.keys()


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("number", ["8080"], 8080),
        ("number", ["1.5"], 1.5),
        ("number", ["x"], "x"),
        ("number", [""], None),
        ("boolean", [], False),
        ("boolean", ["1"], True),
        ("boolean", ["0", "1"], True),
        ("boolean", ["perhaps"], "perhaps"),
        ("text", [" a "], " a "),
        ("text", [], None),
        ("choice", ["small"], "small"),
        ("multi_choice", ["a", "b"], ["a", "b"]),
        ("multi_choice", [], []),
        ("secret", [" pass word "], " pass word "),
    ],
)
def test_what_a_form_sends_becomes_a_typed_value(kind: str, typed: list[str], value: Any) -> None:
    choices = ["small", "a", "b"] if "choice" in kind else None
    spec = parse_specs([{"name": "v", "type": kind, **({"choices": choices} if choices else {})}])[0]
    assert read_typed(spec, typed) == value


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from([spec.name for spec in SPECS] + ["free"]) | st.text(max_size=12), JSON))
def test_t_vars_whatever_passes_is_typed_declared_and_free_of_templates(given: dict[str, Any]) -> None:
    try:
        checked = check_variables(SPECS, {"free": None}, given)
    except InvalidInput as error:
        assert error.errors
        return
    text = json.dumps(checked.extra_vars)
    assert not any(mark in text for mark in ("{{", "{%", "{#"))
    assert checked.extra_vars.keys() <= {spec.name for spec in SPECS} | {"free"}
    assert not any(name.casefold().startswith("ansible_") or name in RESERVED for name in checked.extra_vars)


@given(st.sampled_from(list(VariableType)), st.lists(st.text(max_size=30), max_size=3))
def test_no_typed_text_breaks_the_reader(kind: VariableType, typed: list[str]) -> None:
    choices = ["a"] if "choice" in kind else None
    spec = parse_specs([{"name": "v", "type": kind, **({"choices": choices} if choices else {})}])[0]
    read_typed(spec, typed)
