"""The page of one's own profile: names, and the address, which asks for the password."""

from __future__ import annotations

from typing import Any

from flask import flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import queries, queries_teams, service_profile
from app.accounts.authentication import origin
from app.accounts.email_change import change_own_email
from app.accounts.one_time import platform_app
from app.accounts.schemas import MeEdit
from app.accounts.web_blueprint import blueprint, shown_errors
from app.core.edit_version import typed_version
from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.runtime import settings


def _profile_page(status: int = 200, **more: Any) -> ResponseReturnValue:
    actor = current_actor()
    user = queries.own_user(actor)
    context: dict[str, Any] = {"errors": {}, "form": {}, **more}
    page = render_template(
        "accounts/profile.html",
        user=user,
        teams=queries_teams.team_rows_of(actor, user.id),
        max_age_days=settings().password_max_age_days,
        **context,
    )
    return page, status


@blueprint.get("/me/profile")
def profile() -> ResponseReturnValue:
    """Show one's own profile with its two forms."""
    return _profile_page()


@blueprint.post("/me/profile")
def edit_profile() -> ResponseReturnValue:
    """Save one's own names."""
    given = {name: request.form.get(name, "").strip() for name in ("first_name", "last_name")}
    errors = MeEdit().validate(given)
    if errors:
        return _profile_page(422, errors=errors, form=given)
    try:
        service_profile.edit_own_names(
            current_actor(),
            first_name=given["first_name"],
            last_name=given["last_name"],
            version=typed_version(),
        )
    except AppError as error:
        return _profile_page(error.status, errors=shown_errors(error), form=given)
    flash("Your profile was saved.", "success")
    return redirect(url_for("accounts.profile"), 303)


@blueprint.post("/me/email")
def change_email() -> ResponseReturnValue:
    """Set one's own address; outside of a unit of work, because checking a password takes long."""
    app = platform_app()
    with app.request_unit():
        actor = current_actor()
    email = request.form.get("email", "")[:200]
    try:
        change_own_email(actor, email, request.form.get("current_password", ""), origin())
    except AppError as error:
        errors = shown_errors(error)
        with app.request_unit():
            return app.make_response(_profile_page(error.status, errors=errors, form={"email": email}))
    flash("Your e-mail address is changed.", "success")
    return redirect(url_for("accounts.profile"), 303)
