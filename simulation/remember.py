"""Equal statements are built once: most of a history's time was the building of SQL that had been built before.

SQLAlchemy's expressions do not change once they are made, so the same call with the same arguments may return the same
object; its key in the cache of compiled statements then stays with it too. What is executed is what it was. For the
life of this process.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import Enum
from types import BuiltinFunctionType, FunctionType, NoneType
from typing import Any

from sqlalchemy.orm import QueryableAttribute
from sqlalchemy.orm.util import AliasedClass
from sqlalchemy.sql import _dml_constructors, _selectable_constructors
from sqlalchemy.sql.dml import Delete, Insert, Update
from sqlalchemy.sql.elements import ClauseElement, ColumnElement
from sqlalchemy.sql.selectable import Select

MOST = 20_000  # calls that are kept; then all are forgotten
_VALUES = (int, str, bool, float, bytes, datetime, timedelta, NoneType)
# Told apart by what they are, not by what they say. Kept alive with the call, so that no other gets their id.
_THINGS = (ClauseElement, QueryableAttribute, AliasedClass, Enum, type, FunctionType, BuiltinFunctionType)
_STATEMENTS: dict[type[Any], tuple[str, ...]] = {
    Select: (
        "where", "join", "outerjoin", "select_from", "group_by", "order_by", "limit", "distinct", "with_for_update",
        "execution_options", "scalar_subquery",
    ),
    Update: ("where", "values", "execution_options"),
    Delete: ("where", "execution_options"),
    Insert: ("values", "execution_options"),
}  # fmt: skip
_calls: dict[Any, tuple[Any, Any, Any]] = {}


class _Unknown(Exception):
    """An argument that may change."""


def _key(value: Any) -> Any:
    kind = value.__class__
    if kind in _VALUES:
        return kind, value  # 1 is not True
    if kind is tuple or kind is list:
        return kind, *map(_key, value)
    if isinstance(value, _THINGS):
        return id(value)
    raise _Unknown


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``function``, which returns what it returned when it was called like this before."""

    @functools.wraps(function)
    def asked(*arguments: Any, **more: Any) -> Any:
        try:
            key = (function, *map(_key, arguments), *((name, _key(value)) for name, value in more.items()))
        except _Unknown:
            return function(*arguments, **more)
        found = _calls.get(key)
        if found is None:
            if len(_calls) >= MOST:
                _calls.clear()
            found = _calls[key] = (function(*arguments, **more), arguments, more)
        return found[0]

    return asked


def install() -> None:
    """Replace the makers of statements and conditions."""
    _selectable_constructors.Select = remembered(Select)  # type: ignore[attr-defined, assignment]
    for name, statement in (("Insert", Insert), ("Update", Update), ("Delete", Delete)):
        setattr(_dml_constructors, name, remembered(statement))
    for statement, names in _STATEMENTS.items():
        for name in names:
            setattr(statement, name, remembered(getattr(statement, name)))
    QueryableAttribute.operate = remembered(QueryableAttribute.operate)  # type: ignore[method-assign]
    original = ColumnElement.operate
    joined = remembered(original)

    def operate(self: Any, op: Any, *other: Any, **more: Any) -> Any:
        made = joined if op is operator.and_ or op is operator.or_ else original
        return made(self, op, *other, **more)

    ColumnElement.operate = operate  # type: ignore[method-assign]
