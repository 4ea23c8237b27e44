"""Files of projects as answers that no browser interprets."""

from __future__ import annotations

from flask import Response

from app.sources.differences import FileState


def as_download(state: FileState, data: bytes) -> Response:
    """Return a file of a project as a download."""
    response = Response(data, mimetype="text/plain; charset=utf-8")
    # Paths are checked when they come in: letters, digits and _ . + @ - only, so the name needs no quoting.
    response.headers["Content-Disposition"] = f'attachment; filename="{state.path.rsplit("/", 1)[-1]}"'
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response
