"""REST: people, for administrators of their tenant."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask_smorest import Blueprint

from app.accounts import queries_users, service_access, service_users
from app.accounts.models import User
from app.accounts.one_time import made_password, with_one_time_password
from app.accounts.queries_users import UserFilter
from app.accounts.schemas import NoQuery
from app.accounts.schemas_users import (
    SessionOut,
    UserCreate,
    UserEdit,
    UserMade,
    UserOut,
    UserQuery,
    session_data,
    user_data,
)
from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.permissions import Permission

Answer = tuple[Any, int, dict[str, str]]

blueprint = Blueprint("users_api", __name__, description="People: roles, passwords, sessions and keys")


def _shown(user: User, status: int = 200, **more: Any) -> Answer:
    locked = queries_users.locked_among(current_actor(), [user.id])
    headers = etag(user.version)
    if status == 201:
        headers["Location"] = url_for("users_api.get_user", user_id=user.id)
    return {**user_data(user, locked), **more}, status, headers


@blueprint.get("/users")
@documented(blueprint)
@blueprint.arguments(UserQuery, location="query")
@blueprint.response(200, UserOut(many=True))
def list_users(query: dict[str, Any]) -> Answer:
    """List the people of your tenant, the newest first."""
    actor = current_actor()
    wanted = UserFilter(query.pop("role", None), query.pop("is_active", None), query.pop("q", None))
    page = queries_users.list_users(actor, wanted, **query)
    locked = queries_users.locked_among(actor, [user.id for user in page.items])
    return paged(page, [user_data(user, locked) for user in page.items])


@blueprint.post("/users")
@with_one_time_password(Permission.USER_EDIT)
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(UserCreate)
@blueprint.response(201, UserMade)
def create_user(values: dict[str, Any]) -> Answer:
    """Add a person. The answer holds a password that works once; it is shown nowhere else."""
    made = made_password()
    user = service_users.create_user(current_actor(), password=made.hashed, **values)
    return _shown(user, 201, one_time_password=made.clear)


@blueprint.get("/users/<int:user_id>")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, UserOut)
def get_user(user_id: int) -> Answer:
    """Show a person."""
    return _shown(queries_users.get_user(current_actor(), user_id))


@blueprint.patch("/users/<int:user_id>")
@documented(blueprint, 404, 409, 413, 415)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(UserEdit)
@blueprint.response(200, UserOut)
def edit_user(values: Any, user_id: int) -> Answer:
    """Change a person. A new role or a deactivation ends their sessions and keys at once."""
    version = seen_version(values.pop("version", None))
    return _shown(service_users.edit_user(current_actor(), user_id, values, version=version))


@blueprint.post("/users/<int:user_id>/reset-password")
@with_one_time_password(Permission.USER_EDIT)
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, UserMade)
def reset_password(user_id: int) -> Answer:
    """Give a person a password that works once; their sessions end, a lock is taken away."""
    made = made_password()
    user = service_users.reset_password(current_actor(), user_id, password=made.hashed)
    return _shown(user, one_time_password=made.clear)


@blueprint.post("/users/<int:user_id>/unlock")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, UserOut)
def unlock_user(user_id: int) -> Answer:
    """Forget the failed sign-ins that lock a person."""
    return _shown(service_users.unlock_user(current_actor(), user_id))


@blueprint.get("/users/<int:user_id>/sessions")
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True)
@blueprint.response(200, SessionOut(many=True))
def list_sessions(user_id: int) -> list[dict[str, Any]]:
    """List a person's open sessions, last used first (100 at most)."""
    actor = current_actor()
    queries_users.get_user(actor, user_id)
    return [session_data(row) for row in queries_users.list_sessions_of(actor, user_id)]


@blueprint.delete("/users/<int:user_id>/sessions")
@documented(blueprint, 404)
@blueprint.response(204)
def end_sessions(user_id: int) -> None:
    """End all sessions of a person."""
    service_access.revoke_sessions_of(current_actor(), user_id)


@blueprint.delete("/users/<int:user_id>/sessions/<int:session_id>")
@documented(blueprint, 404)
@blueprint.response(204)
def end_session(user_id: int, session_id: int) -> None:
    """End one session of a person."""
    service_access.revoke_sessions_of(current_actor(), user_id, session_id)


@blueprint.delete("/users/<int:user_id>/api-keys/<int:key_id>")
@documented(blueprint, 404)
@blueprint.response(204)
def revoke_key(user_id: int, key_id: int) -> None:
    """End a key of a person; ``GET /api-keys?user_id=`` lists them."""
    service_access.revoke_key_of(current_actor(), user_id, key_id)
