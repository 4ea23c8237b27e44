"""Health for programs that watch the platform: at / and under /api/v1, without a key."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import marshmallow as ma
from flask import Blueprint as PageBlueprint
from flask import jsonify
from flask.typing import ResponseReturnValue
from flask_smorest import Blueprint

from app.dashboard import health

pages = PageBlueprint("health_pages", __name__)
api = Blueprint("health", __name__, description="Liveness and readiness")
blueprints = (api,)
RETRY_SECONDS = 5


class AliveSchema(ma.Schema):
    """A living process."""

    status = ma.fields.String()
    version = ma.fields.String()


class PartSchema(ma.Schema):
    """One dependency; ``needed`` ones decide the answer's status."""

    name = ma.fields.String()
    ok = ma.fields.Boolean()
    needed = ma.fields.Boolean()
    message = ma.fields.String()


class ReadySchema(ma.Schema):
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
