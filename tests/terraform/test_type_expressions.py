"""Type constraints: what is understood, what fits, and that terraform says the same."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runners.terraform_binaries import find_binaries
from app.terraform.type_expressions import Type, misfit, parse

FITTING: list[tuple[str, Any]] = [
    ("string", "a"),
    ("string", 5),
    ("string", True),
    ("number", 5),
    ("number", "-1.5e3"),
    ("number", "+.5"),
    ("bool", False),
    ("bool", "true"),
    ("bool", "0"),
    ("list(string)", ["a", 1, None]),
    ("set(number)", [1, "2"]),
    ("map(bool)", {"a": True, "b": "false"}),
    ("tuple([string, number])", ["a", 1]),
    ("tuple([])", []),
    ("any", {"a": [1]}),
    ("list(any)", [1, 2]),
    ("object({})", {"more": 1}),
    ("object({ name = string, port = optional(number, 80) })", {"name": "web"}),
    (
        'object({\n  name = string # of the host\n  tags = optional(map(string), { a = "x)" })\n})',
        {"name": 1, "more": 2},
    ),
    ("map(object({ cidr = string, zones = list(string) }))", {"a": {"cidr": "x", "zones": []}}),
]
MISFITS: list[tuple[str, Any, str]] = [
    ("string", [], "must be a text"),
    ("string", {}, "must be a text"),
    ("number", "five", "must be a number"),
    ("number", True, "must be a number"),
    ("number", "", "must be a number"),
    ("bool", 1, "must be true or false"),
    ("bool", "yes", "must be true or false"),
    ("list(string)", "a", "must be a list"),
    ("list(string)", {"a": "b"}, "must be a list"),
    ("list(number)", [1, "x"], "[1] must be a number"),
    ("set(bool)", ["perhaps"], "[0] must be true or false"),
    ("map(string)", ["a"], "must be an object"),
    ("map(number)", {"a": "b"}, '["a"] must be a number'),
    ("tuple([string, number])", ["a"], "must be a list of 2"),
    ("tuple([string, number])", ["a", "b"], "[1] must be a number"),
    ("object({ name = string })", {}, ".name is missing"),
    ("object({ name = string })", [], "must be an object"),
    ("list(object({ port = number }))", [{"port": 1}, {"port": "x"}], "[1].port must be a number"),
    ("object({ a = optional(object({ b = list(number) })) })", {"a": {"b": ["x"]}}, ".a.b[0] must be a number"),
]


@pytest.mark.parametrize(("expression", "value"), FITTING)
def test_what_terraform_takes_fits(expression: str, value: Any) -> None:
    wanted = parse(expression)
    assert wanted is not None and misfit(wanted, value) is None


@pytest.mark.parametrize(("expression", "value", "said"), MISFITS)
def test_what_does_not_fit_is_said_with_its_place(expression: str, value: Any, said: str) -> None:
    wanted = parse(expression)
    assert wanted is not None and misfit(wanted, value) == said


def test_keys_of_a_secret_map_stay_out_of_the_answer() -> None:
    wanted = parse("map(number)")
    assert wanted is not None and misfit(wanted, {"planted": "x"}, hides_keys=True) == '["..."] must be a number'


@pytest.mark.parametrize(
    "expression",
    [
        None,
        "",
        "nonsense",
        "list(",
        "list(string",
        "list(string))",
        "object({ name })",
        "object({ name = optional(string })",
        "tuple([string",
        "tuple([string number])",
        "optional(string)",
        "list(string)" + " " * 2000,
        "list(" * 100 + "string" + ")" * 100,
    ],
)
def test_what_is_not_understood_is_left_to_terraform(expression: str | None) -> None:
    assert parse(expression) is None


@given(st.text(alphabet='listmapobjecuny(){}[]=,:" \n#/*optional123', max_size=200))
@settings(max_examples=200, deadline=None)
def test_no_text_makes_the_reader_raise(text: str) -> None:
    assert parse(text) is None or isinstance(parse(text), Type)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=1), inner, max_size=2),
    max_leaves=6,
)
_TYPES = st.recursive(
    st.sampled_from(["string", "number", "bool", "any"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"list({one})"),
        inner.map(lambda one: f"map( {one} )"),
        st.lists(inner, max_size=2).map(lambda some: f"tuple([{', '.join(some)}])"),
        inner.map(lambda one: f"object({{ a = {one}, b = optional({one}) }})"),
    ),
    max_leaves=4,
)


@given(_TYPES, _JSON)
@settings(max_examples=200, deadline=None)
def test_every_expression_of_the_grammar_is_understood_and_judges_every_value(expression: str, value: Any) -> None:
    wanted = parse(expression)
    assert wanted is not None
    said = misfit(wanted, value)
    assert said is None or said.split(" ", 1)[-1] or said


def test_terraform_itself_refuses_exactly_the_same(tmp_path: Path) -> None:
    found = [binary for binary in find_binaries() if binary.program == "terraform"]
    if not found:
        pytest.skip("no terraform on this machine")
    cases = [*FITTING, *((expression, value) for expression, value, _said in MISFITS)]
    text = "".join(f'variable "v{n}" {{\n  type = {expression}\n}}\n' for n, (expression, _value) in enumerate(cases))
    (tmp_path / "main.tf").write_text(text)
    (tmp_path / "v.tfvars.json").write_text(json.dumps({f"v{n}": value for n, (_type, value) in enumerate(cases)}))
    command = [str(found[0].path), "plan", "-json", "-input=false", "-var-file=v.tfvars.json"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    events = [json.loads(line) for line in ran.stdout.splitlines()]
    said = [event["diagnostic"]["detail"] for event in events if event["type"] == "diagnostic"]
    refused = {match[1] for detail in said if (match := re.search(r"var\.(v\d+) declared at", detail))}
    assert refused == {f"v{n}" for n in range(len(FITTING), len(cases))}
