"""Tickets.

Revision: 0007
After: 0006
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.create_table(
        "tickets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.String(length=36), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column(
            "status",
            portable.enum("status", "open", "in_progress", "resolved", "closed"),
            server_default="open",
            nullable=False,
        ),
        sa.Column(
            "priority",
            portable.enum("priority", "low", "medium", "high", "critical"),
            server_default="medium",
            nullable=False,
        ),
        sa.Column("resolved_at", portable.MOMENT, nullable=True),
        sa.Column("fingerprint", portable.ascii_binary(64), nullable=True),
        sa.Column("occurrences", sa.Integer(), server_default="1", nullable=False),
        sa.Column("last_seen_at", portable.MOMENT, nullable=True),
        sa.Column("assignee_id", sa.Integer(), nullable=True),
        sa.Column("acknowledged_at", portable.MOMENT, nullable=True),
        sa.Column("due_at", portable.MOMENT, nullable=True),
        sa.Column("source", sa.String(length=20), server_default="job", nullable=False),
        sa.Column("reopened_at", portable.MOMENT, nullable=True),
        sa.Column("failed_task", sa.String(length=255), nullable=True),
        sa.Column("failed_module", sa.String(length=255), nullable=True),
        sa.Column("failure_code", sa.String(length=30), nullable=True),
        sa.Column(
            "open_fingerprint",
            portable.ascii_binary(64),
            sa.Computed("CASE WHEN status IN ('open', 'in_progress') THEN fingerprint END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["assignee_id"], ["users.id"], name=op.f("fk_tickets_assignee_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_tickets_created_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_tickets_tenant_id_job_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_tickets_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tickets")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_tickets_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "open_fingerprint", name=op.f("uq_tickets_tenant_id_open_fingerprint")
        ),
        sa.UniqueConstraint("ticket_id", name=op.f("uq_tickets_ticket_id")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_tickets_tenant_id_created_by"), "tickets", ["tenant_id", "created_by"], unique=False
    )
    op.create_index(
        op.f("ix_tickets_tenant_id_fingerprint_id"),
        "tickets",
        ["tenant_id", "fingerprint", "id"],
        unique=False,
    )
    op.create_index(op.f("ix_tickets_tenant_id_job_id"), "tickets", ["tenant_id", "job_id"], unique=False)
    op.create_index(
        op.f("ix_tickets_tenant_id_status_priority"),
        "tickets",
        ["tenant_id", "status", "priority"],
        unique=False,
    )
    op.create_table(
        "ticket_events",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"],
            ["tickets.tenant_id", "tickets.id"],
            name=op.f("fk_ticket_events_tenant_id_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ticket_events_tenant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_ticket_events_user_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_events")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_ticket_events_tenant_id_ticket_id_id"),
        "ticket_events",
        ["tenant_id", "ticket_id", "id"],
        unique=False,
    )
    op.create_table(
        "ticket_jobs",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("ticket_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=True),
        sa.Column("cleared_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_ticket_jobs_tenant_id_job_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "ticket_id"],
            ["tickets.tenant_id", "tickets.id"],
            name=op.f("fk_ticket_jobs_tenant_id_ticket_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_ticket_jobs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ticket_jobs")),
        sa.UniqueConstraint("tenant_id", "job_id", name=op.f("uq_ticket_jobs_tenant_id_job_id")),
        sa.UniqueConstraint(
            "tenant_id", "ticket_id", "job_id", name=op.f("uq_ticket_jobs_tenant_id_ticket_id_job_id")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_ticket_jobs_tenant_id_ticket_id_server_id"),
        "ticket_jobs",
        ["tenant_id", "ticket_id", "server_id"],
        unique=False,
    )
    portable.touch_trigger("tickets")


def downgrade() -> None:
    op.drop_table("ticket_jobs")
    op.drop_table("ticket_events")
    op.drop_table("tickets")
