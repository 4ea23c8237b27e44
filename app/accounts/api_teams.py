"""REST: teams and their members."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import url_for
from flask_smorest import Blueprint

from app.accounts import queries_teams, service_teams
from app.accounts.models_teams import Team
from app.accounts.schemas import NoQuery
from app.accounts.schemas_teams import (
    MemberAdd,
    MemberOut,
    TeamCreate,
    TeamEdit,
    TeamOut,
    TeamQuery,
    member_data,
    team_data,
)
from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor

Answer = tuple[Any, int, dict[str, str]]

blueprint = Blueprint("teams_api", __name__, description="Teams group the people of a tenant")


def _shown(team: Team, status: int = 200) -> Answer:
    headers = etag(team.version)
    if status == 201:
        headers["Location"] = url_for("teams_api.get_team", team_uuid=team.uuid)
    return team_data(team, queries_teams.count_members(current_actor(), [team.id]).get(team.id, 0)), status, headers


@blueprint.get("/teams")
@documented(blueprint)
@blueprint.arguments(TeamQuery, location="query")
@blueprint.response(200, TeamOut(many=True))
def list_teams(query: dict[str, Any]) -> Answer:
    """List the teams of your tenant by name."""
    actor = current_actor()
    page = queries_teams.list_teams(actor, text=query.pop("q", None), **query)
    members = queries_teams.count_members(actor, [team.id for team in page.items])
    return paged(page, [team_data(team, members.get(team.id, 0)) for team in page.items])


@blueprint.post("/teams")
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(TeamCreate)
@blueprint.response(201, TeamOut)
def create_team(values: dict[str, Any]) -> Answer:
    """Make a team."""
    return _shown(service_teams.create_team(current_actor(), **values), 201)


@blueprint.get("/teams/<uuid:team_uuid>")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, TeamOut)
def get_team(team_uuid: UUID) -> Answer:
    """Show a team."""
    return _shown(queries_teams.get_team(current_actor(), str(team_uuid)))


@blueprint.patch("/teams/<uuid:team_uuid>")
@documented(blueprint, 404, 409, 413, 415)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TeamEdit)
@blueprint.response(200, TeamOut)
def edit_team(values: Any, team_uuid: UUID) -> Answer:
    """Change, deactivate or reactivate a team."""
    version = seen_version(values.pop("version", None))
    return _shown(service_teams.edit_team(current_actor(), str(team_uuid), values, version=version))


@blueprint.get("/teams/<uuid:team_uuid>/members")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, MemberOut(many=True))
def list_members(team_uuid: UUID) -> list[dict[str, Any]]:
    """List the people in a team by name (1,000 at most)."""
    actor = current_actor()
    team = queries_teams.get_team(actor, str(team_uuid))
    return [member_data(user) for user in queries_teams.list_members(actor, team)]


@blueprint.post("/teams/<uuid:team_uuid>/members")
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(MemberAdd)
@blueprint.response(200, TeamOut)
def add_member(values: dict[str, Any], team_uuid: UUID) -> Answer:
    """Put a person into a team; again is no error."""
    actor = current_actor()
    service_teams.add_member(actor, str(team_uuid), values["user_id"])
    return _shown(queries_teams.get_team(actor, str(team_uuid)))


@blueprint.delete("/teams/<uuid:team_uuid>/members/<int:user_id>")
@documented(blueprint, 404)
@blueprint.response(204)
def remove_member(team_uuid: UUID, user_id: int) -> None:
    """Take a person out of a team."""
    service_teams.remove_member(current_actor(), str(team_uuid), user_id)
