"""Which cases there are. A case is a function that gets a started-from-nothing site and returns a verdict."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass

import chaos.cases
from chaos.oracles import Verdict
from chaos.rig import Site


@dataclass(frozen=True)
class Size:
    """How much of a case is done: ``factor`` 1.0 is the whole, ``quick`` the short mix of continuous integration."""

    quick: bool = False

    def of(self, whole: int, quick: int) -> int:
        """Choose a figure."""
        return quick if self.quick else whole


class Skipped(Exception):
    """This machine cannot show a case; the message says why."""


Act = Callable[[Site, Size], Verdict]


@dataclass(frozen=True)
class Case:
    """One line of the table. ``fault`` and ``promise`` are sentences for docs/reliability.md."""

    name: str
    fault: str
    promise: str
    act: Act
    in_quick: bool


_cases: dict[str, Case] = {}


def case(name: str, fault: str, promise: str, *, quick: bool = False) -> Callable[[Act], Act]:
    """Register a case under the number it has in the requirements ("R1"); ``quick``: part of the short mix."""

    def register(act: Act) -> Act:
        assert name not in _cases, name
        _cases[name] = Case(name, fault, promise, act, quick)
        return act

    return register


def _order(name: str) -> tuple[int, str]:
    digits = "".join(character for character in name if character.isdigit())
    return int(digits or 0), name


def cases() -> dict[str, Case]:
    """Every case by name, in the order of their numbers."""
    for module in pkgutil.iter_modules(chaos.cases.__path__):
        importlib.import_module(f"chaos.cases.{module.name}")
    return {name: _cases[name] for name in sorted(_cases, key=_order)}
