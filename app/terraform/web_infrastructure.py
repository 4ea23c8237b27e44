"""Pages of what there is: instances of resources over all projects, and one of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.pagination import Page
from app.terraform import queries, queries_executions, queries_infrastructure, regions
from app.terraform.models_infrastructure import InfrastructureStatus
from app.terraform.queries_infrastructure import Standing
from app.terraform.schemas_infrastructure import InfrastructureQuery, infrastructure_data, money, to_filter

blueprint = Blueprint("infrastructure", __name__, template_folder="templates")
COLUMNS = (
    *("project", "workspace", "address", "type", "name", "cloud_id", "status", "region", "tags", "standing"),
    *("ip_address", "url", "cost_per_hour", "currency", "last_checked_at", "created_at", "updated_at"),
)


def _query(*ignored: str) -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value != "" and name not in ignored}
    try:
        found: dict[str, Any] = InfrastructureQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return found


@blueprint.get("/infrastructure")
def index() -> str:
    """List instances of resources; filters by project, workspace, type, region, status, tag and text."""
    actor = current_actor()
    query = _query()
    wanted = to_filter(actor, query)
    page = queries_infrastructure.list_infrastructure(
        actor,
        wanted,
        page=query["page"],
        page_size=query["page_size"],
        after=query.get("after"),
        sort=query.get("sort"),
    )
    return render_template(
        "terraform/infrastructure.html",
        page=page,
        project=wanted.project,
        types=[(name, name) for name in queries_infrastructure.types(actor, wanted.project)],
        regions=[(name, name) for name in queries_infrastructure.regions(actor, wanted.project)],
        statuses=[(status.value, status.value) for status in InfrastructureStatus],
        odd={row.resource.id for row in page.items if regions.is_odd(row.resource.type, row.resource.region)},
        costs=queries_infrastructure.costs(actor, wanted.project) if wanted.project else [],
        money=money,
        default_sort=queries_infrastructure.SORT.default,
    )


@blueprint.get("/infrastructure/download")
def download() -> ResponseReturnValue:
    """Give every instance that matches, as CSV or JSON lines (``?format=``)."""
    actor = current_actor()
    query = _query("format", "page", "page_size", "after")
    wanted = to_filter(actor, query)

    def fetch(after: int | None) -> Page[Standing]:
        return queries_infrastructure.list_infrastructure(
            actor, wanted, page_size=PAGE_SIZE, after=after, sort=query.get("sort")
        )

    def describe(rows: Sequence[Standing]) -> Sequence[dict[str, Any]]:
        described = []
        for row in rows:
            data = infrastructure_data(row)
            cloud = data["cloud_status"] or {}
            described.append({**cloud, **data, "standing": cloud.get("status")})
        return described

    form = export_format(request.args.get("format"))
    return export_rows(fetch, describe, COLUMNS, name="infrastructure", form=form)


@blueprint.get("/infrastructure/<uuid:infrastructure_uuid>")
def resource(infrastructure_uuid: Any) -> str:
    """Show one instance: how it stands, what changed it last, what declares it, the server that it became."""
    actor = current_actor()
    found = queries_infrastructure.get_infrastructure(actor, str(infrastructure_uuid))
    row = found.resource
    return render_template(
        "terraform/infrastructure_resource.html",
        found=found,
        resource=row,
        project=found.project,
        around=queries_infrastructure.around(actor, row),
        execution=queries_executions.find_execution(actor, row.execution_uuid),
        is_odd=regions.is_odd(row.type, row.region),
        attributes=json.dumps(row.terraform_state or {}, indent=2, ensure_ascii=False),
        owner=queries.owner_of(actor, found.project),
        money=money,
    )
