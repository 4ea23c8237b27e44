"""Log lines, run lines, tasks and results.

Revision: 0006
After: 0005
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "run_lines",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("run_seq", sa.BigInteger(), nullable=False),
        sa.Column("task_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("continued", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("log_level", sa.String(length=20), nullable=True),
        sa.Column("timestamp", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_run_lines_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_run_lines_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_lines")),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "run_seq", name=op.f("uq_run_lines_tenant_id_run_id_run_seq")
        ),
        **portable.OPTIONS,
    )
    op.create_table(
        "run_tasks",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("task_seq", sa.Integer(), nullable=False),
        sa.Column("run_seq", sa.BigInteger(), nullable=False),
        sa.Column("play", sa.String(length=255), nullable=False),
        sa.Column("task", sa.String(length=255), nullable=False),
        sa.Column("module", sa.String(length=255), nullable=False),
        sa.Column("path", sa.String(length=500), nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_run_tasks_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_run_tasks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_tasks")),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "task_seq", name=op.f("uq_run_tasks_tenant_id_run_id_task_seq")
        ),
        **portable.OPTIONS,
    )
    op.create_table(
        "job_logs",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("line_number", sa.Integer(), nullable=False),
        sa.Column("run_seq", sa.BigInteger(), nullable=False),
        sa.Column("task_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("continued", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.Column("log_level", sa.String(length=20), nullable=True),
        sa.Column("timestamp", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_job_logs_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_job_logs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job_logs")),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "line_number", name=op.f("uq_job_logs_tenant_id_job_id_line_number")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_job_logs_tenant_id_timestamp"), "job_logs", ["tenant_id", "timestamp"], unique=False
    )
    op.create_table(
        "task_results",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("task_seq", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            portable.enum(
                "status", "ok", "changed", "failed", "unreachable", "skipped", "rescued", "ignored"
            ),
            nullable=False,
        ),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=True),
        sa.Column("last_line", sa.Integer(), nullable=True),
        sa.Column("diff", portable.LONG_TEXT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_task_results_tenant_id_job_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_task_results_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_results")),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "task_seq", name=op.f("uq_task_results_tenant_id_job_id_task_seq")
        ),
        **portable.OPTIONS,
    )


def downgrade() -> None:
    op.drop_table("task_results")
    op.drop_table("job_logs")
    op.drop_table("run_tasks")
    op.drop_table("run_lines")
