"""Sorting of lists by an allow-listed key in the address: ``sort=name`` upwards, ``sort=-name`` downwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, or_
from sqlalchemy.orm import InstrumentedAttribute

from app.core.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Sort:
    """Order of a list: by a column, then by the list's own key so that equal rows have an order too."""

    column: InstrumentedAttribute[Any]
    descending: bool

    def order(self, key: InstrumentedAttribute[int]) -> tuple[ColumnElement[Any], ...]:
        """Return the ORDER BY terms. Empty values come first upwards and last downwards, on every database."""
        if self.column is key:
            return (key.desc() if self.descending else key.asc(),)
        if self.descending:
            return (self.column.desc(), key.desc())
        return (self.column.asc(), key.asc())

    def behind(self, key: InstrumentedAttribute[int], after: int, value: Any) -> ColumnElement[bool]:
        """Return the condition on rows that follow the one with this key and this value in the column."""
        later = key < after if self.descending else key > after
        if self.column is key:
            return later
        if value is None:
            same = and_(self.column.is_(None), later)
            return same if self.descending else or_(same, self.column.is_not(None))
        further = self.column < value if self.descending else self.column > value
        found = or_(further, and_(self.column == value, later))
        return or_(found, self.column.is_(None)) if self.descending else found


class SortKeys:
    """What a list may be sorted by.

    Each column needs an index that begins with tenant_id and the column, or a million rows are sorted by hand. No
    native ENUM: MySQL orders it by position but compares it as text, so a cursor would lose rows.
    """

    def __init__(self, default: str, columns: Mapping[str, InstrumentedAttribute[Any]]) -> None:
        self.default = default
        self.columns = dict(columns)
        self.pick(default)

    @property
    def words(self) -> list[str]:
        """Every accepted value of the ``sort`` parameter."""
        return [word for name in self.columns for word in (name, f"-{name}")]

    def pick(self, word: str | None) -> Sort:
        """Return the order that ``word`` means, the default one for None; InvalidInput for an unknown key."""
        word = word or self.default
        column = self.columns.get(word.removeprefix("-"))
        if column is None:
            raise InvalidInput(sort=f"Sort by one of: {', '.join(self.columns)}; with - in front downwards.")
        return Sort(column, word.startswith("-"))
