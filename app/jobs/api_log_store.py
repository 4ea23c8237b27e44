"""REST face of how the log is kept."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.jobs.log_state import show_log_state
from app.jobs.schemas_log_store import LogStoreSchema

log_store = Blueprint("api_log_store", __name__, description="How lines are kept")
blueprints = [log_store]


@log_store.route("/log-store")
@documented(log_store)
@log_store.response(200, LogStoreSchema)
def show() -> Any:
    """Show how many lines are sealed and where, what waits, what is damaged (platform administrators)."""
    state, damaged = show_log_state(current_actor())
    return {**{name: getattr(state, name) for name in state.__slots__}, "damaged_segments": damaged}
