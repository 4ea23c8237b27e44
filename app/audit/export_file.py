"""The download of an export for both faces: recorded first, then streamed in units of work of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Response, current_app

from app.audit import service_log
from app.audit.export import FORMATS, export_lines
from app.core.clock import utc_now
from app.core.flask_app import PlatformFlask, current_actor


def export_response(read: Callable[[], dict[str, Any]]) -> Response:
    """Return the file. ``read`` gives ``wanted`` and ``form``, once it is known who asks."""
    # The application itself: the proxy is gone when the last line is read.
    app = cast(PlatformFlask, current_app._get_current_object())  # type: ignore[attr-defined]
    with app.request_unit():
        actor = current_actor()
        asked = read()
        until_id = service_log.note_export(actor, asked["wanted"], asked["form"])
    lines = export_lines(app, actor, asked["wanted"], asked["form"], until_id)
    response = Response(lines, content_type=FORMATS[asked["form"]])
    name = f"audit-{utc_now():%Y%m%d-%H%M%S}.{asked['form']}"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
