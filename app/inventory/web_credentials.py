"""The password forms of a server's page. ``routes`` adds them to the slice's blueprint."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.inventory import service_credentials

WORDS = {"connection": "sign-in password", "become": "become password"}


def _back(server_id: int) -> ResponseReturnValue:
    return redirect(url_for("inventory.server", server_id=server_id, _anchor="passwords"), 303)


def set_password(server_id: int, kind: str) -> ResponseReturnValue:
    """Set or replace a password; what was typed is never sent back."""
    try:
        service_credentials.set_credential(current_actor(), server_id, kind, request.form.get("password", ""))
    except (InvalidInput, Conflict) as error:
        reasons = [sentence for sentences in error.errors.values() for sentence in sentences] or [error.message]
        flash(f"The {WORDS[kind]} was not stored. {' '.join(reasons)}", "error")
    else:
        flash(f"The {WORDS[kind]} is stored. Nobody can read it again.", "success")
    return _back(server_id)


def remove_password(server_id: int, kind: str) -> ResponseReturnValue:
    """Forget a password."""
    service_credentials.remove_credential(current_actor(), server_id, kind)
    flash(f"The {WORDS[kind]} is forgotten.", "success")
    return _back(server_id)


def routes(blueprint: Blueprint) -> None:
    """Add the two routes."""
    path = "/servers/<int:server_id>/credentials/<string:kind>"
    blueprint.post(path)(set_password)
    blueprint.post(f"{path}/remove")(remove_password)
