"""Tickets: triage, merging, priority rules and time targets.

Revision: 0015
After: 0014
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0015"
down_revision = "0014"

COLUMNS = (
    ("acknowledged_by", sa.Integer()),
    ("respond_due_at", portable.MOMENT),
    ("overdue_at", portable.MOMENT),
    ("snoozed_until", portable.MOMENT),
    ("merged_into_id", sa.Integer()),
    ("resolution", sa.Text()),
    ("rule_rank", sa.Integer()),
    ("task_key", portable.ascii_binary(32)),
    ("message_key", portable.ascii_binary(32)),
)
INDEXES = (
    ("assignee_id", "status"),
    ("created_at",),
    ("due_at", "id"),
    ("last_seen_at", "id"),
    ("merged_into_id",),
    ("message_key", "id"),
    ("occurrences", "id"),
    ("snoozed_until",),
    ("status", "overdue_at", "due_at"),
    ("task_key", "id"),
)


def _name(columns: tuple[str, ...]) -> str:
    return op.f("ix_tickets_tenant_id_" + "_".join(columns))


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("tickets", sa.Column(name, kind, nullable=True))
    for columns in INDEXES:
        op.create_index(_name(columns), "tickets", ["tenant_id", *columns], unique=False)
    for table in ("ticket_jobs", "ticket_events"):
        op.add_column(table, sa.Column("moved_from", sa.Integer(), nullable=True))
    op.create_table(
        "ticket_fingerprints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("fingerprint", portable.ascii_binary(64), nullable=False),
        sa.Column("leads_to", portable.ascii_binary(64), nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"],
            ["tickets.tenant_id", "tickets.id"],
            name=op.f("fk_ticket_fingerprints_tenant_id_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ticket_fingerprints_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_fingerprints")),
        sa.UniqueConstraint(
            "tenant_id", "fingerprint", name=op.f("uq_ticket_fingerprints_tenant_id_fingerprint")
        ),
        **portable.OPTIONS,
    )
    for columns in (("leads_to",), ("ticket_id",)):
        op.create_index(
            op.f("ix_ticket_fingerprints_tenant_id_" + columns[0]), "ticket_fingerprints", ["tenant_id", *columns]
        )
    op.create_table(
        "ticket_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("environments", sa.String(length=200), nullable=True),
        sa.Column("tag", sa.String(length=100), nullable=True),
        sa.Column("playbook_id", sa.Integer(), nullable=True),
        sa.Column("failure_code", sa.String(length=30), nullable=True),
        sa.Column("check_mode", sa.Boolean(), nullable=True),
        sa.Column("min_servers", sa.Integer(), server_default="1", nullable=False),
        sa.Column("min_share", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "priority", portable.enum("priority", "low", "medium", "high", "critical"), nullable=False
        ),
        sa.Column("assignee_id", sa.Integer(), nullable=True),
        sa.Column("due_hours", sa.Integer(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "playbook_id"],
            ["playbooks.tenant_id", "playbooks.id"],
            name=op.f("fk_ticket_rules_tenant_id_playbook_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "assignee_id"],
            ["users.tenant_id", "users.id"],
            name=op.f("fk_ticket_rules_tenant_id_assignee_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ticket_rules_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_rules")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_ticket_rules_tenant_id_position"), "ticket_rules", ["tenant_id", "position"])
    op.create_table(
        "ticket_targets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "priority", portable.enum("priority", "low", "medium", "high", "critical"), nullable=False
        ),
        sa.Column("respond_minutes", sa.Integer(), nullable=False),
        sa.Column("solve_minutes", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ticket_targets_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_targets")),
        sa.UniqueConstraint("tenant_id", "priority", name=op.f("uq_ticket_targets_tenant_id_priority")),
        **portable.OPTIONS,
    )
    portable.touch_trigger("ticket_rules")
    portable.touch_trigger("ticket_targets")


def downgrade() -> None:
    op.drop_table("ticket_targets")
    op.drop_table("ticket_rules")
    op.drop_table("ticket_fingerprints")
    for table in ("ticket_events", "ticket_jobs"):
        op.drop_column(table, "moved_from")
    for columns in reversed(INDEXES):
        op.drop_index(_name(columns), "tickets")
    for name, _ in reversed(COLUMNS):
        op.drop_column("tickets", name)
