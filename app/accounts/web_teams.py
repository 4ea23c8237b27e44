"""Pages of teams: list, one team with its members, add, edit."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.accounts import queries_teams, queries_users, service_teams
from app.accounts.models_teams import Team
from app.accounts.schemas import form_values
from app.accounts.schemas_teams import TeamCreate, TeamEdit, TeamQuery, team_data
from app.accounts.sign_in import normal_username
from app.accounts.web_blueprint import ask, blueprint, is_confirmed, read_filters, shown_errors, texts
from app.core.edit_version import typed_version
from app.core.errors import AppError, NotFound
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require

COLUMNS = ("uuid", "name", "description", "members", "is_active", "created_at")


def _query() -> dict[str, Any]:
    query = read_filters(TeamQuery(), active="1")
    query["text"] = query.pop("q", None)
    return query


@blueprint.get("/teams")
def teams() -> str:
    """List teams; the active ones unless the address says otherwise."""
    actor = current_actor()
    page = queries_teams.list_teams(actor, **_query())
    members = queries_teams.count_members(actor, [team.id for team in page.items])
    return render_template("accounts/teams.html", page=page, members=members)


@blueprint.get("/teams/export")
def teams_export() -> Response:
    """Download the list with the filters of the address."""
    actor, query = current_actor(), _query()
    for name in ("page", "page_size", "after"):
        query.pop(name, None)

    def describe(rows: Any) -> list[dict[str, Any]]:
        members = queries_teams.count_members(actor, [team.id for team in rows])
        return [team_data(team, members.get(team.id, 0)) for team in rows]

    return export_rows(
        lambda after: queries_teams.list_teams(actor, **query, page_size=PAGE_SIZE, after=after),
        describe,
        COLUMNS,
        name="teams",
        form=export_format(request.args.get("format")),
    )


def _form_page(team: Team | None, error: AppError | dict[str, list[str]] | None = None) -> ResponseReturnValue:
    errors = error if isinstance(error, dict) else shown_errors(error) if error else {}
    status = error.status if isinstance(error, AppError) else 422 if error else 200
    form = request.form.to_dict() if error else {}
    return render_template("accounts/team_form.html", team=team, form=form, errors=errors), status


@blueprint.route("/teams/new", methods=["GET", "POST"])
def team_new() -> ResponseReturnValue:
    """Make a team."""
    actor = current_actor()
    require(actor, Permission.TEAM_EDIT)
    if request.method == "GET":
        return _form_page(None)
    values, errors = form_values(TeamCreate(), dict(texts(("name",)) | _description()))
    if errors:
        return _form_page(None, errors)
    try:
        made = service_teams.create_team(actor, **values)
    except AppError as error:
        return _form_page(None, error)
    flash(f"{made.name} was made. Add its members next.", "success")
    return redirect(url_for("accounts.team", team_uuid=made.uuid), 303)


def _description() -> dict[str, str | None]:
    return {"description": request.form.get("description", "").replace("\r\n", "\n").strip() or None}


def _team_page(team_uuid: str, error: AppError | None = None) -> ResponseReturnValue:
    actor = current_actor()
    found = queries_teams.get_team(actor, team_uuid)
    page = render_template(
        "accounts/team.html",
        team=found,
        members=queries_teams.list_members(actor, found),
        form=request.form.to_dict() if error else {},
        errors={"username": [error.message]} if error else {},
    )
    return page, error.status if error else 200


@blueprint.get("/teams/<uuid:team_uuid>")
def team(team_uuid: UUID) -> ResponseReturnValue:
    """Show a team and who is in it."""
    return _team_page(str(team_uuid))


@blueprint.route("/teams/<uuid:team_uuid>/edit", methods=["GET", "POST"])
def team_edit(team_uuid: UUID) -> ResponseReturnValue:
    """Edit a team."""
    actor = current_actor()
    require(actor, Permission.TEAM_EDIT)
    found = queries_teams.get_team(actor, str(team_uuid))
    if request.method == "GET":
        return _form_page(found)
    given = {"name": request.form.get("name", "").strip(), **_description()}
    errors = TeamEdit().validate(given)
    if errors:
        return _form_page(found, errors)
    changes: Any = given
    try:
        service_teams.edit_team(actor, str(team_uuid), changes, version=typed_version())
    except AppError as error:
        return _form_page(found, error)
    flash(f"{found.name} was saved.", "success")
    return redirect(url_for("accounts.team", team_uuid=team_uuid), 303)


@blueprint.post("/teams/<uuid:team_uuid>/members")
def team_add_member(team_uuid: UUID) -> ResponseReturnValue:
    """Put a person, named by their user name, into a team."""
    actor = current_actor()
    require(actor, Permission.TEAM_EDIT)
    queries_teams.get_team(actor, str(team_uuid))
    try:
        person = queries_users.find_user(actor, normal_username(request.form.get("username", "")[:160]))
        service_teams.add_member(actor, str(team_uuid), person.id)
    except NotFound:
        unknown = AppError("Nobody has this user name. Look it up under Users.")
        unknown.status = 422
        return _team_page(str(team_uuid), unknown)
    except AppError as error:
        shown_errors(error)
        return _team_page(str(team_uuid), error)
    flash(f"{person.username} is in the team.", "success")
    return redirect(url_for("accounts.team", team_uuid=team_uuid), 303)


@blueprint.post("/teams/<uuid:team_uuid>/members/<int:user_id>/remove")
def team_remove_member(team_uuid: UUID, user_id: int) -> ResponseReturnValue:
    """Take a person out of a team."""
    service_teams.remove_member(current_actor(), str(team_uuid), user_id)
    flash("The person is no longer in the team.", "success")
    return redirect(url_for("accounts.team", team_uuid=team_uuid), 303)


@blueprint.post("/teams/<uuid:team_uuid>/deactivate")
def team_deactivate(team_uuid: UUID) -> ResponseReturnValue:
    """Deactivate a team, after a question."""
    actor = current_actor()
    require(actor, Permission.TEAM_EDIT)
    found = queries_teams.get_team(actor, str(team_uuid))
    back = url_for("accounts.team", team_uuid=team_uuid)
    if not is_confirmed():
        message = f"{found.name} counts nowhere any more. Its members stay noted, and it can be reactivated."
        return ask(f"Deactivate {found.name}?", message, "Deactivate", back, {"version": found.version})
    service_teams.edit_team(actor, str(team_uuid), {"is_active": False}, version=typed_version())
    flash(f"{found.name} is deactivated.", "success")
    return redirect(back, 303)


@blueprint.post("/teams/<uuid:team_uuid>/reactivate")
def team_reactivate(team_uuid: UUID) -> ResponseReturnValue:
    """Take a team back into use."""
    found = service_teams.edit_team(current_actor(), str(team_uuid), {"is_active": True}, version=typed_version())
    flash(f"{found.name} is active again.", "success")
    return redirect(url_for("accounts.team", team_uuid=team_uuid), 303)
