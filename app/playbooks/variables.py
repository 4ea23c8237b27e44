"""Values of variables at a launch: checked against the declarations, secrets kept apart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.core.errors import InvalidInput
from app.jobs.references import is_reference
from app.playbooks.declarations import MAX_TEXT, VariableSpec, VariableType, check_name
from app.playbooks.patterns import wrong_text

MAX_TOTAL = 65_536  # bytes of all values as JSON
MAX_DEPTH = 10
MAX_ITEMS = 1000
MINIMUM_SECRET = 8  # shorter ones cannot be masked without spoiling the log
MAX_SECRET = 4096
_TEMPLATE_MARKS = ("{{", "{%", "{#")
_TRUE, _FALSE = {"true", "yes", "on", "1"}, {"false", "no", "off", "0"}


@dataclass(frozen=True, slots=True)
class CheckedVariables:
    """What the engine gets. ``extra_vars`` holds defaults and given values, ``secrets`` the secret ones alone.

    ``references`` (name -> reference) are those of ``extra_vars`` that are looked up when the run is built; what they
    stand for is checked then (``run_values``).
    """

    extra_vars: dict[str, Any]
    secrets: dict[str, str]
    references: dict[str, str] = field(default_factory=dict)


def _plain_text(value: str) -> str | None:
    """Return what is wrong with a text, None when it may be used."""
    if len(value) > MAX_TEXT:
        return f"must not be longer than {MAX_TEXT:,} characters"
    if any(mark in value for mark in _TEMPLATE_MARKS):
        return "must not hold '{{', '{%' or '{#': values are text, never templates"
    if "\x00" in value or any(0xD800 <= ord(character) <= 0xDFFF for character in value):
        return "holds characters that are not text"
    return None


def _json(value: Any, depth: int = 0) -> str | None:
    """Return what is wrong with any JSON value, None when it may be used."""
    if depth > MAX_DEPTH:
        return f"nests deeper than {MAX_DEPTH} levels"
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int | float):
        return None if math.isfinite(value) and abs(value) <= 2**53 else "is not a number that can be stored exactly"
    if isinstance(value, Mapping) and len(value) <= MAX_ITEMS and all(isinstance(key, str) for key in value):
        parts: Sequence[Any] = [*value.keys(), *value.values()]
    elif isinstance(value, list) and len(value) <= MAX_ITEMS:
        parts = value
    else:
        return f"must be text, a number, true, false, a list or an object of at most {MAX_ITEMS} entries"
    return next((wrong for part in parts if (wrong := _json(part, depth + 1))), None)


def _text(spec: VariableSpec, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be text"
    if not spec.multiline and ("\n" in value or "\r" in value):
        return "must be one line"
    return _plain_text(value) or _length(spec, value) or wrong_text(value, spec.pattern, spec.characters)


def _length(spec: VariableSpec, value: str) -> str | None:
    # Nothing at all is the matter of "required".
    if value and spec.min_length is not None and len(value) < spec.min_length:
        return f"must have at least {spec.min_length:,} characters"
    if spec.max_length is not None and len(value) > spec.max_length:
        return f"must have at most {spec.max_length:,} characters"
    return None


def _number(spec: VariableSpec, value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "must be a number"
    if spec.integer and not isinstance(value, int):
        return "must be a whole number"
    if spec.minimum is not None and value < spec.minimum:
        return f"must be at least {spec.minimum:g}"
    if spec.maximum is not None and value > spec.maximum:
        return f"must be at most {spec.maximum:g}"
    return _json(value)


def _multi_choice(spec: VariableSpec, value: Any) -> str | None:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value) or len(set(value)) != len(value):
        return "must be a list of different texts"
    return None if set(value) <= set(spec.choices) else f"may hold: {', '.join(spec.choices)[:500]}"


def _secret(spec: VariableSpec, value: Any) -> str | None:
    if not isinstance(value, str) or not MINIMUM_SECRET <= len(value) <= MAX_SECRET:
        return f"must be text of {MINIMUM_SECRET} to {MAX_SECRET:,} characters, so that it can be masked in the log"
    return _plain_text(value) or _length(spec, value) or wrong_text(value, None, spec.characters)


def _server(spec: VariableSpec, value: Any) -> str | None:
    if not spec.multiple:
        return _plain_text(value) if isinstance(value, str) and value else "must be a server's name"
    if not isinstance(value, list) or len(value) > MAX_ITEMS or len(set(map(str, value))) != len(value):
        return f"must be a list of at most {MAX_ITEMS:,} different servers' names"
    wrong = [item for item in value if not isinstance(item, str) or not item or _plain_text(item)]
    return "must be a list of servers' names" if wrong else None


_CHECKS: dict[VariableType, Callable[[VariableSpec, Any], str | None]] = {
    VariableType.TEXT: _text,
    VariableType.NUMBER: _number,
    VariableType.BOOLEAN: lambda _s, v: None if isinstance(v, bool) else "must be true or false",
    VariableType.CHOICE: lambda s, v: (
        None if isinstance(v, str) and v in s.choices else f"must be one of: {', '.join(s.choices)[:500]}"
    ),
    VariableType.MULTI_CHOICE: _multi_choice,
    VariableType.SECRET: _secret,
    VariableType.SERVER: _server,
}


def check_value(spec: VariableSpec, value: Any) -> str | None:
    """Return what is wrong with a value ("must be a number"), None when it fits the declaration."""
    return _CHECKS[spec.type](spec, value)


def check_any(value: Any) -> str | None:
    """Return what is wrong with a value that no declaration describes, None when it may be used."""
    return _json(value)


def check_variables(
    specs: Sequence[VariableSpec], defaults: Mapping[str, Any], given: Any, *, field: str = "extra_vars"
) -> CheckedVariables:
    """Merge ``given`` over the defaults, check every value, keep secrets apart.

    Raises InvalidInput with one entry per wrong variable (``extra_vars.<name>``): unknown names, Ansible's own
    names, wrong types, template marks, missing required ones, too much text.
    """
    if not isinstance(given, Mapping):
        raise InvalidInput(**{field: "Give an object of variable names and values."})
    known = {spec.name: spec for spec in specs}
    errors: dict[str, str] = {}
    values = {**{spec.name: spec.default for spec in specs if spec.default is not None}, **defaults}
    for name, value in given.items():
        place = f"{field}.{str(name)[:100]}"
        try:
            check_name(name, field=place)
        except InvalidInput as error:
            errors[place] = error.errors[place][0]
            continue
        if name not in known and name not in defaults:
            errors[place] = "This playbook declares no such variable. Remove it, or declare it on the playbook."
        elif value is None and name in known:
            values.pop(name, None)  # given as nothing: the default does not come back either
        else:
            values[name] = value
    secrets: dict[str, str] = {}
    looked_up = {name: value for name, value in values.items() if is_reference(value)}
    for name, value in values.items():
        if name in looked_up:
            continue
        wrong = check_value(known[name], value) if name in known else _json(value)
        if wrong:
            errors.setdefault(f"{field}.{name}", f"{name} {wrong}.")
    for spec in specs:
        if spec.required and values.get(spec.name) in (None, "", []):
            errors.setdefault(f"{field}.{spec.name}", f"{spec.label or spec.name} is required.")
        if spec.type is VariableType.SECRET and spec.name in values and spec.name not in looked_up:
            secrets[spec.name] = values.pop(spec.name)
    if errors:
        raise InvalidInput(**errors)
    if len(json.dumps(values)) > MAX_TOTAL:
        raise InvalidInput(**{field: f"All values together are larger than {MAX_TOTAL // 1024} KiB. Give less."})
    return CheckedVariables(values, secrets, looked_up)


def read_typed(spec: VariableSpec, typed: Sequence[str]) -> Any:
    """Turn what a form field sent into the variable's JSON value; None for "nothing was given".

    What cannot be turned stays text, and ``check_variables`` says what is wrong with it. An unticked box sends
    nothing and means false.
    """
    if takes_several(spec):
        return [item for item in typed if item]
    last = typed[-1].strip() if typed else ""
    if spec.type is VariableType.BOOLEAN:
        return False if not last or last.lower() in _FALSE else True if last.lower() in _TRUE else last
    if not last:
        return None
    if spec.type is VariableType.NUMBER:
        try:
            number = float(last)
        except ValueError:
            return last
        return int(last) if last.lstrip("+-").isdigit() and len(last) < 20 else number
    if spec.type is VariableType.TEXT:
        return typed[-1].replace("\r\n", "\n")  # what a browser makes of a line break
    return typed[-1] if spec.type is VariableType.SECRET else last


def takes_several(spec: VariableSpec) -> bool:
    """Say whether a variable's value is a list: several choices or several servers."""
    return spec.type is VariableType.MULTI_CHOICE or (spec.type is VariableType.SERVER and spec.multiple)
