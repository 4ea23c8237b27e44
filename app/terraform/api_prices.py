"""REST of the prices by which instances have a cost."""

from __future__ import annotations

from typing import Any, cast

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries_infrastructure, service_prices
from app.terraform.schemas_infrastructure import PriceCreate, PriceEdit, PriceOut, PriceQuery, price_data
from app.terraform.service_prices import PriceInput

blueprint = Blueprint("prices_api", __name__, description="Infrastructure: prices of resources")
blueprints = (blueprint,)
PAGED = {"X-Pagination": {"schema": {"type": "string"}, "description": "JSON"}}
MANY = "/infrastructure/prices"
ONE = f"{MANY}/<uuid:price_uuid>"
Answer = tuple[dict[str, Any], int, dict[str, str]]


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(MANY, methods=["GET"])
@documented(blueprint)
@blueprint.arguments(PriceQuery, location="query", unknown=RAISE)
@blueprint.response(200, PriceOut(many=True), headers=PAGED)
def list_prices(args: dict[str, Any]) -> Any:
    """List prices by type."""
    page = queries_infrastructure.list_prices(current_actor(), kind=args.pop("type", None), **args)
    return paged(page, [price_data(price) for price in page.items])


@blueprint.route(MANY, methods=["POST"])
@documented(blueprint, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(PriceCreate)
@blueprint.response(201, PriceOut)
def create_price(data: dict[str, Any]) -> Answer:
    """Say what resources of a type cost per hour."""
    made = price_data(service_prices.add_price(current_actor(), cast(PriceInput, data)))
    return made, 201, {"Location": f"/api/v1{MANY}/{made['id']}", **etag(made["version"])}


@blueprint.route(ONE, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, PriceOut)
def get_price(price_uuid: Any) -> Answer:
    """Show one price."""
    found = price_data(queries_infrastructure.get_price(current_actor(), str(price_uuid)))
    return found, 200, etag(found["version"])


@blueprint.route(ONE, methods=["PATCH"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(PriceEdit)
@blueprint.response(200, PriceOut)
def edit_price(data: dict[str, Any], price_uuid: Any) -> Answer:
    """Change the given fields; costs follow a moment later."""
    version = seen_version(data.pop("version", None))
    found = service_prices.change_price(current_actor(), str(price_uuid), cast(PriceInput, data), version=version)
    shown = price_data(found)
    return shown, 200, etag(shown["version"])


@blueprint.route(ONE, methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_price(price_uuid: Any) -> None:
    """Remove a price."""
    service_prices.remove_price(current_actor(), str(price_uuid))
