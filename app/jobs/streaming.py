"""HTTP side of live tails, for the REST API (one job, id = line number) and the pages (several jobs)."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import suppress

from flask import Response, request

from app.core.errors import InvalidInput
from app.core.flask_app import PlatformFlask, current_actor
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.stream import Stream

MAX_JOBS = 32  # jobs that one browser follows at a time
UNREAD_MS = 30_000  # a viewer that takes nothing at all for so long loses its connection, and its thread is free
_PLACE = re.compile(r"([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}):(\d{1,10})\Z")


def job_stream(app: PlatformFlask, job_id: str, after: int, last_event_id: str | None) -> Response:
    """Return the stream of one job; the id of an event is the number of the last line it holds."""
    if last_event_id is not None and last_event_id.isdecimal() and len(last_event_id) <= 10:
        after = int(last_event_id)
    return _stream(app, lambda: {job_id: after}, lambda at: str(at[job_id]), whole=True)


def browser_stream(app: PlatformFlask, places: list[str], last_event_id: str | None) -> Response:
    """Return the stream of several jobs; ``places`` are "uuid:line", as are the parts of the event id."""

    def read() -> dict[str, int]:
        wanted = _places(places)
        if last_event_id:
            resumed = _places(last_event_id.split(",")[:MAX_JOBS])
            wanted.update({uuid: line for uuid, line in resumed.items() if uuid in wanted})
        return wanted

    return _stream(app, read, lambda at: ",".join(f"{uuid}:{line}" for uuid, line in at.items()), whole=False)


def _places(texts: list[str]) -> dict[str, int]:
    if not 0 < len(texts) <= MAX_JOBS:
        raise InvalidInput(job=f"Name 1 to {MAX_JOBS} jobs as job=<uuid>:<line>.")
    found: dict[str, int] = {}
    for text in texts:
        match = _PLACE.match(text)
        if match is None:
            raise InvalidInput(job="Write job=<uuid>:<number of the last line you have>.")
        found[match[1]] = int(match[2])
    return found


def _stream(
    app: PlatformFlask,
    read_places: Callable[[], dict[str, int]],
    render_id: Callable[[dict[str, int]], str],
    *,
    whole: bool,
) -> Response:
    jobs: list[Job] = []
    with app.request_unit():
        actor = current_actor()
        places = read_places()  # after the sign-in: a stranger learns nothing about the query
        jobs.extend(queries.get_jobs(actor, list(places)))
    stream = Stream(app, jobs, places, render_id, whole=whole)
    response = Response(stream.events(), mimetype="text/event-stream")
    response.call_on_close(stream.close)
    response.headers["X-Accel-Buffering"] = "no"  # nginx would hold the events back
    connection = request.environ.get("gunicorn.socket")
    if connection is not None:
        limit_unread(connection)
    return response


def limit_unread(connection: socket.socket, milliseconds: int = UNREAD_MS) -> None:
    """Have the kernel end the connection of a viewer that vanished or reads nothing; one that is slow stays.

    Without it such a viewer keeps its thread for a quarter of an hour, or for ever (tcp(7), TCP_USER_TIMEOUT).
    """
    with suppress(OSError):  # a Unix socket has no such option: the proxy in front has a time of its own
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
