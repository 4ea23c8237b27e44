"""Lists: page by number up to 10,000 rows deep, by cursor at any depth, counts capped at 10,000."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Select, func, select
from sqlalchemy.orm import InstrumentedAttribute

from app.core.db import db
from app.core.errors import InvalidInput
from app.core.sorting import Sort

COUNT_CAP = 10_000  # a COUNT over 1,000,000 rows costs tens of milliseconds; nobody reads page 201
MAX_PAGE_SIZE = 100
Row = TypeVar("Row")
Other = TypeVar("Other")


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """One page of a list. ``total`` is None when there are more than COUNT_CAP rows ("more")."""

    items: Sequence[Row]
    page: int | None  # 1-based; None when paged by cursor
    page_size: int
    total: int | None
    next_after: int | None  # cursor of the next page, None on the last

    def with_items(self, items: Sequence[Other]) -> Page[Other]:
        """Return the same page with other rows in place of its own, one for one."""
        return Page(items, self.page, self.page_size, self.total, self.next_after)

    @property
    def pages(self) -> int | None:
        """Number of pages that can be reached by number, None when unknown."""
        return None if self.total is None else max(1, -(-self.total // self.page_size))


def paginate(
    statement: Select[Row],
    key: InstrumentedAttribute[int],
    *,
    page: int = 1,
    page_size: int = 50,
    after: int | None = None,
    descending: bool = True,
    sort: Sort | None = None,
) -> Page[Row]:
    """Run ``statement`` ordered by ``key``, or by ``sort`` and then ``key``; return one page.

    Two queries at most, one more for a cursor in a list sorted by another column.

    ``after`` is the ``key`` of the last row seen and wins over ``page``. Pages that begin beyond COUNT_CAP rows
    raise InvalidInput: use ``after``. ``statement`` must carry no ORDER BY or LIMIT of its own.
    """
    page_size = max(1, min(page_size, MAX_PAGE_SIZE))
    order = sort or Sort(key, descending)
    ordered = statement.order_by(*order.order(key))
    total: int | None = None
    if after is not None:
        ordered = ordered.where(order.behind(key, after, _value_at(key, order, after)))
        rows = db.session.scalars(ordered.limit(page_size + 1)).all()
    else:
        if (page - 1) * page_size >= COUNT_CAP:
            raise InvalidInput(page=f"Pages go {COUNT_CAP:,} rows deep. Go on with after=<id of the last row>.")
        counted = db.session.scalar(
            select(func.count()).select_from(
                statement.with_only_columns(key).order_by(None).limit(COUNT_CAP + 1).subquery()
            )
        )
        total = None if counted is None or counted > COUNT_CAP else counted
        rows = db.session.scalars(ordered.offset((page - 1) * page_size).limit(page_size + 1)).all()
    items = rows[:page_size]
    next_after = getattr(items[-1], key.key) if len(rows) > page_size else None
    return Page(items, None if after is not None else page, page_size, total, next_after)


def _value_at(key: InstrumentedAttribute[int], order: Sort, after: int) -> Any:
    """Return what the last row seen has in the column that the list is sorted by."""
    if order.column is key:
        return None
    found = db.session.execute(select(order.column).where(key == after)).first()
    if found is None:
        raise InvalidInput(after="The row of this cursor is gone. Begin again with the first page.")
    return found[0]


def header(page: Page[Any]) -> dict[str, Any]:
    """Return what ``X-Pagination`` says, as JSON data."""
    return {
        "page": page.page,
        "page_size": page.page_size,
        "total": page.total if page.total is not None else "more",
        "total_pages": page.pages,
        "next_after": page.next_after,
    }
