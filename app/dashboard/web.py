"""The first page, its live part, and the command palette."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, render_template, request, session, url_for
from werkzeug.routing import BuildError

from app.core.clock import utc_now
from app.core.flask_app import current_actor
from app.core.permissions import Permission, can
from app.dashboard import api_docs, palette, queries
from app.dashboard.live import live_context
from app.dashboard.series import SPANS, charts

blueprint = Blueprint("dashboard", __name__, template_folder="templates")
api_docs.register(blueprint)
_LOOK = "dashboard_look"  # in the cookie: [since when failures are counted, when the page was opened last]
# Opening the page again within this time is the same look.
SAME_LOOK = timedelta(minutes=15)
FIRST_LOOK = timedelta(days=1)
LONGEST = timedelta(days=30)  # keeps the count of failures bounded after a long holiday


def _moment(value: object, otherwise: datetime) -> datetime:
    known = isinstance(value, int | float)
    return datetime.fromtimestamp(float(value), UTC) if known else otherwise  # type: ignore[arg-type]


def last_look(*, opening: bool) -> datetime:
    """Return since when this browser's failures are news; ``opening`` counts as a look."""
    now = utc_now()
    kept = session.get(_LOOK)
    since_value, at_value = kept if isinstance(kept, list) and len(kept) == 2 else (None, None)
    since, at = _moment(since_value, now - FIRST_LOOK), _moment(at_value, now)
    if opening:
        if at_value is not None and now - at > SAME_LOOK:
            since = at
        session[_LOOK] = [since.timestamp(), now.timestamp()]
    return max(since, now - LONGEST)


@blueprint.get("/")
def index() -> str:
    """Show the dashboard."""
    actor = current_actor()
    asked = request.args.get("span", "24h")
    span = asked if asked in SPANS else "24h"
    drawn = charts(actor, span) if can(actor, Permission.JOB_VIEW) else None
    return render_template(
        "dashboard/index.html",
        span=span,
        outcome=drawn.outcome if drawn else [],
        durations=drawn.durations if drawn else [],
        success_rate=drawn.success_rate if drawn else None,
        usual_seconds=drawn.usual_seconds if drawn else None,
        first_steps=queries.first_steps(actor),
        **live_context(actor, last_look(opening=True)),
    )


@blueprint.get("/dashboard/live")
def live() -> str:
    """Show the part that the page asks for every five seconds."""
    return render_template("dashboard/_live.html", **live_context(current_actor(), last_look(opening=False)))


@blueprint.get("/palette", endpoint="palette")
def find() -> Response:
    """Give the command palette what it asks for."""
    items: list[dict[str, Any]] = []
    for found in palette.search(current_actor(), request.args.get("q", "")):
        if found.endpoint in current_app.view_functions:
            try:
                url = url_for(found.endpoint, **found.values)  # type: ignore[arg-type]
            except BuildError:
                continue  # the page takes other arguments in this release
            items.append({"title": found.title, "subtitle": found.subtitle, "url": url, "kind": found.kind})
    return jsonify(items=items)
