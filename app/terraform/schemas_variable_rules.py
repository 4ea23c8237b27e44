"""Shapes of the rules that people set on a variable, shared by the REST API and the form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.core.errors import InvalidInput
from app.core.schemas import Strict
from app.terraform.safe_pattern import MAX_PATTERN
from app.terraform.variable_rules import KEYS, LENGTHS, MAX_CHOICE, MAX_CHOICES, MAX_COUNT

_LENGTH = validate.Range(0, MAX_COUNT)


class TerraformVariableRules(Strict):
    """What each value of a variable has to keep, wherever it is from."""

    pattern = fields.String(
        allow_none=True,
        validate=validate.Length(1, MAX_PATTERN),
        metadata={
            "description": "The whole value has to fit. Groups, classes, |, numbers of times.",
            "example": None,
        },
    )
    min = fields.Float(allow_none=True, allow_nan=False, metadata={"example": None})
    max = fields.Float(allow_none=True, allow_nan=False, metadata={"example": None})
    min_length = fields.Integer(strict=True, allow_none=True, validate=_LENGTH, metadata={"example": None})
    max_length = fields.Integer(strict=True, allow_none=True, validate=_LENGTH, metadata={"example": None})
    one_of = fields.List(
        fields.String(validate=validate.Length(max=MAX_CHOICE)),
        allow_none=True,
        validate=validate.Length(1, MAX_CHOICES),
        metadata={"description": 'As texts: 3 and "3" are the same.', "example": None},
    )


def rules_of_form(form: Mapping[str, str]) -> dict[str, Any]:
    """Return the rules that a form holds under ``rule_...``; empty fields say nothing. Raises InvalidInput by field."""
    typed = {key: form.get(f"rule_{key}", "").strip() for key in KEYS}
    given: dict[str, Any] = {key: text for key, text in typed.items() if text}
    if "one_of" in given:
        given["one_of"] = [line.strip() for line in given["one_of"].splitlines() if line.strip()]
    for key in LENGTHS:
        if key in given and given[key].isascii() and given[key].isdigit() and len(given[key]) < 10:
            given[key] = int(given[key])
    try:
        loaded: dict[str, Any] = TerraformVariableRules().load(given)
    except ValidationError as error:
        wrong = error.messages if isinstance(error.messages, dict) else {}
        raise InvalidInput(**{f"rule_{key}": _said(said) for key, said in wrong.items()}) from error
    return loaded


def _said(said: Any) -> str:
    """Return the first sentence of marshmallow's messages, which nest for lists."""
    while not isinstance(said, str):
        said = next(iter(said.values() if isinstance(said, dict) else said), "This cannot be used.")
    return said
