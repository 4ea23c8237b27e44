"""Security headers on every answer, request ids, and Host checks."""

from __future__ import annotations

import re
import uuid
from urllib.parse import urlsplit

from flask import Flask, Response, g, request

from app.core import log_context
from config import Settings

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "font-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
FOLLOWED = ("launch_uuid", "job_id")  # parts of an address that a log line carries
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,36}\Z")


def init_headers(app: Flask, settings: Settings) -> None:
    """Give each request an id (a caller's X-Request-Id is kept when well formed) and each answer its headers."""
    secure = settings.public_url.startswith("https://")

    @app.before_request
    def _name_request() -> None:
        given = request.headers.get("X-Request-Id", "")
        g.request_id = given if REQUEST_ID.match(given) else str(uuid.uuid4())
        named = {name: str(value) for name, value in (request.view_args or {}).items() if name in FOLLOWED}
        log_context.begin(request_id=g.request_id, **named)

    @app.after_request
    def _add_headers(response: Response) -> Response:
        headers = response.headers
        headers.setdefault("Content-Security-Policy", CSP)
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
        headers.setdefault("X-Request-Id", g.get("request_id", ""))
        if not request.path.startswith("/static/"):
            headers.setdefault("Cache-Control", "no-store")
        if secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        return response


def trusted_hosts(settings: Settings) -> list[str]:
    """Return the Host values that are answered: the setting, or the public URL's host and this machine's names."""
    if settings.trusted_hosts:
        return list(settings.trusted_hosts)
    host = urlsplit(settings.public_url).hostname or "127.0.0.1"
    return [host, "127.0.0.1", "localhost", "[::1]"]
