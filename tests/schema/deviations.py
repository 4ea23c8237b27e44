"""Where the schema differs from the core document, and why. docs/schema-deviations.md is made from this."""

from __future__ import annotations

# Rules that hold for every table.
GENERAL = {
    "tenant_id in front of indexes": (
        "Every list is of one tenant, so each index of the document begins with tenant_id. An index whose columns "
        "are the beginning of a longer one is covered by it."
    ),
    "DATETIME(6) instead of DATETIME": "Six digits keep the order of events within a second; all moments are UTC.",
    "tenant_id and composite foreign keys": (
        "Rows belong to a tenant; (tenant_id, x_id) references (tenant_id, id), so the database itself refuses a "
        "reference across tenants. References to people are by id alone: user names are unique over all tenants."
    ),
    "further columns": "The document's columns keep their names and types; features beyond it add columns.",
}

# "table.column" or "table(columns)" -> reason; each line must still be needed.
PARTICULAR = {
    "servers.os_type default": "Unknown until facts tell: 'unknown' is the default, and the column stays NOT NULL.",
    "servers UNIQUE(hostname)": (
        "Unique among the active servers of a tenant (generated column active_hostname): a rebuilt host takes its "
        "name back, and a tenant cannot find out what another one owns."
    ),
    "playbooks UNIQUE(name)": (
        "Unique among the active playbooks of a tenant (generated column active_name): DELETE with jobs only "
        "deactivates, and the name is free again."
    ),
    "jobs.playbook_id null": "NULL only for kinds of job that run no playbook; a CHECK requires it for ansible.",
    "jobs.server_id null": "NULL only for kinds of job that address no server; a CHECK requires it for ansible.",
    "audit_logs FOREIGN KEY(user_id)": (
        "Dropped: ON DELETE SET NULL would rewrite entries of an immutable log, and actions of foreign keys fire no "
        "trigger. People are deactivated, never deleted."
    ),
}
