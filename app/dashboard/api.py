"""Health for programs that watch the platform: at / and under /api/v1, without a key."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import asdict
from typing import Any

import marshmallow as ma
from flask import Blueprint as PageBlueprint
from flask import Flask, Response, abort, current_app, jsonify, request
from flask.typing import ResponseReturnValue
from flask_smorest import Blueprint
from prometheus_client import CONTENT_TYPE_LATEST

from app.core.db import db
from app.core.runtime import settings
from app.core.schemas import Schema
from app.dashboard import health, metrics
from app.jobs.log_tail import hub_of

pages = PageBlueprint("health_pages", __name__)
api = Blueprint("health", __name__, description="Liveness and readiness")
blueprints = (api,)
RETRY_SECONDS = 5
# Whoever sends one of these was forwarded, and the address that is seen may be the proxy's.
FORWARDED = ("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Forwarded", "Via")


class AliveSchema(Schema):
    """A living process."""

    status = ma.fields.String()
    version = ma.fields.String()


class PartSchema(Schema):
    """One dependency; ``needed`` ones decide the answer's status."""

    name = ma.fields.String()
    ok = ma.fields.Boolean()
    needed = ma.fields.Boolean()
    message = ma.fields.String()


class ReadySchema(Schema):
    """Readiness with each dependency's state."""

    ready = ma.fields.Boolean()
    parts = ma.fields.List(ma.fields.Nested(PartSchema))


def _ready() -> tuple[dict[str, Any], int, dict[str, str]]:
    ready, parts = health.readiness()
    body = {"ready": ready, "parts": [asdict(part) for part in parts]}
    return body, (200 if ready else 503), ({} if ready else {"Retry-After": str(RETRY_SECONDS)})


@pages.get("/health", endpoint="alive")
def alive_page() -> ResponseReturnValue:
    """Say that this process lives."""
    return jsonify(health.alive())


@pages.get("/ready", endpoint="ready")
def ready_page() -> ResponseReturnValue:
    """Say whether this process can serve requests."""
    body, status, headers = _ready()
    return jsonify(body), status, headers


@pages.get("/metrics", endpoint="metrics")
def metrics_page() -> ResponseReturnValue:
    """Say how the platform is, to a scraper with the token, or without one set to this machine alone."""
    given = settings().metrics_token
    if given is None and not _is_this_machine():
        abort(404)
    if given is not None and not _is_token(given.get_secret_value()):
        return Response("Unauthorized\n", 401, {"WWW-Authenticate": "Bearer"}, content_type="text/plain")
    pool: Any = db.engine.pool
    most = getattr(pool, "_max_overflow", 0) + pool.size() if hasattr(pool, "size") else 0
    used = pool.checkedout() if hasattr(pool, "checkedout") else 0
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    text = metrics.render(viewers=hub_of(app).viewers(), pool=(used, most))
    return Response(text, content_type=CONTENT_TYPE_LATEST)


def _is_token(token: str) -> bool:
    scheme, _, sent = request.headers.get("Authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())


def _is_this_machine() -> bool:
    """Say whether the sender is on this machine and no proxy speaks for somebody else."""
    if any(name in request.headers for name in FORWARDED):
        return False
    try:
        return ipaddress.ip_address(request.remote_addr or "").is_loopback
    except ValueError:
        return False


@api.get("/health", endpoint="alive")
@api.doc(security=[])
@api.response(200, AliveSchema)
def alive_api() -> dict[str, str]:
    """Say that this process lives."""
    return health.alive()


@api.get("/ready", endpoint="ready")
@api.doc(security=[])
@api.response(200, ReadySchema)
@api.alt_response(503, schema=ReadySchema, description="The database or its schema is not usable")
def ready_api() -> Any:
    """Say whether the platform can serve requests, with the state of each part."""
    body, status, headers = _ready()
    answer = jsonify(body)
    answer.status_code = status
    answer.headers.update(headers)
    return answer
