"""Reads THE table of who may do what, ``matrix.txt``: a line for every route and method, eight callers.

Cells: ``+`` let in (what follows is the route's own matter: 200, 404, 409, 422 ...), ``401``, ``403``, ``in`` (sent to
the sign-in page). Callers with a key carry it as ``Authorization: Bearer``; outside of /api/ keys count for nothing.
The narrowed key is an administrator's, with the scope ``profile:own`` alone. Ids in paths are unknown ones.

A write whose empty body would be refused before the permission is asked for needs an example in BODIES.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.permissions.cast import CALLERS

TABLE = Path(__file__).with_name("matrix.txt")

# "METHOD route" -> a body that passes the schema: JSON under /api/, form fields elsewhere.
BODIES: dict[str, dict[str, Any]] = {
    "POST /api/v1/adhoc-launches": {"module": "ping", "server_ids": [2_000_000_000]},
    "POST /api/v1/dispatch/pause": {"reason": "Upgrade"},
    "POST /api/v1/api-keys": {"name": "more"},
    "POST /api/v1/jobs": {"playbook_id": 2_000_000_000, "server_id": 2_000_000_000},
    "POST /api/v1/launches": {"playbook_id": 2_000_000_000, "server_ids": [2_000_000_000]},
    "POST /api/v1/playbook-projects": {"source": "sample"},
    "POST /api/v1/playbook-projects/<uuid:project_uuid>/host-key": {"fingerprint": "SHA256:" + "A" * 43},
    "POST /api/v1/playbook-projects/<uuid:project_uuid>/playbooks": {"paths": ["site.yml"]},
    "POST /api/v1/playbooks": {"name": "one", "file_name": "one.yml", "content": "- hosts: all\n"},
    "PUT /api/v1/playbooks/<int:playbook_id>/content": {"content": "- hosts: all\n"},
    "POST /api/v1/servers:import": {"inventory": "web-1 ansible_host=192.0.2.1"},
    "POST /api/v1/server-groups": {"name": "web"},
    "PATCH /api/v1/server-groups/all": {"variables": {}},
    "POST /playbooks/projects/<uuid:project_uuid>/host-key": {"fingerprint": "SHA256:" + "A" * 43},
    "POST /playbooks/projects/<uuid:project_uuid>/approve": {"manifest_hash": "0" * 64},
    "POST /api/v1/saved-launches": {"name": "one", "playbook_id": 2_000_000_000},
    "PATCH /api/v1/saved-launches/<uuid:saved_uuid>": {"description": "more"},
    "POST /api/v1/saved-launches/<uuid:saved_uuid>/grants": {"act": "launch"},
    "POST /api/v1/servers": {"hostname": "web-1", "ip_address": "192.0.2.1"},
    "POST /api/v1/servers/<int:server_id>/host-keys:replace": {"key_ids": [2_000_000_000]},
    "PUT /api/v1/servers/<int:server_id>/credentials/<string:kind>": {"password": "correct horse"},
    "POST /api/v1/ticket-rules": {"name": "Web first", "priority": "high"},
    "POST /api/v1/tickets/bulk": {"ticket_ids": ["00000000-0000-4000-8000-000000000000"], "act": "acknowledge"},
    "POST /api/v1/tickets/<uuid:ticket_id>/merge": {"into": "00000000-0000-4000-8000-000000000001"},
    "POST /api/v1/tickets/<uuid:ticket_id>/reopen": {"reason": "Again"},
    "POST /api/v1/tickets/<uuid:ticket_id>/snooze": {"until": "2031-05-01T06:00:00Z"},
    "POST /api/v1/servers:bulk-edit": {"server_ids": [2_000_000_000], "add_tags": ["web"]},
    "POST /api/v1/tickets": {"title": "Backups are late"},
    "POST /api/v1/tickets/<uuid:ticket_id>/comments": {"body": "Seen"},
    "POST /api/v1/users": {"username": "newcomer", "email": "newcomer@example.org"},
    "POST /api/v1/teams": {"name": "One"},
    "POST /api/v1/terraform/projects": {"name": "One"},
    "POST /api/v1/terraform/projects/<uuid:terraform_uuid>/host-key": {"fingerprint": "SHA256:" + "A" * 43},
    "POST /api/v1/terraform/projects/<uuid:terraform_uuid>/variables": {"name": "size", "value": 1},
    "POST /api/v1/terraform/projects/<uuid:terraform_uuid>/server-rules": {
        "resource_type": "aws_instance",
        "hostname": "{id}",
        "ip_address": "{id}",
    },
    "POST /api/v1/terraform/variable-sets": {"name": "One"},
    "POST /api/v1/terraform/variable-sets/<uuid:set_uuid>/variables": {"name": "size", "value": 1},
    "PUT /api/v1/terraform/projects/<uuid:terraform_uuid>/variable-sets": {"set_ids": []},
    "POST /api/v1/infrastructure/prices": {"type": "aws_instance", "price_per_hour": 0.01},
    "PUT /api/v1/terraform/projects/<uuid:terraform_uuid>/environment/<name>": {"value": "eu-central-1"},
    "PUT /api/v1/terraform/projects/<uuid:terraform_uuid>/provider-settings/<instance>": {"region": "eu-central-1"},
    "PUT /api/v1/terraform/projects/<uuid:terraform_uuid>/files/<path:file_path>": {"content": "# nothing"},
    "POST /api/v1/terraform/projects/<uuid:terraform_uuid>/workspaces": {
        "workspace": "shop",
        "backend": "s3",
        "backend_config": {"bucket": "acme-terraform", "key": "shop.tfstate"},
    },
    "POST /api/v1/teams/<uuid:team_uuid>/members": {"user_id": 2_000_000_000},
    "POST /api/v1/tenants": {"name": "One", "admin_username": "one-admin", "admin_email": "one@example.org"},
    "POST /me/keys": {"name": "one"},
    "POST /tickets/<uuid:ticket_id>/comments": {"body": "Seen"},
}

# "METHOD route" -> a query without which the route has nothing to answer.
QUERIES: dict[str, str] = {
    "GET /api/v1/terraform/projects/<uuid:terraform_uuid>/workspaces/<workspace>/differences": "before=1&after=2",
    "GET /api/v1/playbook-projects/<uuid:project_uuid>/diff": "new=1",
    "GET /api/v1/playbook-projects/<uuid:project_uuid>/revisions/<int:revision_id>/raw": "path=site.yml",
    "GET /playbooks/projects/<uuid:project_uuid>/diff": "new=1",
    "GET /playbooks/projects/<uuid:project_uuid>/revisions/<int:revision_id>/file": "path=site.yml",
    "GET /playbooks/projects/<uuid:project_uuid>/revisions/<int:revision_id>/raw": "path=site.yml",
    "GET /api/v1/ticket-rules/trial": "job_id=00000000-0000-4000-8000-000000000000",
    "GET /stream": "job=00000000-0000-4000-8000-000000000000:0",
}


def cells() -> dict[str, dict[str, str]]:
    """Return {"METHOD route": {caller: cell}}."""
    found: dict[str, dict[str, str]] = {}
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line.strip():
            continue
        method, route, *words = line.split()
        assert len(words) == len(CALLERS), f"{method} {route} needs {len(CALLERS)} cells"
        assert f"{method} {route}" not in found, f"{method} {route} stands twice"
        found[f"{method} {route}"] = dict(zip(CALLERS, words, strict=True))
    return found
