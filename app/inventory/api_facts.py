"""REST of facts: what a server said of itself."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented
from app.core.flask_app import current_actor
from app.inventory import queries_kept
from app.inventory.schemas import NoQuery
from app.inventory.schemas_kept import FactsOut, facts_data

blueprint = Blueprint("server_facts_api", __name__, description="Facts of servers")


@blueprint.route("/servers/<int:server_id>/facts", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, FactsOut)
def get_facts(server_id: int) -> dict[str, Any]:
    """Show the facts gathered last; 404 before the first time. Run ansible.builtin.setup to gather them."""
    return facts_data(queries_kept.get_facts(current_actor(), server_id))
