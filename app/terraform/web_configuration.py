"""Pages of what a project's files declare: resources, and one of them with its dependencies."""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import Conflict
from app.core.flask_app import current_actor
from app.terraform import queries, queries_configuration, queries_infrastructure, service_files
from app.terraform.queries_configuration import ROOT
from app.terraform.schemas_configuration import provider_name

blueprint = Blueprint("terraform_configuration", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"
MOST_INSTANCES = 50  # of one resource on its page; the list of instances has all


@blueprint.get(f"{PROJECT}/resources")
def resources(terraform_uuid: Any) -> str:
    """List what the files declare, by address; filters by type, module and part of the address."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    asked = request.args
    number = asked.get("page", "")
    modules = queries_configuration.list_modules(actor, project)
    return render_template(
        "terraform/resources.html",
        project=project,
        revision=queries_configuration.reading(actor, project),
        page=queries_configuration.list_resources(
            actor,
            project,
            text=asked.get("q", "").strip()[:200] or None,
            resource_type=asked.get("resource_type") or None,
            module=asked.get("module") or None,
            page=int(number) if number.isascii() and number.isdigit() and 0 < len(number) < 4 and int(number) else 1,
        ),
        outputs=queries_configuration.list_outputs(actor, project, module=ROOT, page_size=100).items,
        modules={row.id: row.terraform_address for row in modules},
        types=[(name, name) for name in queries_configuration.resource_types(actor, project)],
        places=[(ROOT, "the root module"), *((row.terraform_address, row.terraform_address) for row in modules)],
    )


@blueprint.post(f"{PROJECT}/read-again")
def read_again(terraform_uuid: Any) -> ResponseReturnValue:
    """Have what the files declare read anew."""
    try:
        service_files.read_again(current_actor(), str(terraform_uuid))
    except Conflict as error:
        flash(error.message, "error")
    return redirect(url_for(".resources", terraform_uuid=terraform_uuid), 303)


@blueprint.get(f"{PROJECT}/resources/<uuid:resource_uuid>")
def resource(terraform_uuid: Any, resource_uuid: Any) -> str:
    """Show one resource: where it stands, its arguments, what it needs and what needs it."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    found = queries_configuration.get_resource(actor, project, str(resource_uuid))
    return render_template(
        "terraform/resource.html",
        project=project,
        resource=found,
        module=queries_configuration.module_addresses(actor, project, [found.module_id]).get(found.module_id or 0),
        provider=provider_name(queries_configuration.provider_of(actor, found)),
        arguments=json.dumps(found.configuration or {}, indent=2, ensure_ascii=False),
        needs=queries_configuration.needs_of(actor, found),
        needed_by=queries_configuration.needed_by(actor, found),
        instances=queries_infrastructure.instances_of(actor, found, MOST_INSTANCES),
    )
