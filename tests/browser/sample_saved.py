"""Sample contexts of the pages of saved launches and of relaunching with changes."""

from __future__ import annotations

from typing import Any

from app.playbooks.plan import Plan
from app.playbooks.targets import Selection
from tests.browser.sample_pages import FIELDS, LAUNCHES, ago, listing, row, server
from tests.browser.samples import NOW, XSS, page

PLAN = Plan(14, [f"web-{n}.example.org" for n in range(1, 13)], 3, False)


def saved(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "uuid": f"s{number}",
        "name": "Patch the web servers" if number % 2 else XSS,
        "description": f"Every Tuesday. {XSS}",
        "playbook_id": 3,
        "playbook_name": "Patch web servers",
        "owner_name": "amelie.koch",
        "tags": ["night", "web"],
        "is_active": number != 3,
        "is_favourite": number == 1,
        "may_launch": number != 3,
        "may_edit": True,
        "success_rate": 0.93 if number != 2 else None,
        "runs_30d": 30,
        "usual_seconds": 95.0 if number != 2 else None,
        "last_launch_uuid": "u1" if number != 2 else None,
        "last_status": "failed",
        "last_launched_at": NOW - ago(hours=number),
        "updated_at": NOW - ago(hours=30),
        "extra_vars": {"release": "1.4", "note": XSS},
        "secret_names": ["token"],
        "options": {"check": True, "tags": ["a", "b"], "forks": 5},
        "version": 3,
    }
    return row(**{**values, **more})


GRANTS = [
    row(id=1, kind="user", name="jonas", act=row(value="launch"), is_active=True),
    row(id=2, kind="team", name=XSS, act=row(value="edit"), is_active=False),
    row(id=3, kind="role", name="viewer", act=row(value="launch"), is_active=True),
]
WHERE: dict[str, Any] = {
    "servers": [server(n) for n in range(1, 8)],
    "servers_more": 0,
    "environments": ["production", "staging"],
    "tags": ["web", "db"],
    "groups": ["web", "db"],
    "groups_of": {},
    "selected": {1},
    "fields": FIELDS,
}
page("playbooks/saved-launches", "playbooks/saved_launches.html")(
    lambda: {"page": listing([saved(n) for n in range(1, 4)], 3), "tags": [("web", "web")], "default_sort": "name"}
)
page("playbooks/saved-launches-empty", "playbooks/saved_launches.html")(
    lambda: {"page": listing([], 0), "tags": [], "default_sort": "name"}
)
page("playbooks/saved-launch", "playbooks/saved_launch.html")(
    lambda: {
        "saved": saved(1),
        "is_approved": False,
        "selection": Selection(server_ids=(1,), groups=("web",), tags=("db",), limit="!web-3"),
        "servers": ["web-1.example.org"],
        "asked": ["Release", "check only"],
        "launches": LAUNCHES,
        "grants": GRANTS,
        "may_grant": True,
        "people": [(1, "jonas", "viewer")],
        "teams": [("t1", XSS)],
        "roles": ["admin", "operator", "viewer"],
    }
)
page("playbooks/saved-form", "playbooks/saved_form.html")(
    lambda: {
        **WHERE,
        "playbook": row(id=3, name="Patch web servers"),
        "saved": saved(1),
        "from_launch": None,
        "askable": [("servers", "which of its servers"), ("extra_vars.release", XSS)],
        "secret_names": ["token"],
        "left_out": 2,
        "form": {"name": XSS, "ask": ["servers"]},
        "errors": {"name": ["Give it a name."], "ask": ["Not known."]},
    }
)
page("playbooks/saved-choose", "playbooks/saved_choose.html")(lambda: {"playbooks": [row(id=1, name=XSS)]})
page("playbooks/saved-press", "playbooks/saved_press.html")(
    lambda: {
        **WHERE,
        "saved": row(uuid="s1", name="Patch the web servers", description=XSS, is_active=True),
        "playbook": row(id=3, name="Patch web servers"),
        "is_approved": True,
        "ask": ["servers", "limit", "check", "tags", "verbosity", "extra_vars.release"],
        "open_choice": False,
        "problem": None,
        "plan": PLAN,
        "usual_seconds": 95.0,
        "token": "x",
        "form": {"server_ids": ["1"]},
        "errors": {},
    }
)
page("playbooks/relaunch", "playbooks/relaunch.html")(
    lambda: {
        **WHERE,
        "old": row(uuid="u308", number=308, status="failed"),
        "playbook": row(id=3, name="Patch web servers", is_active=True),
        "is_approved": True,
        "content_changed": True,
        "left_out": 1,
        "plan": PLAN,
        "differences": ["servers -web-3", f"release 1.2 -> {XSS}"],
        "usual_seconds": 95.0,
        "token": "x",
        "form": {"server_ids": ["1"]},
        "errors": {},
    }
)
