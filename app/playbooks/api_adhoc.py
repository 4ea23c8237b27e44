"""REST: running one module on some servers. What was launched is read at /launches and /jobs."""

from __future__ import annotations

from typing import Any

from flask import request
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.accounts.idempotency import once
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.jobs.listings import launch_rows
from app.jobs.schemas import LaunchSchema
from app.playbooks import adhoc, service_adhoc
from app.playbooks.schemas import to_selection
from app.playbooks.schemas_adhoc import AdhocLaunchSchema, AdhocModuleSchema, NoQuerySchema, to_adhoc_options

blueprint = Blueprint("adhoc_api", __name__, description="Running one module on some servers")


@blueprint.get("/adhoc-modules")
@blueprint.arguments(NoQuerySchema, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, AdhocModuleSchema(many=True))
@documented(blueprint)
def list_modules() -> Any:
    """List the modules that the caller may run."""
    names = service_adhoc.allowed_modules(current_actor())
    return [{"name": name, "reads_only": name in adhoc.READING} for name in names]


@blueprint.post("/adhoc-launches")
@blueprint.arguments(AdhocLaunchSchema)
@blueprint.response(202, LaunchSchema)
@documented(blueprint, 404, 409, 413, 415)
@blueprint.doc(
    parameters=[
        {
            "in": "header",
            "name": "Idempotency-Key",
            "required": False,
            "schema": {"type": "string", "maxLength": 200},
            "description": "Repeat a request with the same key and body: nothing is launched twice.",
        }
    ]
)
def create_adhoc_launch(data: dict[str, Any]) -> Any:
    """Run one module once on servers chosen by id, tag or environment."""
    actor = current_actor()

    def start() -> str:
        made = service_adhoc.launch_adhoc(
            actor,
            data["module"],
            data["arguments"],
            selection=to_selection(data),
            options=to_adhoc_options(data),
            become=data["become"],
            source="api",
        )
        return made.uuid

    key = request.headers.get("Idempotency-Key")
    uuid, replayed = once(actor, key, "adhoc launch", data, "launch", start)
    headers = {"Location": f"/api/v1/launches/{uuid}", **({"Idempotent-Replayed": "true"} if replayed else {})}
    return launch_rows([service_adhoc.get_launch(actor, uuid)])[0], 202, headers
