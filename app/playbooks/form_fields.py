"""Declared variables as the fields of a form: what stands in them at first, and their limits in words."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.jobs.references import is_reference
from app.playbooks.declarations import MAX_TEXT, VariableSpec, VariableType
from app.playbooks.patterns import PATTERNS, characters_in_words

SECRET_HELP = "Kept encrypted, never shown again, masked in the log."  # noqa: S105 - words for people
KEPT_HELP = "One is kept; leave this empty to use it, or type another."


def form_fields(
    specs: Sequence[VariableSpec], values: Mapping[str, Any], *, kept: Collection[str] = ()
) -> list[dict[str, Any]]:
    """Return one field per declaration, in their order: the declaration's keys, ``value`` and ``limits``.

    ``values`` win over the declared defaults. ``kept`` names secrets that are stored already: they are not asked
    for again. A secret's value is never in the result; a reference stands under ``reference`` instead of ``value``.
    """
    return [_field(spec, values, kept) for spec in specs]


def _field(spec: VariableSpec, values: Mapping[str, Any], kept: Collection[str]) -> dict[str, Any]:
    secret = spec.type is VariableType.SECRET
    value = values.get(spec.name, spec.default)
    looked_up = is_reference(value)
    return {
        "name": spec.name,
        "type": spec.type.value,
        "label": spec.label or spec.name,
        "description": spec.description,
        "required": spec.required,
        "value": None if secret or looked_up else value,
        "reference": value if looked_up else None,
        "choices": list(spec.choices),
        "pairs": [(choice, choice) for choice in spec.choices],
        "minimum": spec.minimum,
        "maximum": spec.maximum,
        "integer": spec.integer,
        "min_length": spec.min_length,
        "max_length": spec.max_length or MAX_TEXT,
        "multiline": spec.multiline,
        "multiple": spec.multiple,
        "is_kept": spec.name in kept,
        "limits": limits_in_words(spec) if not secret else _secret_words(spec, spec.name in kept),
    }


def _secret_words(spec: VariableSpec, is_kept: bool) -> str:
    return " ".join(part for part in (limits_in_words(spec), KEPT_HELP if is_kept else SECRET_HELP) if part)


def limits_in_words(spec: VariableSpec) -> str:
    """Return what a declaration allows, as a sentence ("A whole number from 1 to 20."), empty for anything."""
    parts = []
    if spec.type is VariableType.NUMBER:
        span = _span(spec.minimum, spec.maximum)
        if spec.integer or span:
            parts.append(f"A {'whole ' if spec.integer else ''}number{span}.")
    if spec.pattern is not None:
        words = PATTERNS[spec.pattern][0]
        parts.append(f"{words[0].upper()}{words[1:]}.")
    if spec.characters:
        parts.append(f"Only: {characters_in_words(spec.characters)}")
    lengths = _span(spec.min_length, spec.max_length)
    if lengths:
        parts.append(f"Characters:{lengths}.")
    return " ".join(parts)


def _span(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f" from {low:g} to {high:g}"
    if low is not None:
        return f" from {low:g}"
    return f" up to {high:g}" if high is not None else ""
