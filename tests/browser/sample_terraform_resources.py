"""Sample contexts of the pages of what a configuration declares."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.terraform.models_configuration import ResourceStatus
from app.terraform.models_infrastructure import InfrastructureStatus
from tests.browser.sample_pages import listing, row
from tests.browser.sample_terraform import PROJECT, REVISIONS, UUID
from tests.browser.samples import NOW, XSS, page

RESOURCES = [
    row(
        uuid=UUID,
        terraform_address=address,
        resource_type=address.split(".")[-2],
        is_data=address.startswith("data."),
        module_id=1 if address.startswith("module.") else None,
        file_path="main.tf" if line else "designer.tf.json",
        line=line,
        status=ResourceStatus.CREATED,
        missing_since=NOW if line == 3 else None,
        metadata_={"labels": ["edge", XSS]} if line == 3 else None,
    )
    for address, line in (
        ("aws_instance.web", 12),
        ("data.aws_ami.ubuntu", None),
        ("module.network.aws_subnet.private", 3),
        (f"module.network.aws_route_table_association.{'a' * 120}", 40),
    )
]


INSTANCES = [
    SimpleNamespace(
        resource=row(uuid=UUID, address=f'aws_instance.web["{XSS}"]', cloud_id="i-0abc", status=status),
        workspace="default",
        cloud=SimpleNamespace(status="running") if status is InfrastructureStatus.CREATED else None,
    )
    for status in InfrastructureStatus
]


def _resources(**changes: Any) -> dict[str, Any]:
    found = {"project": PROJECT, "revision": REVISIONS[0], "page": listing(RESOURCES, 4)}
    found |= {"modules": {1: "module.network"}, "types": [("aws_instance", "aws_instance")]}
    found |= {"outputs": [_output("address", "192.0.2.1"), _output("zones", ["a", XSS]), _output("key", None, True)]}
    return {**found, "places": [("root", "the root module"), ("module.network", "module.network")], **changes}


def _output(name: str, value: Any, sensitive: bool = False) -> Any:
    return row(name=name, value=value, sensitive=sensitive, description=XSS, missing_since=None if value else NOW)


def _resource(**changes: Any) -> dict[str, Any]:
    needs = [
        SimpleNamespace(resource=one, dependency_type=kind)
        for one, kind in zip(RESOURCES, ("implicit", "data", "explicit"), strict=False)
    ]
    found = {"project": PROJECT, "resource": RESOURCES[2], "module": "module.network", "provider": "aws.west"}
    return {
        **found,
        "arguments": f'{{\n  "tags": "{XSS}"\n}}',
        "needs": needs,
        "needed_by": [],
        "instances": INSTANCES,
        **changes,
    }


def variable(name: str, value: Any, *, sensitive: bool = False, **changes: Any) -> Any:
    found: dict[str, Any] = {
        "name": name,
        "uuid": UUID,
        "value": value,
        "sensitive": sensitive,
        "has_secret": sensitive,
        "is_set": value is not None or sensitive,
        "is_declared": True,
        "is_required": False,
        "declared_sensitive": False,
        "type": "list(object({ name = string }))",
        "default_value": None,
        "description": XSS,
        "updated_at": NOW,
        "version": 2,
    }
    return row(**{**found, **changes})


VARIABLES = [
    variable("region", "eu-central-1"),
    variable("sizes", [1, 2]),
    variable("token", None, sensitive=True),
    variable("password", None, sensitive=True, is_set=False, has_secret=False),
    variable("zones", None, is_required=True),
    variable("tags", None, default_value={"Name": XSS}),
    variable("old", 1, is_declared=False, type=None),
]


page("terraform/resources", "terraform/resources.html")(_resources)
page("terraform/resources-empty", "terraform/resources.html")(
    lambda: _resources(revision=REVISIONS[2], page=listing([], 0), types=[])
)
page("terraform/resource", "terraform/resource.html")(_resource)
page("terraform/resource-alone", "terraform/resource.html")(
    lambda: _resource(resource=RESOURCES[1], module=None, provider=None, needs=[], instances=[], arguments="{}")
)
ENVIRONMENT = [
    row(name="AWS_REGION", value="eu-central-1", sensitive=False, description=XSS, updated_at=NOW),
    row(name="AWS_SECRET_ACCESS_KEY", value=None, sensitive=True, description=None, updated_at=NOW),
]
page("terraform/environment-form", "terraform/environment_form.html")(
    lambda: {"project": PROJECT, "row": ENVIRONMENT[1], "form": {}, "errors": {"value": ["Give 4 characters."]}}
)
page("terraform/variable-form", "terraform/variable_form.html")(
    lambda: {
        "project": PROJECT,
        "variable": VARIABLES[2],
        "rules": {"pattern": XSS, "min": 1, "one_of": ["a", XSS]},
        "declared": [{"condition": "${length(var.token) > 3}", "error_message": XSS}],
        "text": "",
        "is_json": False,
        "form": {},
        "errors": {"rule_min": ["Give a number."], "rules": ["The least is more than the most."]},
    }
)
