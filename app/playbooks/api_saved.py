"""REST: saved launches, the rights to them, and pressing them."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.jobs.listings import launch_rows
from app.jobs.schemas import LaunchSchema
from app.playbooks import queries_saved, service_grants, service_saved, service_saved_launch
from app.playbooks.launch_once import KEY, launch_once
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.queries_saved import SavedFilter
from app.playbooks.saved_listing import saved_rows
from app.playbooks.schemas import to_selection
from app.playbooks.schemas_saved import (
    CopySavedSchema,
    EditSavedSchema,
    GrantOut,
    GrantSchema,
    LaunchSavedSchema,
    NewSavedSchema,
    SavedOut,
    SavedQuery,
    grant_json,
)
from app.playbooks.service_saved import SavedInput

saved_launches = Blueprint(
    "saved_launches_api", __name__, description="Launches kept under a name, and who may press them"
)
Answer = tuple[dict[str, Any], int, dict[str, str]]


def _shown(saved: SavedLaunch, status: int = 200) -> Answer:
    row = saved_rows(current_actor(), [saved])[0]
    headers = {"Location": f"/api/v1/saved-launches/{saved.uuid}"} if status == 201 else {}
    return row, status, {**headers, **etag(saved.version)}


@saved_launches.get("/saved-launches")
@saved_launches.arguments(SavedQuery, location="query", unknown=None)
@saved_launches.response(200, SavedOut(many=True))
@documented(saved_launches)
def list_saved_launches(query: dict[str, Any]) -> Any:
    """List saved launches, by name."""
    actor = current_actor()
    paging = {name: query.pop(name) for name in ("page", "page_size", "after")}
    page = queries_saved.list_saved(actor, sort=query.pop("sort", None), narrow=SavedFilter(**query), **paging)
    return paged(page, saved_rows(actor, page.items))


@saved_launches.post("/saved-launches")
@saved_launches.arguments(NewSavedSchema)
@saved_launches.response(201, SavedOut)
@documented(saved_launches, 404, 409, 413, 415)
def create_saved_launch(data: dict[str, Any]) -> Any:
    """Keep a launch under a name: a playbook with servers, values and options, or a past launch."""
    actor = current_actor()
    past = data.pop("from_launch", None)
    if "selection" in data:
        data["selection"] = to_selection(data["selection"])
    if past is not None:
        data = service_saved.wish_from_launch(actor, str(past)) | data
    made = service_saved.create_saved(actor, SavedInput(**data), secrets_of=str(past) if past else None)
    return _shown(made, 201)


@saved_launches.get("/saved-launches/<uuid:saved_uuid>")
@saved_launches.response(200, SavedOut)
@documented(saved_launches, 404)
def get_saved_launch(saved_uuid: Any) -> Any:
    """Show one saved launch with what it asks for and how it did."""
    return _shown(queries_saved.get_saved(current_actor(), str(saved_uuid)))


@saved_launches.patch("/saved-launches/<uuid:saved_uuid>")
@saved_launches.arguments(EditSavedSchema)
@saved_launches.response(200, SavedOut)
@documented(saved_launches, 404, 409, 413, 415)
@saved_launches.doc(parameters=[IF_MATCH])
def edit_saved_launch(data: dict[str, Any], saved_uuid: Any) -> Any:
    """Change a saved launch; ``is_active`` takes it out of use and back."""
    version = seen_version(data.pop("version"))
    if "selection" in data:
        data["selection"] = to_selection(data["selection"])
    return _shown(service_saved.edit_saved(current_actor(), str(saved_uuid), data, version=version))


@saved_launches.delete("/saved-launches/<uuid:saved_uuid>")
@saved_launches.response(204)
@documented(saved_launches, 404, 409)
@saved_launches.doc(parameters=[IF_MATCH])
def delete_saved_launch(saved_uuid: Any) -> None:
    """Delete one that was never launched; any other is deactivated and keeps its history."""
    service_saved.remove_saved(current_actor(), str(saved_uuid), version=seen_version())


@saved_launches.post("/saved-launches/<uuid:saved_uuid>/copy")
@saved_launches.arguments(CopySavedSchema)
@saved_launches.response(201, SavedOut)
@documented(saved_launches, 404, 409, 413, 415)
def copy_saved_launch(data: dict[str, Any], saved_uuid: Any) -> Any:
    """Copy it without its rights; its secrets come along for who may edit it."""
    return _shown(service_saved.copy_saved(current_actor(), str(saved_uuid), name=data["name"]), 201)


@saved_launches.put("/saved-launches/<uuid:saved_uuid>/favourite")
@saved_launches.response(204)
@documented(saved_launches, 404)
def mark_saved_launch(saved_uuid: Any) -> None:
    """Mark it for yourself."""
    service_saved.mark_favourite(current_actor(), str(saved_uuid), True)


@saved_launches.delete("/saved-launches/<uuid:saved_uuid>/favourite")
@saved_launches.response(204)
@documented(saved_launches, 404)
def unmark_saved_launch(saved_uuid: Any) -> None:
    """Take your mark away."""
    service_saved.mark_favourite(current_actor(), str(saved_uuid), False)


@saved_launches.get("/saved-launches/<uuid:saved_uuid>/grants")
@saved_launches.response(200, GrantOut(many=True))
@documented(saved_launches, 404)
def list_grants(saved_uuid: Any) -> Any:
    """List who may launch or edit it besides those whose role lets them."""
    actor = current_actor()
    saved = queries_saved.get_saved(actor, str(saved_uuid))
    return [grant_json(row) for row in queries_saved.grants_of(actor, saved)]


@saved_launches.post("/saved-launches/<uuid:saved_uuid>/grants")
@saved_launches.arguments(GrantSchema)
@saved_launches.response(201, GrantOut)
@documented(saved_launches, 404, 409, 413, 415)
def add_grant(data: dict[str, Any], saved_uuid: Any) -> Any:
    """Let a person, a team or everybody of a role launch or edit it."""
    actor = current_actor()
    team = data.pop("team_uuid", None)
    made = service_grants.grant(actor, str(saved_uuid), team_uuid=str(team) if team else None, **data)
    saved = queries_saved.get_saved(actor, str(saved_uuid))
    return next(grant_json(row) for row in queries_saved.grants_of(actor, saved) if row.id == made.id), 201


@saved_launches.delete("/saved-launches/<uuid:saved_uuid>/grants/<int:grant_id>")
@saved_launches.response(204)
@documented(saved_launches, 404)
def remove_grant(saved_uuid: Any, grant_id: int) -> None:
    """Take a right back."""
    service_grants.revoke_grant(current_actor(), str(saved_uuid), grant_id)


@saved_launches.post("/saved-launches/<uuid:saved_uuid>/launch")
@saved_launches.arguments(LaunchSavedSchema, required=False)
@saved_launches.response(202, LaunchSchema)
@documented(saved_launches, 404, 409, 413, 415)
@saved_launches.doc(**KEY)
def launch_saved_launch(data: dict[str, Any], saved_uuid: Any) -> Any:
    """Launch it, with other values for the inputs that it asks for."""

    def start() -> Any:
        return service_saved_launch.launch_saved(current_actor(), str(saved_uuid), data, source="api")

    launch, headers = launch_once(f"saved launch {saved_uuid}", data, start)
    return launch_rows([launch])[0], 202, headers
