"""Pages: sign-in, one's own password, keys and sessions. The others stand in ``web_*.py``."""

from __future__ import annotations

from typing import Any

from flask import flash, g, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import (
    queries,
    queries_users,
    scope_words,
    service,
    web_keys,
    web_profile,
    web_teams,
    web_tenants,
    web_users,
)
from app.accounts.authentication import begin_session, end_session, origin
from app.accounts.identity import Identity
from app.accounts.next_page import own_path
from app.accounts.one_time import platform_app
from app.accounts.password_change import change_own_password
from app.accounts.schemas import NewKeySchema, RenameKeySchema, form_values
from app.accounts.sign_in import SignInRefused
from app.accounts.sign_in import sign_in as sign_in_person
from app.accounts.web_blueprint import blueprint, shown_errors
from app.core.edit_version import typed_version
from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor, optional_actor
from app.core.permissions import Permission, can
from app.core.runtime import settings

FURTHER_PAGES = (web_keys, web_profile, web_teams, web_tenants, web_users)  # imported for their routes


def _identity() -> Identity:
    current_actor()
    found: Identity = g.identity
    return found


@blueprint.get("/sign-in")
def sign_in() -> ResponseReturnValue:
    """Show the form, or go on when somebody is signed in already."""
    target = own_path(request.args.get("next"))
    if optional_actor() is not None:
        return redirect(target)
    return render_template("accounts/sign_in.html", next=target, errors={}, form={})


@blueprint.post("/sign-in")
def sign_in_submit() -> ResponseReturnValue:
    """Check name and password; units of work are opened inside."""
    form, target = request.form, own_path(request.form.get("next"))
    try:
        token = sign_in_person(form.get("username", ""), form.get("password", ""), origin())
    except SignInRefused as error:
        page = render_template(
            "accounts/sign_in.html",
            next=target,
            errors={"_form": [error.message]},
            form={"username": form.get("username", "")[:80]},
        )
        return page, error.status
    begin_session(token)
    return redirect(target, 303)


@blueprint.post("/sign-out")
def sign_out() -> ResponseReturnValue:
    """End this session."""
    found = _identity()
    assert found.session_id is not None
    service.sign_out(found.actor, found.session_id)
    end_session()
    return redirect(url_for("accounts.sign_in"), 303)


@blueprint.get("/me/password")
def change_password() -> ResponseReturnValue:
    """Show the form for a new password; a one-time password leads here."""
    return _password_page({}, 200, forced=_identity().password_change_required)


def _password_page(errors: dict[str, Any], status: int, *, forced: bool) -> ResponseReturnValue:
    shortest = settings().password_minimum_length
    page = render_template(
        "accounts/change_password.html",
        errors=errors,
        forced=forced,
        minimum_length=shortest,
        max_age_days=settings().password_max_age_days,
    )
    return page, status


@blueprint.post("/me/password")
def change_password_submit() -> ResponseReturnValue:
    """Set a new password; outside of a unit of work, because hashing takes long."""
    with platform_app().request_unit():
        pass  # finds out who asks
    found, form = _identity(), request.form
    new = form.get("new_password", "")
    try:
        if new != form.get("repeated_password", ""):
            raise InvalidInput(repeated_password="The two new passwords differ.")  # noqa: S106
        token = change_own_password(found.actor, form.get("current_password", ""), new, origin())
    except InvalidInput as error:
        return _password_page(error.errors, error.status, forced=found.password_change_required)
    begin_session(token)
    flash("Your password is changed. All other sessions have ended.", "success")
    return redirect(own_path(form.get("next")), 303)


def _me_page(status: int = 200, **more: Any) -> ResponseReturnValue:
    found = _identity()
    makes_keys = can(found.actor, Permission.API_KEY_OWN)
    context: dict[str, Any] = {
        "keys": queries.list_own_keys(found.actor),
        "sessions": queries_users.live_sessions(found.actor, found.actor.user_id),
        "user": queries.own_user(found.actor),
        "idle_minutes": settings().session_idle_minutes,
        "scope_words": scope_words.SCOPE_WORDS,
        "this_session_id": found.session_id,
        "scopes": service.grantable_scopes(found.actor) if makes_keys else [],
        "default_days": settings().api_key_days,
        "new_key": None,
        "errors": {},
        "form": {},
    }
    return render_template("accounts/me.html", **{**context, **more}), status


@blueprint.get("/me")
def me() -> ResponseReturnValue:
    """Show one's own keys and sessions."""
    return _me_page()


@blueprint.post("/me/keys")
def create_key() -> ResponseReturnValue:
    """Make a key and show its text, this once."""
    typed: dict[str, Any] = {
        "name": request.form.get("name", "").strip(),
        "expires_in_days": request.form.get("expires_in_days", "").strip(),
        "scopes": request.form.getlist("scopes"),
    }
    values, errors = form_values(NewKeySchema(), typed)
    if errors:
        return _me_page(422, errors=errors, form=typed)
    try:
        key, text = service.create_api_key(current_actor(), **values)
    except AppError as error:
        return _me_page(error.status, errors=shown_errors(error), form=typed)
    return _me_page(201, new_key={"name": key.name, "text": text})


@blueprint.route("/me/keys/<int:key_id>/rename", methods=["GET", "POST"])
def rename_key(key_id: int) -> ResponseReturnValue:
    """Give a key another name."""
    actor = current_actor()
    key, status = queries.find_own_key(actor, key_id), 200
    errors: dict[str, list[str]] = {}
    if request.method == "POST":
        values, errors = form_values(RenameKeySchema(), {"name": request.form.get("name", "").strip()})
        status = 422
        if not errors:
            try:
                service.rename_api_key(actor, key_id, name=values["name"], version=typed_version())
                flash(f"The key is called {values['name']} now.", "success")
                return redirect(url_for("accounts.me"), 303)
            except AppError as error:
                errors, status = shown_errors(error), error.status
    return render_template("accounts/key_rename.html", key=key, errors=errors, form=request.form.to_dict()), status


@blueprint.post("/me/keys/<int:key_id>/revoke")
def revoke_key(key_id: int) -> ResponseReturnValue:
    """End a key."""
    key = service.revoke_api_key(current_actor(), key_id)
    flash(f"The key {key.name} is revoked.", "success")
    return redirect(url_for("accounts.me"), 303)


@blueprint.post("/me/sessions/<int:session_id>/revoke")
def revoke_session(session_id: int) -> ResponseReturnValue:
    """End another session of one's own."""
    service.revoke_session(current_actor(), session_id)
    flash("The session has ended.", "success")
    return redirect(url_for("accounts.me"), 303)
