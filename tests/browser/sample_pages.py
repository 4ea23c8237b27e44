"""Sample contexts of the slices' pages: full ones with hostile text, and empty ones."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from app.playbooks.declarations import parse_specs
from app.playbooks.form_fields import form_fields
from tests.browser.samples import NOW, XSS, page

ago = timedelta


def row(**values: Any) -> SimpleNamespace:
    return SimpleNamespace(**values)


def listing(items: list[Any], total: int | None = None, page_number: int | None = 1) -> SimpleNamespace:
    return row(
        items=items,
        page=page_number,
        pages=None if total is None else 3,
        total=total,
        next_after=17 if items else None,
    )


def job(number: int, status: str, **more: Any) -> SimpleNamespace:
    started = None if status == "pending" else NOW - ago(minutes=number)
    final = status in ("success", "failed", "cancelled")
    values: dict[str, Any] = {
        "number": 1400 + number,
        "job_id": f"00000000-0000-4000-8000-{number:012d}",
        "status": status,
        "playbook_id": 3,
        "playbook_name": "Patch web servers" if number % 4 else XSS,
        "server_id": number,
        "server_name": f"web-{number}.example.org",
        "user_name": "amelie.koch",
        "created_at": NOW - ago(minutes=number),
        "started_at": started,
        "completed_at": NOW if final else None,
        "environment": "production",
        "failure_code": {"failed": "unreachable"}.get(status),
        "launch_uuid": "l1",
        "launch_number": 310,
        "waiting_because": "web-5 is held by job #1399 (Patch web servers), second in line"
        if status == "pending"
        else None,
    }
    return row(**{**values, **more})


JOBS = [job(n, s) for n, s in enumerate(("running", "pending", "failed", "success", "cancelled", "success"), 1)]


def launch(number: int, status: str, failed: int = 0, **more: Any) -> SimpleNamespace:
    done = status in ("success", "failed", "cancelled")
    values: dict[str, Any] = {
        "number": number,
        "uuid": f"u{number}",
        "title": "Patch web servers" if number % 3 else XSS,
        "status": status,
        "is_check": number % 2 == 0,
        "user_name": "amelie.koch",
        "source": "web",
        "created_at": NOW - ago(minutes=9),
        "started_at": NOW - ago(minutes=8) if status != "pending" else None,
        "completed_at": NOW if done else None,
        "jobs_total": 24,
        "jobs_success": 24 - failed if done else 9,
        "jobs_failed": failed,
        "jobs_cancelled": 0,
        "usual_seconds": 600.0,
        "cancel_requested_at": None,
        "production": True,
        "playbook_id": 3,
        "waiting_because": "no worker is online" if status == "pending" else None,
        "kind": "ansible",
        "origin_type": "saved_launch" if number == 308 else None,
        "origin_uuid": "s308",
        "origin_title": f"Nightly {XSS}" if number == 308 else None,
    }
    return row(**{**values, **more})


LAUNCHES = [
    launch(310, "running", 1),
    launch(311, "pending"),
    launch(308, "failed", 3),
    launch(307, "success"),
]


def ticket(number: int, status: str, priority: str) -> SimpleNamespace:
    return row(
        number=number,
        ticket_id=f"t{number}",
        title=f"Install packages: no space left on device {XSS if number == 2 else ''}",
        status=status,
        priority=priority,
        occurrences=number * 3,
        assignee_name=None if number % 2 else "jonas",
        created_at=NOW - ago(hours=number * 7),
        last_seen_at=NOW - ago(minutes=4),
        servers_hit=number,
        is_overdue=number == 1,
        due_at=NOW - ago(hours=1),
        respond_due_at=NOW,
        snoozed_until=None,
        merged_into=None,
        merged_into_number=None,
        acknowledged_at=None,
        acknowledged_by_name=None,
        reopened_at=None,
        resolved_at=None,
        resolution=None,
        assignee_id=None,
    )


TICKETS = [
    ticket(1, "open", "critical"),
    ticket(2, "open", "high"),
    ticket(3, "in_progress", "medium"),
    ticket(4, "resolved", "low"),
]
BARS = [
    {
        "label": f"{h:02}:00",
        "success": 3 + h % 7,
        "failed": 2 if h in (3, 4, 19) else 0,
        "cancelled": h % 11 == 0,
    }
    for h in range(24)
]
LINE = [{"label": f"{h:02}:00", "seconds": None if h == 5 else 40 + (h * 13) % 50} for h in range(24)]


def dashboard(**more: Any) -> dict[str, Any]:
    return {
        "counts": row(
            running=3,
            waiting=2,
            failed_since=4,
            since=NOW - ago(hours=9),
            open_tickets=3,
            critical_tickets=1,
            overdue_tickets=2,
            servers=248,
        ),
        "launches": LAUNCHES,
        "waiting": [JOBS[1]],
        "tickets": TICKETS[:3],
        "first_steps": None,
        "span": "24h",
        "health": [
            row(name="Database", state="healthy", said="2 ms"),
            row(name="Queue", state="degraded", said="Redis answers slowly"),
            row(name="Audit chain", state="healthy", said="41,213 entries"),
        ],
        "workers": [
            row(name="w1@runner-1", state="online", running=3, concurrency=4, last_seen_at=NOW),
            row(name="w2@runner-2", state="offline", running=0, concurrency=4, last_seen_at=NOW - ago(hours=2)),
        ],
        "outcome": BARS,
        "durations": LINE,
        **more,
    }


page("dashboard/full", "dashboard/index.html")(dashboard)
page("dashboard/empty", "dashboard/index.html")(
    lambda: dashboard(
        counts=row(
            running=0,
            waiting=0,
            failed_since=0,
            since=NOW,
            open_tickets=0,
            critical_tickets=0,
            overdue_tickets=0,
            servers=1,
        ),
        launches=[],
        waiting=[],
        tickets=[],
        workers=[],
        outcome=[],
        durations=[],
        first_steps=row(has_server=True, has_playbook=False, has_launch=False),
    )
)


def server(number: int, **more: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "id": number,
        "hostname": f"web-{number}.example.org",
        "ip_address": f"192.0.2.{number}",
        "os_type": "debian",
        "os_version": "12",
        "environment": "production" if number % 2 else "staging",
        "tags": ["web", f"rack-{number}", XSS][: number % 4],
        "is_active": number != 4,
        "is_controller": number == 6,
        "connection": "ssh",
        "ssh_user": "deploy",
        "ssh_port": 22,
        "last_test_ok": (True, False, None)[number % 3],
        "last_tested_at": NOW - ago(hours=number) if number % 3 != 2 else None,
        "last_job": None if number == 5 else row(job_id="j1", number=1412, status="failed", completed_at=NOW),
        "version": 3,
        "description": "Front end",
        "jump_host_name": None,
        "ssh_key_path": "/etc/millwright/keys/web",
        "become": True,
        "become_user": None,
        "become_method": "sudo",
        "python_interpreter": None,
        "variables": {"http_port": 8080, "motd": XSS},
        "jump_host_id": None,
        "last_test_code": ("ok", "unreachable", None)[number % 3],
        "network_os": None,
        "winrm_transport": None,
        "winrm_scheme": None,
        "winrm_cert_validation": None,
        "last_test_message": "Reached in 0.3 s, Python 3.11",
        "uuid": f"s{number}",
    }
    return row(**{**values, **more})


def servers(items: list[Any]) -> dict[str, Any]:
    return {
        "page": listing(items, len(items)),
        "environments": ["production", "staging"],
        "os_types": ["debian", "unknown"],
        "last_jobs": {
            1: row(status="failed", job_uuid="j1", ended_at=NOW),
            2: row(status="success", job_uuid="j2", ended_at=NOW),
        },
    }


page("inventory/servers", "inventory/servers.html")(lambda: servers([server(n) for n in range(1, 8)]))
page("inventory/servers-empty", "inventory/servers.html")(lambda: servers([]))
page("inventory/server", "inventory/server.html")(
    lambda: {
        "server": server(1),
        "key_facts": {
            "kernel": "6.1.0",
            "memtotal_mb": "3921",
            "virtualization_type": "kvm",
            "virtualization_role": "guest",
        },
        "passwords": {"become": NOW},
        "jobs": JOBS,
        "tickets": TICKETS[:2],
        "host_keys": [
            row(
                id=1,
                key_type="ssh-ed25519",
                fingerprint="SHA256:q1yV0Xb3Jr8nM4c7PzKwL2aTtUe5sHdF9gIxO6vRjYk",
                accepted_at=None,
                accepted_by_name=None,
                changed=True,
            )
        ],
        "changes": [row(at=NOW, who="jonas", what=f"Environment: staging to {XSS}", details=None)],
    }
)
page("inventory/server-form", "inventory/server_form.html")(
    lambda: {
        "server": None,
        "environments": ["production"],
        "jump_hosts": [(1, "jump-1")],
        "form": {"hostname": XSS, "ssh_port": "70000", "connection": "ssh"},
        "errors": {
            "hostname": ["Letters, digits, dots and dashes only."],
            "ssh_port": ["Between 1 and 65535."],
        },
    }
)
page("inventory/server-edit", "inventory/server_form.html")(
    lambda: {"server": server(3), "environments": [], "jump_hosts": [], "form": {}, "errors": {}}
)
SPECS = [
    {
        "name": "release",
        "type": "text",
        "description": "What to roll out",
        "required": True,
        "pattern": "version",
        "max_length": 40,
    },
    {"name": "note", "multiline": True, "characters": ["letters", "space"]},
    {"name": "batch", "type": "number", "default": 5, "integer": True, "minimum": 1},
    {"name": "restart", "type": "boolean", "default": True, "description": "Restart the service afterwards"},
    {"name": "channel", "type": "choice", "choices": ["stable", "edge"], "default": "stable"},
    {"name": "parts", "type": "multi_choice", "choices": ["api", "jobs", XSS], "default": ["api"]},
    {"name": "token", "type": "secret", "required": True, "description": XSS},
    {"name": "near", "type": "server"},
    {"name": "peers", "type": "server", "multiple": True},
]
FIELDS = form_fields(parse_specs(SPECS), {"batch": 4}, kept={"token"})


def playbook(number: int, **more: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "id": number,
        "name": f"Patch web servers {number}",
        "description": f"Updates packages. {XSS}",
        "file_path": "web/patch.yml",
        "project_name": "uploads",
        "project_source": "upload",
        "tags": ["web"],
        "is_active": True,
        "is_approved": number != 2,
        "success_rate": 0.965 if number != 3 else None,
        "runs_30d": 120,
        "usual_seconds": 95.0,
        "version": 1,
        "last_launch": None
        if number == 3
        else row(uuid="u1", number=308, status="success", created_at=NOW - ago(hours=3)),
        "file_hash": "9f" * 32,
        "manifest_hash": "3c" * 32,
        "project_uuid": "6f1f7f6e-3a4e-4d3c-9a55-0c6a5b1f0a11",
        "variable_specs": SPECS,
    }
    return row(**{**values, **more})


def playbooks(items: list[Any]) -> dict[str, Any]:
    return {"page": listing(items, len(items)), "projects": [(1, "uploads")], "sample_offer": True}


page("playbooks/index", "playbooks/index.html")(lambda: playbooks([playbook(n) for n in range(1, 4)]))
page("playbooks/empty", "playbooks/index.html")(lambda: playbooks([]))
page("playbooks/playbook", "playbooks/playbook.html")(
    lambda: {
        "playbook": playbook(1),
        "source": ["- hosts: all", "  tasks:", f"    - name: {XSS}", "      command: uptime"],
        "source_cut": False,
        "changes": [],
        "syntax": (
            row(status=row(value="failed"), uuid="u1", created_at=NOW, inputs={"manifest_hash": "3c" * 32}),
            row(error_message=f"site.yml:3: couldn't resolve module {XSS}"),
        ),
        "revision": row(id=12, commit_hash="0123456789abcdef" * 2),
        "files": [row(path="web/patch.yml", size=812)],
        "approval": None,
        "jobs": JOBS,
        "stats": row(success_rate=0.965, runs=120, usual_seconds=95.0),
        "durations": LINE,
        "outcome": BARS,
    }
)
page("playbooks/upload", "playbooks/upload.html")(
    lambda: {
        "playbook": None,
        "max_bytes": 1_000_000,
        "form": {},
        "errors": {"file": ["Not YAML: line 3, column 7."]},
    }
)
page("playbooks/launch-form", "playbooks/launch_form.html")(
    lambda: {
        "playbook": playbook(1),
        "fields": FIELDS,
        "servers": [server(n) for n in range(1, 20)],
        "servers_more": 229,
        "usual_seconds": 95.0,
        "environments": ["production", "staging"],
        "tags": ["web", "db"],
        "selected": {1, 2},
        "form": {},
        "errors": {},
    }
)
page("playbooks/launch-form-error", "playbooks/launch_form.html")(
    lambda: {
        "playbook": playbook(2, is_approved=False),
        "fields": FIELDS,
        "servers": [],
        "servers_more": 0,
        "usual_seconds": None,
        "environments": [],
        "tags": [],
        "selected": set(),
        "form": {"var_release": XSS, "server_ids": []},
        "errors": {
            "server_ids": ["Choose at least one server."],
            "var_release": ["release must be a version, for example 1.4 or v2.0-rc1."],
        },
    }
)
