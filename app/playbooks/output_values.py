"""References among a launch's values: who may use them, checked when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.jobs import references
from app.jobs.references import ReferenceRefused, is_reference


@dataclass(frozen=True, slots=True)
class Voucher:
    """Whose rights stand behind values that somebody else launches with: those of a saved launch's owner."""

    actor: Actor
    values: Mapping[str, Any] = field(default_factory=dict)

    def covers(self, name: str, reference: str) -> bool:
        """Say whether this very reference is what was vouched for."""
        return self.values.get(name) == reference


def check_references(
    actor: Actor, found: Mapping[str, str], voucher: Voucher | None = None, *, must_exist: bool = True
) -> dict[str, bool]:
    """Return for each name whether a sensitive value may be used; InvalidInput for references that cannot be."""
    allowed: dict[str, bool] = {}
    errors: dict[str, str] = {}
    for name, reference in found.items():
        behind = voucher.actor if voucher is not None and voucher.covers(name, reference) else actor
        try:
            allowed[name] = references.check(behind, reference, must_exist=must_exist)
        except ReferenceRefused as error:
            errors[f"extra_vars.{name}"] = str(error)
    if errors:
        raise InvalidInput(**errors)
    return allowed


def references_in(values: Mapping[str, Any]) -> dict[str, str]:
    """Return those of ``values`` that are references."""
    return {name: value for name, value in values.items() if is_reference(value)}
