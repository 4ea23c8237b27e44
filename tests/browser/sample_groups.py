"""Sample contexts of the pages of groups and of import."""

from __future__ import annotations

from typing import Any

from app.inventory.import_report import Done, ImportReport, Row
from tests.browser.sample_pages import listing, row
from tests.browser.samples import NOW, XSS, page

GROUPS = [
    {
        "id": number,
        "name": name,
        "description": XSS if number == 2 else "Serves the shop",
        "servers": number * 7,
        "groups_inside": ["web_eu", "web_us"] if number == 1 else [],
        "inside_of": ["site"] if number == 3 else [],
        "variables": number,
        "priority": 1,
        "updated_at": NOW,
    }
    for number, name in enumerate(("web", "db", "k8s-cluster"), 1)
]
VARIABLES: dict[str, Any] = {"http_port": 8080, "note": XSS, "deep": {"list": [1, 2, "x" * 200]}}
SERVERS = [
    row(
        id=number,
        hostname=f"web-{number}.example.org",
        ip_address=f"192.0.2.{number}",
        is_active=number != 3,
        environment="production",
        tags=["web", "blue"],
    )
    for number in range(1, 5)
]
ONE = row(
    id=1, name="web", description="Serves the shop", version=3, variables=VARIABLES, priority=1, child_ids=[], uuid="u"
)


page("inventory/groups", "inventory/groups.html")(lambda: {"page": listing(GROUPS, 3), "everybody": 2})
page("inventory/groups-empty", "inventory/groups.html")(lambda: {"page": listing([], 0), "everybody": 0})
page("inventory/group", "inventory/group.html")(
    lambda: {
        "group": ONE,
        "page": listing(SERVERS, 4),
        "nested": False,
        "children": [(2, "web_eu"), (3, "web_us")],
        "parents": [],
        "is_plain": False,
    }
)
page("inventory/group-form", "inventory/group_form.html")(
    lambda: {
        "group": ONE,
        "form": {},
        "errors": {
            "name": ["There is a group named 'web' already."],
            "child_ids": ["This would be a circle: a > b > a."],
        },
        "choices": [(2, "web_eu"), (3, "web_us")],
        "chosen": {"child_ids": ["2"], "parent_ids": []},
        "variables_text": "http_port: 8080\n",
    }
)
page("inventory/group-all", "inventory/group_all.html")(
    lambda: {"version": 1, "variables": VARIABLES, "variables_text": "a: 1\n", "form": {}, "errors": {}}
)
page("inventory/server-variables", "inventory/server_variables.html")(
    lambda: {
        "server": row(id=1, hostname="web-1.example.org"),
        "direct": [(2, "web_eu")],
        "inherited": [(1, "web")],
        "automatic": ["tag_blue", "env_production"],
        "variables": [
            {"name": "http_port", "value": 8080, "source": "web", "hidden": ["all"]},
            {"name": "note", "value": XSS, "source": "", "hidden": []},
            {"name": "ntp", "value": ["a", "b"], "source": "all", "hidden": []},
        ],
        "group_ids": {"web": 1},
    }
)


def _report(*, dry_run: bool) -> dict[str, Any]:
    report = ImportReport(
        dry_run,
        hosts=[
            Row("web-1", 2, Done.ADDED, left_out=[("ansible_password", "passwords are not kept in clear")]),
            Row("web-2", 3, Done.UPDATED, changed=["ssh_port", "variables"]),
            Row("web-3", 4, Done.UNCHANGED, notes=["The address of web-3 was looked up: 192.0.2.3."], id=3),
            Row(XSS, 5, Done.REFUSED, "Use a host name: letters a-z, digits and dashes between dots."),
        ],
        groups=[Row("web", 1, Done.ADDED), Row("tag_blue", 9, Done.MAPPED, "Kept as the tag 'blue' of its servers.")],
        warnings=["'x' was skipped: it is no group (hosts, vars, children)."],
    )
    carried = "W3dlYl0K" if dry_run else None
    return {
        "report": report,
        "counts": report.counts(),
        "shown": 500,
        "carried": carried,
        "name": "",
        "form": {},
        "errors": {},
    }


page("inventory/import-preview", "inventory/import.html")(lambda: _report(dry_run=True))
page("inventory/import-done", "inventory/import.html")(lambda: _report(dry_run=False))
page("inventory/import", "inventory/import.html")(
    lambda: {
        "report": None,
        "counts": None,
        "shown": 500,
        "carried": None,
        "name": "",
        "form": {"inventory": "[web]\nbad one\n"},
        "errors": {"inventory": ["Line 2: 'one' stands where name=value is expected."]},
    }
)
