"""The seven tables of the core document ("Database Design Document"), as data.

Column: name -> (type, may be null, default). ``now`` is DEFAULT UTC, ``now, updated`` with ON UPDATE UTC.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Document:
    """One table as the document has it."""

    columns: dict[str, tuple[str, bool, str | None]]
    unique: set[tuple[str, ...]] = field(default_factory=set)
    indexes: set[tuple[str, ...]] = field(default_factory=set)
    foreign_keys: dict[str, tuple[str, str]] = field(default_factory=dict)  # column -> (parent, on delete)


KEY, BIG_KEY = ("int", False, None), ("bigint", False, None)
NOW, UPDATED, MOMENT = ("datetime", False, "now"), ("datetime", False, "now, updated"), ("datetime", True, None)


def text(length: int, *, null: bool = False, default: str | None = None) -> tuple[str, bool, str | None]:
    """VARCHAR."""
    return f"varchar({length})", null, default


JSON, TEXT, YES = ("json", True, None), ("text", True, None), ("tinyint(1)", False, "1")

TABLES = {
    "users": Document(
        {
            "id": KEY,
            "username": text(80),
            "email": text(120),
            "password_hash": text(255),
            "role": ("enum('admin','operator','viewer')", False, "viewer"),
            "is_active": YES,
            "created_at": NOW,
            "updated_at": UPDATED,
            "last_login": MOMENT,
        },
        unique={("username",), ("email",)},
        indexes={("role",)},
    ),
    "servers": Document(
        {
            "id": KEY,
            "hostname": text(255),
            "ip_address": text(45),
            "os_type": text(50),
            "os_version": text(50, null=True),
            "ssh_port": ("int", False, "22"),
            "ssh_user": text(50, default="root"),
            "ssh_key_path": text(500, null=True),
            "tags": JSON,
            "environment": text(50, null=True),
            "description": TEXT,
            "is_active": YES,
            "created_at": NOW,
            "updated_at": UPDATED,
        },
        unique={("hostname",)},
        indexes={("ip_address",), ("is_active", "environment")},
    ),
    "playbooks": Document(
        {
            "id": KEY,
            "name": text(255),
            "description": TEXT,
            "file_path": text(500),
            "file_hash": text(64),
            "tags": JSON,
            "variables": JSON,
            "is_active": YES,
            "created_at": NOW,
            "updated_at": UPDATED,
        },
        unique={("name",)},
    ),
    "jobs": Document(
        {
            "id": KEY,
            "job_id": text(36),
            "playbook_id": KEY,
            "server_id": KEY,
            "user_id": KEY,
            "status": ("enum('pending','running','success','failed','cancelled')", False, "pending"),
            "celery_task_id": text(255, null=True),
            "extra_vars": JSON,
            "error_message": TEXT,
            "started_at": MOMENT,
            "completed_at": MOMENT,
            "created_at": NOW,
        },
        unique={("job_id",)},
        indexes={
            ("playbook_id",),
            ("server_id",),
            ("user_id",),
            ("status",),
            ("celery_task_id",),
            ("created_at",),
            ("status", "created_at"),
            ("user_id", "status"),
        },
        foreign_keys={
            "playbook_id": ("playbooks", "RESTRICT"),
            "server_id": ("servers", "RESTRICT"),
            "user_id": ("users", "RESTRICT"),
        },
    ),
    "job_logs": Document(
        {
            "id": BIG_KEY,
            "job_id": KEY,
            "line_number": KEY,
            "content": ("text", False, None),
            "log_level": text(20, null=True),
            "timestamp": NOW,
        },
        indexes={("job_id",), ("timestamp",), ("job_id", "line_number")},
        foreign_keys={"job_id": ("jobs", "CASCADE")},
    ),
    "tickets": Document(
        {
            "id": KEY,
            "ticket_id": text(36),
            "job_id": KEY,
            "created_by": KEY,
            "title": text(255),
            "description": TEXT,
            "status": ("enum('open','in_progress','resolved','closed')", False, "open"),
            "priority": ("enum('low','medium','high','critical')", False, "medium"),
            "created_at": NOW,
            "updated_at": UPDATED,
            "resolved_at": MOMENT,
        },
        unique={("ticket_id",)},
        indexes={("job_id",), ("created_by",), ("status",), ("status", "priority")},
        foreign_keys={"job_id": ("jobs", "RESTRICT"), "created_by": ("users", "RESTRICT")},
    ),
    "audit_logs": Document(
        {
            "id": BIG_KEY,
            "user_id": ("int", True, None),
            "action": text(100),
            "resource_type": text(50),
            "resource_id": ("int", True, None),
            "details": JSON,
            "ip_address": text(45, null=True),
            "user_agent": text(255, null=True),
            "timestamp": NOW,
        },
        indexes={
            ("user_id",),
            ("action",),
            ("resource_type",),
            ("timestamp",),
            ("resource_type", "resource_id"),
            ("action", "timestamp"),
        },
        foreign_keys={"user_id": ("users", "SET NULL")},
    ),
}
