"""Small things that every REST face uses: paging headers, documented errors, plain text answers."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from flask import Response
from flask_smorest import Blueprint

from app.core.error_schema import ErrorSchema
from app.core.pagination import Page, header

View = TypeVar("View", bound=Callable[..., Any])

ERRORS = {
    400: "The request could not be read",
    401: "No valid API key",
    403: "The role or the key's scopes do not allow it",
    404: "Unknown, or of another tenant",
    405: "The address does not take this method",
    409: "The state or version forbids it",
    413: "Too large",
    415: "Not JSON",
    422: "Some values cannot be used",
    429: "Too many requests; see Retry-After",
    503: "A dependency is down; see Retry-After",
}


def documented(blueprint: Blueprint, *codes: int) -> Callable[[View], View]:
    """Return a decorator that documents the answers of an operation besides the good one.

    400, 401, 403, 422, 429 and 503 always; an operation with a body names 413 and 415.
    """

    def decorate(view: View) -> View:
        for code in sorted({400, 401, 403, 422, 429, 503, *codes}):
            view = blueprint.alt_response(code, schema=ErrorSchema, description=ERRORS[code])(view)
        return view

    return decorate


def paged(page: Page[Any], items: Any) -> tuple[Any, int, dict[str, str]]:
    """Return a list's body with its X-Pagination header."""
    return items, 200, {"X-Pagination": json.dumps(header(page))}


def spooled(pieces: Iterable[str], mimetype: str, filename: str | None = None) -> Response:
    """Return text as an answer that a browser downloads when it is named.

    Read whole into a temporary file first (in memory up to 4 MiB), so that a slow reader holds no database
    connection.
    """
    text = tempfile.SpooledTemporaryFile(max_size=4_194_304)  # noqa: SIM115 - closed with the response
    try:
        for piece in pieces:
            text.write(piece.encode("utf-8", "replace"))
    except BaseException:
        text.close()
        raise
    size = text.tell()
    text.seek(0)

    def chunks() -> Iterator[bytes]:
        with text:
            while chunk := text.read(65_536):
                yield chunk

    response = Response(chunks(), mimetype=f"{mimetype}; charset=utf-8")
    response.headers["Content-Length"] = str(size)
    if filename is not None:
        response.headers["Content-Disposition"] = f'attachment; filename="{filename}"'
    return response


def plain_text(pieces: Iterable[str], filename: str | None = None) -> Response:
    """Return text that no browser interprets; as a download when named."""
    return spooled(pieces, "text/plain", filename)
