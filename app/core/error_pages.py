"""The one place that turns exceptions into answers: JSON under /api/, a page elsewhere."""

from __future__ import annotations

import logging
import time
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from flask import Flask, Response, g, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from werkzeug.exceptions import HTTPException, SecurityError

from app.core.db import COMMIT_UNKNOWN
from app.core.errors import AppError, BadRequest, Conflict, NotSignedIn, RateLimited, Unavailable
from app.core.extensions import is_api_path
from app.core.retry import is_disk_full

log = logging.getLogger(__name__)

ADVICE = {
    400: "The request could not be read. Check its form and send it again.",
    404: "There is nothing at this address, or you may not see it. Check it or go back to the list.",
    405: "This address does not take that method. See /api/v1/docs for what it takes.",
    413: "What you sent is too large. Send less, or split it.",
    415: "Send JSON with 'Content-Type: application/json'.",
    429: "Too many requests. Wait for the time in Retry-After, then go on.",
}
# MySQL and MariaDB: deadlock, lock wait timeout, snapshot conflict. The whole transaction may be tried again.
RETRYABLE = frozenset({1213, 1205, 1020})


def _database_error(error: DBAPIError) -> AppError:
    if isinstance(error, IntegrityError):
        return Conflict("This clashes with something that exists already. Load the page again and check the names.")
    if getattr(error, COMMIT_UNKNOWN, False):
        return Unavailable(
            "The connection to the database broke while this was being saved: it may be done or not. Look before you "
            "send it again; with an Idempotency-Key sending it again is safe.",
            2,
        )
    if is_disk_full(error):
        return Unavailable(
            "The database's disk is full: what is stored can be read, nothing can be saved. Nothing was changed. "
            "Tell those who run the platform; it goes on by itself once there is room.",
            30,
        )
    code = error.orig.args[0] if error.orig is not None and error.orig.args else None
    if code in RETRYABLE or "database is locked" in str(error.orig):
        return Unavailable("The database is busy with a competing change. Try again in a moment.", 1)
    return Unavailable("The database cannot be reached just now. Nothing was changed. Try again in a moment.")


# When each cause was told at length last: a database that is away would fill the log with the same traceback.
_told: dict[str, float] = {}
TELL_AGAIN_SECONDS = 60.0


def _tell_database_trouble(error: Exception) -> None:
    """Log what the database said: with its traceback once a minute for each cause, in one line otherwise."""
    code = error.orig.args[0] if isinstance(error, DBAPIError) and error.orig is not None and error.orig.args else ""
    cause = f"{error.__class__.__name__} {str(code)[:100]}".strip()
    now = time.monotonic()
    news = now - _told.get(cause, -TELL_AGAIN_SECONDS) >= TELL_AGAIN_SECONDS
    if news:
        if len(_told) > 100:
            _told.clear()
        _told[cause] = now
    log.warning("database: %s", cause, exc_info=news and not isinstance(error, IntegrityError))


def _as_app_error(error: Exception) -> AppError:
    if isinstance(error, AppError):
        return error
    if isinstance(error, OperationalError | InterfaceError | IntegrityError | PoolTimeout) or is_disk_full(error):
        _tell_database_trouble(error)
        if isinstance(error, DBAPIError):
            return _database_error(error)
        return Unavailable("All database connections are in use. Try again in a moment.", 2)
    if isinstance(error, HTTPException):
        status = error.code or 500
        data: Any = getattr(error, "data", None) or {}
        messages = data.get("messages") if isinstance(data, dict) else None
        app_error = AppError(
            ADVICE.get(status) or error.description or HTTPStatus(status).phrase,
            errors=messages if isinstance(messages, dict) else {},
            error=HTTPStatus(status).phrase.lower().replace(" ", "_"),
        )
        if status == 422:
            app_error.message = "Some values cannot be used; see 'errors' for each."
            app_error.error = "invalid_input"
        app_error.status = status
        return app_error
    if isinstance(error, RecursionError) and "decoding a JSON" in str(error):
        return BadRequest("The JSON is nested too deeply to be read. Send a flatter document.")
    if isinstance(error, ValueError) and "integer string conversion" in str(error):  # json, beyond 4,300 digits
        return BadRequest("A number in what you sent is too long. Send shorter ones.")
    log.exception("unexpected error", extra={"path": request.path})
    return AppError("Something went wrong on our side and nothing was changed. The request id below finds the cause.")


def _headers(error: AppError) -> dict[str, str]:
    headers: dict[str, str] = {}
    if isinstance(error, RateLimited | Unavailable):
        headers["Retry-After"] = str(error.retry_after_seconds)
    elif error.status == 429:  # the general limit, counted by the minute
        headers["Retry-After"] = "60"
    if isinstance(error, NotSignedIn):
        headers["WWW-Authenticate"] = "Bearer"
    return headers


def error_body(error: AppError) -> dict[str, Any]:
    """Return the JSON of an error: code, status, error, message, errors, request_id."""
    return {
        "code": error.status,
        "status": HTTPStatus(error.status).phrase,
        "error": error.error,
        "message": error.message,
        "errors": error.errors,
        "request_id": g.get("request_id"),
    }


def render_error(exception: Exception) -> ResponseReturnValue:
    """Answer any exception: JSON under /api/ and for event streams, the sign-in page for strangers, else a page."""
    error = _as_app_error(exception)
    if isinstance(exception, SecurityError):  # a strange Host: no address of ours can be built, so no page either
        text = "This host name is not known here. Use the platform's own address.\n"
        return Response(text, 400, mimetype="text/plain")
    if is_api_path(request.path) or request.accept_mimetypes.best == "application/json":
        response: Response = jsonify(error_body(error))
    elif isinstance(error, NotSignedIn):
        target = request.full_path.rstrip("?") if request.method == "GET" else "/"
        return redirect(f"/sign-in?next={quote(target, safe='')}")
    else:
        page = render_template(
            "errors/error.html",
            code=error.status,
            message=error.message,
            errors=error.errors,
            retry_after_seconds=getattr(error, "retry_after_seconds", None),
        )
        response = Response(page)
    response.status_code = error.status
    if isinstance(exception, HTTPException) and exception.code == 405:
        response.headers["Allow"] = ", ".join(sorted(getattr(exception, "valid_methods", None) or ()))
    response.headers.update(_headers(error))
    return response


def init_error_pages(app: Flask) -> None:
    """Register the handler for every exception."""
    app.register_error_handler(Exception, render_error)
