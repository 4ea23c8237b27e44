"""REST of what people set for instances of providers: region, arguments, credentials."""

from __future__ import annotations

from typing import Any

from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.schemas import Strict
from app.terraform import queries, queries_provider_settings, service_provider_settings
from app.terraform.schemas_provider_settings import (
    TerraformProviderSet,
    TerraformProviderSettingsOut,
    settings_data,
)

blueprint = Blueprint("terraform_provider_settings_api", __name__, description="Terraform: settings of providers")
blueprints = (blueprint,)
SETTINGS = "/terraform/projects/<uuid:terraform_uuid>/provider-settings"
Answer = tuple[dict[str, Any], int, dict[str, str]]


class _NoQuery(Strict):
    """No query parameters."""


@blueprint.route(SETTINGS, methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformProviderSettingsOut(many=True))
def list_settings(terraform_uuid: Any) -> list[dict[str, Any]]:
    """List what is set for instances of providers, by name and alias; credentials by name alone."""
    actor = current_actor()
    found = queries_provider_settings.list_instances(actor, queries.get_project(actor, str(terraform_uuid)))
    return [settings_data(one) for one in found if one.settings is not None]


@blueprint.route(f"{SETTINGS}/<instance>", methods=["GET"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(200, TerraformProviderSettingsOut)
def get_settings(terraform_uuid: Any, instance: str) -> Answer:
    """Show what is set for one instance, such as aws or aws.west."""
    return _shown(str(terraform_uuid), instance)


@blueprint.route(f"{SETTINGS}/<instance>", methods=["PUT"])
@documented(blueprint, 404, 409, 413, 415)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.doc(parameters=[IF_MATCH])
@blueprint.arguments(TerraformProviderSet)
@blueprint.response(200, TerraformProviderSettingsOut)
def set_provider(data: dict[str, Any], terraform_uuid: Any, instance: str) -> Answer:
    """Set region, arguments and credentials of an instance; plans that wait become void."""
    service_provider_settings.set_provider(
        current_actor(),
        str(terraform_uuid),
        instance,
        region=data["region"],
        configuration=data["configuration"],
        credentials=data["credentials"],
        version=seen_version(data.get("version")),
    )
    return _shown(str(terraform_uuid), instance)


@blueprint.route(f"{SETTINGS}/<instance>", methods=["DELETE"])
@documented(blueprint, 404)
@blueprint.arguments(_NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.response(204)
def remove_provider(terraform_uuid: Any, instance: str) -> None:
    """Take the settings of an instance away, with its credentials; plans that wait become void."""
    service_provider_settings.remove_provider(current_actor(), str(terraform_uuid), instance)


def _shown(terraform_uuid: str, instance: str) -> Answer:
    actor = current_actor()
    found = queries_provider_settings.get_instance(actor, queries.get_project(actor, terraform_uuid), instance)
    shown = settings_data(found)
    return shown, 200, etag(shown["version"])
