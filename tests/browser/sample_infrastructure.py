"""Sample contexts of the pages of what there is, and of the prices."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.terraform.models_infrastructure import InfrastructureStatus
from app.terraform.queries_infrastructure import Cost
from app.terraform.schemas_infrastructure import money
from tests.browser.sample_pages import listing, row
from tests.browser.sample_terraform import EXECUTIONS, PROJECT, UUID
from tests.browser.samples import NOW, XSS, page


def _found(number: int, status: InfrastructureStatus, **changes: Any) -> Any:
    facts: dict[str, Any] = {
        "id": number,
        "uuid": UUID,
        "type": "aws_instance",
        "name": "web",
        "address": f'module.shop.aws_instance.web["{"a" * 20 * number}"]',
        "cloud_id": f"i-0123456789abcdef{number}" if number else None,
        "status": status,
        "region": "eu-central-1" if number % 2 else "eu-nowhere-9",
        "tags": {"Environment": "production", "Project": XSS, "Owner": "", "Name": "web", "Team": "a"}
        if number
        else None,
        "terraform_state": {"instance_type": "t3.micro", "ami": XSS},
        "execution_uuid": UUID,
        "changed_version": 3 if number else None,
        "created_at": NOW,
        "updated_at": NOW,
    }
    cloud = row(
        cloud_resource_id="i-0123456789abcdef",
        status="running" if number else "unknown",
        ip_address="2001:db8::1" if number else None,
        url="https://web.example.org" if number else None,
        cost_per_hour=0.0104 if number else None,
        currency="USD",
        last_checked_at=NOW,
    )
    return SimpleNamespace(
        resource=row(**{**facts, **changes}),
        project=PROJECT,
        workspace="production",
        cloud=cloud if number != 2 else None,
    )


FOUND = [_found(n, status) for n, status in enumerate(InfrastructureStatus)]
PRICES = [
    row(
        id=n,
        uuid=UUID,
        type="aws_instance",
        attribute="instance_type" if n else "",
        value=f"t3.micro{XSS}" if n else "",
        region="eu-central-1" if n else "",
        price_per_hour=0.0104,
        currency="EUR",
        version=2,
    )
    for n in (0, 1)
]


def _list(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"page": listing(FOUND, 5), "project": None, "types": [("aws_instance", "aws_instance")]}
    found |= {"regions": [("eu-central-1", "eu-central-1")], "statuses": [("created", "created")], "odd": {0, 2, 4}}
    return {**found, "costs": [], "money": money, "default_sort": "-created", **changes}


def _one(**changes: Any) -> dict[str, Any]:
    found = FOUND[1]
    around = SimpleNamespace(
        declared=row(uuid=UUID, terraform_address="module.shop.aws_instance.web"),
        server=row(id=1, hostname="web-1.example.org"),
    )
    context: dict[str, Any] = {"found": found, "resource": found.resource, "project": PROJECT, "around": around}
    context |= {"execution": EXECUTIONS[1].execution, "is_odd": False, "owner": "amelie.koch", "money": money}
    return {**context, "attributes": f'{{\n  "ami": "{XSS}"\n}}', **changes}


page("terraform/infrastructure", "terraform/infrastructure.html")(_list)
page("terraform/infrastructure-project", "terraform/infrastructure.html")(
    lambda: _list(project=PROJECT, costs=[Cost("EUR", 0.4, 2), Cost("USD", 1234.56789, 1200)])
)
page("terraform/infrastructure-empty", "terraform/infrastructure.html")(lambda: _list(page=listing([], 0)))
page("terraform/infrastructure-resource", "terraform/infrastructure_resource.html")(_one)
page("terraform/infrastructure-resource-new", "terraform/infrastructure_resource.html")(
    lambda: _one(
        found=FOUND[2],
        resource=FOUND[0].resource,
        around=SimpleNamespace(declared=None, server=None),
        execution=None,
        is_odd=True,
    )
)
page("terraform/prices", "terraform/prices.html")(
    lambda: {"page": listing(PRICES, 2), "money": money, "default_sort": "type"}
)
page("terraform/prices-empty", "terraform/prices.html")(
    lambda: {"page": listing([], 0), "money": money, "default_sort": "type"}
)
page("terraform/price-form", "terraform/price_form.html")(
    lambda: {"price": PRICES[1], "form": {}, "errors": {"value": ["Give both."]}, "money": money}
)
