"""Pages of people, for administrators: list, one person, add, edit, and the buttons on them."""

from __future__ import annotations

from typing import Any

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import queries_teams, queries_users, service_access, service_users
from app.accounts.models import User
from app.accounts.one_time import made_password, with_one_time_password
from app.accounts.queries_users import UserFilter
from app.accounts.schemas import form_values
from app.accounts.schemas_users import UserCreate, UserEdit, UserQuery, user_data
from app.accounts.web_blueprint import ask, blueprint, is_confirmed, read_filters, shown_errors, texts
from app.core.actor import Role
from app.core.edit_version import typed_version
from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require

TEXTS = ("username", "email", "first_name", "last_name")
COLUMNS = ("id", "username", "email", "first_name", "last_name", "role", "is_active", "is_locked", "last_login",
           "password_changed_at", "created_at")  # fmt: skip
ROLES = [(role.value, role.value) for role in Role]


def _query() -> tuple[UserFilter, dict[str, Any]]:
    query = read_filters(UserQuery(), active="1")
    return UserFilter(query.pop("role", None), query.pop("is_active", None), query.pop("q", None)), query


@blueprint.get("/users")
def users() -> str:
    """List people; the active ones unless the address says otherwise."""
    actor = current_actor()
    wanted, query = _query()
    page = queries_users.list_users(actor, wanted, **query)
    locked = queries_users.locked_among(actor, [user.id for user in page.items])
    return render_template("accounts/users.html", page=page, locked=locked, roles=ROLES)


@blueprint.get("/users/export")
def users_export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    wanted, query = _query()

    def describe(rows: Any) -> list[dict[str, Any]]:
        locked = queries_users.locked_among(actor, [user.id for user in rows])
        return [user_data(user, locked) for user in rows]

    return export_rows(
        lambda after: queries_users.list_users(actor, wanted, page_size=PAGE_SIZE, after=after, sort=query.get("sort")),
        describe,
        COLUMNS,
        name="users",
        form=export_format(request.args.get("format")),
    )


def _form_page(user: User | None, error: AppError | dict[str, list[str]] | None = None) -> ResponseReturnValue:
    errors = error if isinstance(error, dict) else shown_errors(error) if error else {}
    status = error.status if isinstance(error, AppError) else 422 if error else 200
    form = request.form.to_dict() if error else {}
    return render_template("accounts/user_form.html", user=user, form=form, errors=errors, roles=ROLES), status


@blueprint.get("/users/new")
def user_new() -> ResponseReturnValue:
    """Show the form for a new person."""
    require(current_actor(), Permission.USER_EDIT)
    return _form_page(None)


@blueprint.post("/users/new")
@with_one_time_password(Permission.USER_EDIT)
def user_create() -> ResponseReturnValue:
    """Add a person and show their one-time password, this once."""
    values, errors = form_values(UserCreate(), {**texts(TEXTS), "role": request.form.get("role", "")})
    if errors:
        return _form_page(None, errors)
    made = made_password()
    try:
        user = service_users.create_user(current_actor(), password=made.hashed, **values)
    except AppError as error:
        return _form_page(None, error)
    return _one_time_page(user, made.clear, "was added"), 201


def _one_time_page(user: User, clear: str, done: str) -> str:
    return render_template(
        "accounts/one_time_password.html",
        username=user.username,
        one_time_password=clear,
        done=done,
        back_url=url_for("accounts.user", user_id=user.id),
        back_label=user.username,
    )


@blueprint.get("/users/<int:user_id>")
def user(user_id: int) -> str:
    """Show one person with their sessions, keys and teams."""
    actor = current_actor()
    found = queries_users.get_user(actor, user_id)
    return render_template(
        "accounts/user.html",
        user=found,
        is_locked=bool(queries_users.locked_among(actor, [user_id])),
        sessions=queries_users.list_sessions_of(actor, user_id),
        keys=queries_users.list_keys(actor, user_id=user_id, page_size=100).items,
        teams=queries_teams.team_rows_of(actor, user_id),
    )


