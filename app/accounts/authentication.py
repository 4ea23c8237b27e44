"""Who is asking: the glue between Flask and ``identity``.

Under /api/ only ``Authorization: Bearer <key>`` counts and the cookie is never read, which is why the API needs no
CSRF token. Elsewhere only the session cookie counts.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import cast

import flask_login
from flask import Flask, Response, abort, flash, g, redirect, request, session, url_for

from app.accounts import identity, keys, trail
from app.accounts.identity import Identity, Origin, TenantInactive
from app.accounts.page_context import init_page_context
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import in_unit_of_work
from app.core.errors import NotSignedIn
from app.core.extensions import is_api_path, login_manager
from app.core.flask_app import PlatformFlask
from app.core.rate_key import remember_good_key

# What somebody with a one-time password may still do.
BEFORE_PASSWORD_CHANGE = frozenset(
    {
        "accounts.change_password",
        "accounts.change_password_submit",
        "accounts.sign_out",
        "accounts.sign_in",
    }
)
OPEN = ("static", "accounts.sign_in", "dashboard.api_docs")
# They open units of their own: hashing a password must not hold the database, and health asks when it is down.
UNITLESS = (
    "static",
    "accounts.sign_in_submit",
    "accounts.change_password_submit",
    "accounts.change_email",
    "accounts.user_create",
    "accounts.user_reset_password",
    "accounts.tenant_create",
    "users_api.create_user",
    "users_api.reset_password",
    "tenants_api.create_tenant",
    "health.alive",
    "health.ready",
    "health_pages.alive",
    "health_pages.ready",
    "health_pages.metrics",
)
# terraform's HTTP backend sends nothing but a name and a password. Nowhere else: a browser would send them by itself.
BY_BASIC = frozenset({"terraform_backend.state"})
# prefix -> who holds such a token, for the slices whose runs call back; filled at start. Raises NotSignedIn.
RUN_TOKENS: dict[str, Callable[[str], Actor]] = {}
BASIC_ADVICE = "Send a valid API key as the password, with any user name."
KEY_IN_ADDRESS = "An API key does not belong into an address, where logs keep it. Revoke this one and send the next "
KEY_HEADER = "as 'Authorization: Bearer <key>'."


class SignedIn(flask_login.UserMixin):  # type: ignore[misc]  # flask-login has no types
    """What Flask-Login carries: the session's token as its id, and whom it stands for."""

    def __init__(self, token: str, found: Identity | None = None) -> None:
        self.id = token
        self.found = found


def origin() -> Origin:
    """Return where this request comes from; forwarded addresses count only behind configured proxies."""
    return Origin(request.remote_addr, request.headers.get("User-Agent"), g.get("request_id"))


def _load_signed_in(token: str) -> SignedIn | None:
    if is_api_path(request.path) or not in_unit_of_work():
        return None
    try:
        found = identity.find_by_session(token, origin())
    except TenantInactive as error:
        g.signed_out_because = error.message
        return None
    return SignedIn(token, found) if found else None


def _from_cookie() -> Identity | None:
    user = flask_login.current_user
    return cast(SignedIn, user).found if user.is_authenticated else None


def _from_header() -> Identity | None:
    if any(keys.prefix_of(value) for value in request.args.values()):
        raise NotSignedIn(KEY_IN_ADDRESS + KEY_HEADER)
    scheme, _, text = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() == "basic" and request.endpoint in BY_BASIC:
        text = _password_of(text)
        if found := _from_run_token(text):
            return found
    elif scheme.lower() != "bearer":
        raise NotSignedIn
    found = identity.find_by_key(text.strip(), origin())
    remember_good_key()
    return found


def _from_run_token(text: str) -> Identity | None:
    """Return the run that holds a token, None for anything else; only where BY_BASIC takes passwords."""
    for prefix, actor_of in RUN_TOKENS.items():
        if text.startswith(prefix):
            where = origin()
            actor = replace(
                actor_of(text),
                ip_address=where.ip_address,
                user_agent=(where.user_agent or "")[: identity.USER_AGENT_LENGTH] or None,
                request_id=where.request_id,
            )
            return Identity(actor, "", False, None, utc_now(), False)
    return None


def _password_of(text: str) -> str:
    """Return the key from Basic credentials; whoever the user says to be does not matter."""
    try:
        return base64.b64decode(text.strip(), validate=True).decode("ascii").partition(":")[2]
    except ValueError:
        raise NotSignedIn(BASIC_ADVICE) from None


def authenticate() -> Actor | None:
    """Return this request's actor, None for a stranger; somebody with a one-time password is sent to change it."""
    g.pop("identity", None)
    g.pop("_login_user", None)  # Flask-Login's memory; a context may outlive a request
    found = _from_header() if is_api_path(request.path) else _from_cookie()
    if found is None:
        if why := g.pop("signed_out_because", None):  # the cookie goes, so that it is said once
            session.clear()
            flash(why, "error")
        return None
    g.identity = found
    if found.password_change_required and request.endpoint not in BEFORE_PASSWORD_CHANGE:
        abort(cast(Response, redirect(url_for("accounts.change_password"))))
    return found.actor


def begin_session(token: str) -> None:
    """Put a new session's token into the cookie; everything that was in it before is dropped."""
    session.clear()
    flask_login.login_user(SignedIn(token))


def end_session() -> None:
    """Empty the cookie."""
    flask_login.logout_user()
    session.clear()


def _record(actor: Actor | None, error: Exception) -> None:
    trail.record_refusal(actor, error, {"method": request.method, "path": request.path[:200]})


def _note_use(response: Response) -> Response:
    found: Identity | None = g.get("identity")
    if found is not None and found.touch:
        identity.touch(found)
    return response


def _documentation(app: Flask) -> Iterable[str]:
    return (name for name in app.view_functions if name.startswith("api-docs."))


def init_authentication(app: PlatformFlask) -> None:
    """Bind authentication to the application: authenticator, recorder, open endpoints, Flask-Login, page context."""
    app.authenticator = authenticate
    app.recorder = _record
    app.open_endpoints = app.open_endpoints | {*OPEN, *_documentation(app)}
    app.unitless_endpoints = app.unitless_endpoints | set(UNITLESS)
    login_manager.session_protection = None  # the session's row decides, not the browser's name
    login_manager.user_loader(_load_signed_in)
    app.after_request(_note_use)
    init_page_context(app)
