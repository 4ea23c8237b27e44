"""Downloads of filtered lists as CSV or JSON lines: what the page shows, all pages of it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, TypeVar

from flask import Response

from app.core.clock import iso, utc_now
from app.core.errors import InvalidInput
from app.core.faces import spooled
from app.core.pagination import MAX_PAGE_SIZE, Page

MAX_ROWS = 100_000  # beyond it somebody wants a backup, or a filter
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run these (OWASP, CSV injection)
Row = TypeVar("Row")


class ExportFormat(StrEnum):
    """How a list is written."""

    CSV = "csv"
    JSONL = "jsonl"


def export_format(word: str | None) -> ExportFormat:
    """Return the format that an address asks for (CSV when it says nothing). Raises InvalidInput."""
    try:
        return ExportFormat(word or ExportFormat.CSV.value)
    except ValueError:
        raise InvalidInput(format="Choose csv or jsonl.") from None


def export_rows(
    fetch: Callable[[int | None], Page[Row]],
    describe: Callable[[Sequence[Row]], Sequence[Mapping[str, Any]]],
    columns: Sequence[str],
    *,
    name: str,
    form: ExportFormat,
) -> Response:
    """Return every row that ``fetch`` gives, page after page, as a download called name-YYYYMMDD-HHMM.csv or .jsonl.

    ``fetch(after)`` returns the page behind a cursor (ask for MAX_PAGE_SIZE rows). ``describe`` turns the rows of one
    page into mappings with the keys ``columns``. More than MAX_ROWS rows raise InvalidInput: nothing is cut silently.
    """
    rows = _rows(fetch, describe)
    pieces = _csv(rows, columns) if form is ExportFormat.CSV else _json_lines(rows, columns)
    mimetype = "text/csv" if form is ExportFormat.CSV else "application/jsonl"
    return spooled(pieces, mimetype, f"{name}-{utc_now():%Y%m%d-%H%M}.{form.value}")


def _rows(
    fetch: Callable[[int | None], Page[Row]], describe: Callable[[Sequence[Row]], Sequence[Mapping[str, Any]]]
) -> Iterator[Mapping[str, Any]]:
    after, count = None, 0
    while True:
        page = fetch(after)
        count += len(page.items)
        if count > MAX_ROWS:
            raise InvalidInput(f"More than {MAX_ROWS:,} rows. Narrow the filters and export in parts.")
        yield from describe(page.items)
        if page.next_after is None:
            return
        after = page.next_after


def _csv(rows: Iterator[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([cell(row.get(column)) for column in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def _json_lines(rows: Iterator[Mapping[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    for row in rows:
        yield json.dumps({column: _plain(row.get(column)) for column in columns}, ensure_ascii=False) + "\n"


def cell(value: Any) -> str | int | float:
    """Return a value as a spreadsheet cell: text that would be taken for a formula gets a quote in front."""
    value = _plain(value)
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return value
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        text = ", ".join(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Enum):
        return value.value
    return value


PAGE_SIZE = MAX_PAGE_SIZE  # what ``fetch`` asks for
