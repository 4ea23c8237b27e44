"""Loaded by Python at the start of the platform's processes under chaos (PYTHONPATH): breaks one mechanism on purpose.

``CHAOS_WITHOUT`` names the mechanism (``chaos.sabotage``), ``CHAOS_CRASH`` a function "module:name" in which the
process kills itself. Both are done when the module in question has been loaded. The product knows nothing of it.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any


def _no_begin_mark(module: Any) -> None:
    def begin(self: Any, claim: Any, planned: Any) -> bool:
        return True  # the engine starts, and nothing says so

    module.DatabasePort.begin = begin


def _no_salvage(module: Any) -> None:
    def ship_nothing(self: Any) -> None:
        return None

    original = module._finish_lost

    def finish(*arguments: Any) -> bool:
        kept, module.LogSink.ship_all = module.LogSink.ship_all, ship_nothing
        try:
            return bool(original(*arguments))
        finally:
            module.LogSink.ship_all = kept

    module._finish_lost = finish


def _no_lease(module: Any) -> None:
    module.LeaseWatch.reap = lambda self: 0


BREAK: dict[str, tuple[str, Callable[[Any], None]]] = {
    "begin-mark": ("app.jobs.database_port", _no_begin_mark),
    "salvage": ("app.jobs.watchdog", _no_salvage),
    "lease": ("app.jobs.watchdog", _no_lease),
}


def _crash(name: str) -> Callable[[Any], None]:
    def change(module: Any) -> None:
        setattr(module, name, lambda *_a, **_k: os.kill(os.getpid(), signal.SIGKILL))

    return change


class _After(importlib.abc.MetaPathFinder):
    """Finds one module as always and changes it once it is loaded."""

    def __init__(self, name: str, change: Callable[[Any], None]) -> None:
        self._name, self._change, self._busy = name, change, False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name or self._busy:
            return None
        self._busy = True
        try:
            spec = importlib.util.find_spec(fullname)
        finally:
            self._busy = False
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def load(module: ModuleType) -> None:
            execute(module)
            self._change(module)

        spec.loader.exec_module = load  # type: ignore[method-assign]
        return spec


if (without := os.environ.get("CHAOS_WITHOUT")) in BREAK:
    sys.meta_path.insert(0, _After(*BREAK[without]))
if point := os.environ.get("CHAOS_CRASH"):
    place, _, function = point.partition(":")
    sys.meta_path.insert(0, _After(place, _crash(function)))
