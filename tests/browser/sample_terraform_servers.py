"""Sample contexts of the pages of rules, and of the servers that an apply became."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.terraform.models_servers import Bootstrap
from tests.browser.sample_pages import listing, row
from tests.browser.sample_terraform import PROJECT, UUID
from tests.browser.samples import XSS, page

RULE = row(
    uuid=UUID,
    resource_type="aws_instance",
    hostname="{tags.Name}",
    ip_address="{private_ip}",
    ssh_user="admin",
    ssh_port="22",
    ssh_key_path=None,
    python_interpreter=None,
    environment=XSS,
    tags=["web", "{tags.Role}"],
    become=True,
    trusts_first_key=False,
    bootstrap_uuid=UUID,
    version=2,
)
MADE = [
    SimpleNamespace(
        workspace="production",
        server=SimpleNamespace(id=1, hostname="web-1.example.org", is_active=n != 2) if n else None,
        link=SimpleNamespace(
            address=f"aws_instance.web[{n}]",
            execution_uuid=UUID if n else None,
            launch_uuid=UUID if bootstrap is Bootstrap.LAUNCHED else None,
            bootstrap=bootstrap,
            bootstrap_note=XSS if bootstrap is Bootstrap.FAILED else None,
            problem=None if n else XSS,
        ),
    )
    for n, bootstrap in enumerate(Bootstrap)
]


def _servers(**changes: Any) -> dict[str, Any]:
    found = {"project": PROJECT, "rules": [RULE], "page": listing(MADE, 4), "saved": {UUID: XSS}}
    return {**found, "workspaces": ["default", "production"], **changes}


page("terraform/servers", "terraform/servers.html")(_servers)
page("terraform/servers-empty", "terraform/servers.html")(lambda: _servers(rules=[], page=listing([], 0)))
page("terraform/rule-form", "terraform/rule_form.html")(
    lambda: {"project": PROJECT, "rule": RULE, "saved": {UUID: XSS}, "form": {}, "errors": {"hostname": ["No."]}}
)
