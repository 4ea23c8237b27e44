"""Flask extension singletons, bound to the application in ``app.wiring``."""

from __future__ import annotations

from typing import Any

from flask import Flask, Request
from flask_limiter import Limiter
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_smorest import Api, Blueprint
from flask_wtf import CSRFProtect
from marshmallow import RAISE
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import UnsupportedMediaType

from app.core.error_schema import ErrorSchema
from app.core.errors import BadRequest
from app.core.rate_key import rate_key
from app.core.runtime import settings


class JsonErrorsLater(Api):  # type: ignore[misc]  # flask-smorest has no types
    """flask-smorest without its error handlers: they would answer every HTML page with JSON."""

    ERROR_SCHEMA = ErrorSchema
    DEFAULT_ERROR_RESPONSE_NAME = None  # "anything else" would document every answer; ``faces.documented`` says which

    def _register_error_handlers(self) -> None:
        """Do nothing; ``core.error_pages`` is the one place that renders errors."""


MAXIMUM_FIELDS = 200  # of a request's body; each unknown one would be named in the answer


class StrictParser(FlaskParser):
    """webargs with two differences: an unknown query parameter is an error, a body that is not JSON gets 415.

    A body with absurdly many fields is refused whole: naming each one would take longer than reading them.
    """

    # webargs drops unknown query parameters whatever a schema says.
    DEFAULT_UNKNOWN_BY_LOCATION: dict[str, str | None] = dict.fromkeys(
        ("json", "form", "json_or_form", "query", "files"), RAISE
    )

    def load_json(self, req: Request, schema: Any) -> Any:
        """Return the body's JSON; UnsupportedMediaType when there is a body of another kind."""
        if req.content_length and not req.is_json:
            raise UnsupportedMediaType
        data = super().load_json(req, schema)
        if isinstance(data, dict) and len(data) > MAXIMUM_FIELDS:
            raise BadRequest(f"The document has {len(data):,} fields. No operation takes more than {MAXIMUM_FIELDS}.")
        return data


Blueprint.ARGUMENTS_PARSER = StrictParser()

login_manager = LoginManager()
csrf = CSRFProtect()
migrate = Migrate()
api = JsonErrorsLater()
# Over all addresses of the application together. A callable, because Flask-Limiter keeps what the first application of
# a process was given.
limiter = Limiter(
    key_func=rate_key,
    swallow_errors=True,
    application_limits=[lambda: f"{settings().rate_limit_per_minute} per minute"],
)


def is_api_path(path: str) -> bool:
    """Say whether a path belongs to the REST API: JSON errors, keys only, no cookies."""
    return path.startswith("/api/")


def init_migrate(app: Flask) -> None:
    """Bind Flask-Migrate (``flask db upgrade``) to the application's metadata."""
    from app.core.db import db

    migrate.init_app(app, db, directory="migrations", compare_type=True)
