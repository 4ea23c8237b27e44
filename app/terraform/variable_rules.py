"""Rules that people set on a variable, beside those that its files declare."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from app.core.errors import InvalidInput
from app.terraform import safe_pattern
from app.terraform.models_variables import TerraformVariable
from app.terraform.safe_pattern import BadPattern, compile_pattern

SOURCE, FILES, PEOPLE = "source", "files", "people"
NUMBERS, LENGTHS = ("min", "max"), ("min_length", "max_length")
KEYS = ("pattern", *NUMBERS, *LENGTHS, "one_of")
MAX_CHOICES, MAX_CHOICE, MAX_COUNT = 100, 200, 65_536


def rules_of(variable: TerraformVariable) -> dict[str, Any]:
    """Return the rules that people set on a variable; none is an empty one."""
    for entry in variable.validation_rules or []:
        if entry.get(SOURCE) == PEOPLE:
            return {key: entry[key] for key in KEYS if key in entry}
    return {}


def declared_rules(variable: TerraformVariable) -> list[dict[str, Any]]:
    """Return the rules that the files declare: conditions, which terraform looks at, with their messages."""
    return [entry for entry in variable.validation_rules or [] if entry.get(SOURCE) != PEOPLE]


def together(declared: list[dict[str, Any]], rules: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Return what is kept of both; None for none."""
    kept = [{**entry, SOURCE: FILES} for entry in declared]
    return [*kept, {SOURCE: PEOPLE, **rules}] if rules else kept or None


def checked(given: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return rules as they are kept, without those that say nothing. Raises InvalidInput for ``rules``."""
    wanted = {key: given[key] for key in KEYS if given and given.get(key) is not None}
    if "pattern" in wanted:
        try:
            compile_pattern(wanted["pattern"])
        except BadPattern as error:
            raise InvalidInput(rules=f"The pattern cannot be used. {error}") from None
    if not all(math.isfinite(wanted.get(key, 0)) for key in NUMBERS):
        raise InvalidInput(rules="The least and the most are numbers.")
    if not all(0 <= wanted.get(key, 0) <= MAX_COUNT for key in LENGTHS):
        raise InvalidInput(rules=f"Lengths go from 0 to {MAX_COUNT}.")
    for least, most in (NUMBERS, LENGTHS):
        if least in wanted and most in wanted and wanted[least] > wanted[most]:
            raise InvalidInput(rules="The least is more than the most: nothing could be given.")
    choices = wanted.get("one_of", ("",))
    if not 1 <= len(choices) <= MAX_CHOICES or any(len(one) > MAX_CHOICE for one in choices):
        raise InvalidInput(rules=f"Give 1 to {MAX_CHOICES} choices of {MAX_CHOICE} characters at most.")
    return wanted


def broken_rule(rules: Mapping[str, Any], value: Any) -> str | None:
    """Return the first rule that a value breaks, as in "must be at least 3"; None when it keeps them all.

    The value itself is never in the answer.
    """
    checks = (_broken_choice, _broken_pattern, _broken_number, _broken_length)
    return next((found for check in checks if (found := check(rules, value))), None)


def _broken_choice(rules: Mapping[str, Any], value: Any) -> str | None:
    if "one_of" not in rules or _as_text(value) in rules["one_of"]:
        return None
    shown = ", ".join(rules["one_of"][:10])
    return f"must be one of {shown}{' ...' if len(rules['one_of']) > 10 else ''}"


def _broken_pattern(rules: Mapping[str, Any], value: Any) -> str | None:
    if "pattern" not in rules:
        return None
    text = _as_text(value)
    if text is not None and len(text) > safe_pattern.MAX_TEXT:
        return f"must have at most {safe_pattern.MAX_TEXT} characters, because it has to fit a pattern"
    fits = text is not None and compile_pattern(rules["pattern"]).fits(text)
    return None if fits else f"must fit the pattern {rules['pattern']}"


def _broken_number(rules: Mapping[str, Any], value: Any) -> str | None:
    if not any(key in rules for key in NUMBERS):
        return None
    number = _as_number(value)
    if number is None:
        return "must be a number"
    if "min" in rules and number < rules["min"]:
        return f"must be at least {_as_text(rules['min'])}"
    if "max" in rules and number > rules["max"]:
        return f"must be at most {_as_text(rules['max'])}"
    return None


def _broken_length(rules: Mapping[str, Any], value: Any) -> str | None:
    if not any(key in rules for key in LENGTHS):
        return None
    counted = value if isinstance(value, (list, dict)) else _as_text(value)
    what = "entries" if isinstance(value, (list, dict)) else "characters"
    length = len(counted or "")
    if length < rules.get("min_length", 0):
        return f"must have at least {rules['min_length']} {what}"
    if length > rules.get("max_length", length):
        return f"must have at most {rules['max_length']} {what}"
    return None


def _as_text(value: Any) -> str | None:
    """Return a value as terraform makes a text of it; None for what it makes none of."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value) if isinstance(value, (bool, int, float)) else None


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return None
    return value if math.isfinite(value) else None
