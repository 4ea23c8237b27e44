"""REST of what there is: instances of resources over all projects, and what a project costs."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_infrastructure
from app.terraform.schemas_infrastructure import (
    CostOut,
    InfrastructureDetailOut,
    InfrastructureOut,
    InfrastructureQuery,
    cost_data,
    infrastructure_data,
    infrastructure_detail,
    to_filter,
)

blueprint = Blueprint("infrastructure_api", __name__, description="Infrastructure: what states hold, and its cost")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route("/infrastructure/resources", methods=["GET"])
@documented(blueprint)
@blueprint.arguments(InfrastructureQuery, location="query", unknown=RAISE)
@blueprint.response(200, InfrastructureOut(many=True), headers=PAGED)
def list_infrastructure(args: dict[str, Any]) -> Any:
    """List instances of resources, the newest first; destroyed ones stay in the list."""
    actor = current_actor()
    page = queries_infrastructure.list_infrastructure(
        actor,
        to_filter(actor, args),
        page=args["page"],
        page_size=args["page_size"],
        after=args.get("after"),
        sort=args.get("sort"),
    )
    return paged(page, [infrastructure_data(found) for found in page.items])


@blueprint.route("/infrastructure/resources/<uuid:infrastructure_uuid>", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, InfrastructureDetailOut)
def get_infrastructure(infrastructure_uuid: Any) -> dict[str, Any]:
    """Show one instance: how it stands, what declares it, the server that it became."""
    actor = current_actor()
    found = queries_infrastructure.get_infrastructure(actor, str(infrastructure_uuid))
    return infrastructure_detail(found, queries_infrastructure.around(actor, found.resource))


@blueprint.route("/terraform/projects/<uuid:terraform_uuid>/costs", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, CostOut(many=True))
def list_costs(terraform_uuid: Any) -> list[dict[str, Any]]:
    """Show what a project costs per hour by currency, as far as its instances have prices."""
    actor = current_actor()
    return cost_data(queries_infrastructure.costs(actor, queries.get_project(actor, str(terraform_uuid))))
