"""One-time passwords for views: made and hashed between two units of work, because hashing takes long.

The endpoints stand in ``authentication.UNITLESS``. A first unit finds out who asks and whether they may, so strangers
cost no hash; the view then runs in a second one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from flask import current_app, g
from flask.typing import ResponseReturnValue

from app.accounts.first_start import one_time_password
from app.accounts.passwords import HashedPassword, prepare_password
from app.core.flask_app import PlatformFlask, current_actor
from app.core.permissions import Permission, require

View = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class OneTimePassword:
    """What is shown once, and what is kept."""

    clear: str
    hashed: HashedPassword


def platform_app() -> PlatformFlask:
    """Return the application of this request."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    assert isinstance(app, PlatformFlask)
    return app


def with_one_time_password(permission: Permission) -> Callable[[View], View]:
    """Return a decorator for views that store a one-time password; they read it with ``made_password``."""

    def decorate(view: View) -> View:
        @wraps(view)
        def run(*args: Any, **kwargs: Any) -> ResponseReturnValue:
            app = platform_app()
            with app.request_unit():
                require(current_actor(), permission)
            clear = one_time_password()
            g.one_time_password = OneTimePassword(clear, prepare_password(clear))
            with app.request_unit():
                return app.make_response(view(*args, **kwargs))

        return run

    return decorate


def made_password() -> OneTimePassword:
    """Return the password that was made for this request."""
    made: OneTimePassword = g.one_time_password
    return made
