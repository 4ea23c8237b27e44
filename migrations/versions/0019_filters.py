"""Indexes for filters that read whole tables: priority, source, failure and acknowledgement of tickets; kinds of jobs.

Revision: 0019
After: 0018
"""

from alembic import op

revision = "0019"
down_revision = "0018"
INDEXES = (
    ("tickets", ("tenant_id", "priority", "id")),
    ("tickets", ("tenant_id", "source", "id")),
    ("tickets", ("tenant_id", "failure_code", "id")),
    ("tickets", ("tenant_id", "acknowledged_at")),
    ("launches", ("tenant_id", "kind", "id")),
    ("jobs", ("tenant_id", "kind", "id")),
    ("playbooks", ("tenant_id", "is_active", "id")),
    ("servers", ("tenant_id", "environment")),
)


def upgrade() -> None:
    for table, columns in INDEXES:
        op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, list(columns))


def downgrade() -> None:
    for table, columns in reversed(INDEXES):
        op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