@blueprint.route("/users/<int:user_id>/edit", methods=["GET", "POST"])
def user_edit(user_id: int) -> ResponseReturnValue:
    """Edit a person."""
    actor = current_actor()
    require(actor, Permission.USER_EDIT)
    found = queries_users.get_user(actor, user_id)
    if request.method == "GET":
        return _form_page(found)
    given = {**texts(TEXTS[1:]), "role": request.form.get("role", "")}
    values, errors = form_values(UserEdit(), {name: value for name, value in given.items() if value is not None})
    if errors:
        return _form_page(found, errors)
    values.update({name: None for name in ("first_name", "last_name") if name in given and given[name] is None})
    changes: Any = values
    try:
        service_users.edit_user(actor, user_id, changes, version=typed_version())
    except AppError as error:
        return _form_page(found, error)
    flash(f"{found.username} was saved.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/deactivate")
def user_deactivate(user_id: int) -> ResponseReturnValue:
    """Refuse a person everywhere, after a question."""
    actor = current_actor()
    require(actor, Permission.USER_EDIT)
    found = queries_users.get_user(actor, user_id)
    back = url_for("accounts.user", user_id=user_id)
    if not is_confirmed():
        return ask(
            f"Deactivate {found.username}?",
            f"All sessions of {found.username} end and all of their keys are revoked at once. What they did stays, "
            "and they can be reactivated; they then need new keys.",
            "Deactivate",
            back,
            {"version": found.version},
        )
    service_users.edit_user(actor, user_id, {"is_active": False}, version=typed_version())
    flash(f"{found.username} is deactivated.", "success")
    return redirect(back, 303)


@blueprint.post("/users/<int:user_id>/reactivate")
def user_reactivate(user_id: int) -> ResponseReturnValue:
    """Let a person in again."""
    found = service_users.edit_user(current_actor(), user_id, {"is_active": True}, version=typed_version())
    flash(f"{found.username} is active again. Earlier keys stay revoked.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/reset-password")
@with_one_time_password(Permission.USER_EDIT)
def user_reset_password(user_id: int) -> ResponseReturnValue:
    """Give a person a one-time password and show it, this once."""
    actor = current_actor()
    found = queries_users.get_user(actor, user_id)
    if not is_confirmed():
        message = (
            f"{found.username} gets a password that works once, and all of their sessions end. Their keys stay: "
            "revoke those that may be known to others."
        )
        back = url_for("accounts.user", user_id=user_id)
        return ask(f"Reset the password of {found.username}?", message, "Reset the password", back)
    made = made_password()
    found = service_users.reset_password(actor, user_id, password=made.hashed)
    return _one_time_page(found, made.clear, "has a new password")


@blueprint.post("/users/<int:user_id>/unlock")
def user_unlock(user_id: int) -> ResponseReturnValue:
    """Forget the failed tries that lock a person."""
    found = service_users.unlock_user(current_actor(), user_id)
    flash(f"{found.username} may try again.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/platform-admin")
def user_platform_admin(user_id: int) -> ResponseReturnValue:
    """Make somebody an administrator of the platform, or take it away."""
    granted = request.form.get("granted") == "1"
    found = service_users.set_platform_admin(current_actor(), user_id, granted=granted)
    word = "a platform administrator now" if granted else "no longer a platform administrator"
    flash(f"{found.username} is {word}.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/sessions/revoke")
def user_sessions_revoke(user_id: int) -> ResponseReturnValue:
    """End all sessions of a person."""
    ended = service_access.revoke_sessions_of(current_actor(), user_id)
    flash(f"{ended} {'session has' if ended == 1 else 'sessions have'} ended.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/sessions/<int:session_id>/revoke")
def user_session_revoke(user_id: int, session_id: int) -> ResponseReturnValue:
    """End one session of a person."""
    service_access.revoke_sessions_of(current_actor(), user_id, session_id)
    flash("The session has ended.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)


@blueprint.post("/users/<int:user_id>/keys/<int:key_id>/revoke")
def user_key_revoke(user_id: int, key_id: int) -> ResponseReturnValue:
    """End a key of a person."""
    key = service_access.revoke_key_of(current_actor(), user_id, key_id)
    flash(f"The key {key.name} is revoked.", "success")
    return redirect(url_for("accounts.user", user_id=user_id), 303)
