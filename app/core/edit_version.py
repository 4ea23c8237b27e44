"""The version that an edit was made from, as REST callers send it: If-Match, or ``version`` in the body."""

from __future__ import annotations

import re
from typing import Any

from flask import request

from app.core.errors import InvalidInput

# For ``blueprint.doc(parameters=[IF_MATCH])``.
IF_MATCH: dict[str, Any] = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "schema": {"type": "string"},
    "description": "The version the change was made from, in quotes as ETag gave it.",
}
_FORM = re.compile(r'(?:W/)?"?(\d{1,9})"?')


def seen_version(body_version: int | None = None) -> int | None:
    """Return the version of If-Match, or the body's; InvalidInput when they differ or If-Match is no version."""
    text = request.headers.get("If-Match")
    if text is None or text == "*":
        return body_version
    found = _FORM.fullmatch(text.strip())
    if found is None or (body_version is not None and body_version != int(found[1])):
        raise InvalidInput(version='Send If-Match as the ETag was given, e.g. If-Match: "3", or version in the body.')
    return int(found[1])


def typed_version() -> int | None:
    """Return the version in the hidden field of a form; None when there is none that can be read."""
    text = request.form.get("version", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def etag(version: int) -> dict[str, str]:
    """Return the ETag header of a representation with this version."""
    return {"ETag": f'"{version}"'}
