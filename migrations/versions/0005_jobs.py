"""Launches, runs, jobs, locks, workers.

Revision: 0005
After: 0004
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "platform_flags",
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("value", sa.String(length=500), nullable=False),
        sa.Column("set_at", portable.MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_platform_flags")),
        **portable.OPTIONS,
    )
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=191), nullable=False),
        sa.Column("host_name", sa.String(length=255), nullable=False),
        sa.Column("boot_id", portable.ascii_binary(36), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_start", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.String(length=30), nullable=False),
        sa.Column("protocol", sa.Integer(), nullable=False),
        sa.Column("concurrency", sa.Integer(), nullable=False),
        sa.Column("state", portable.enum("state", "online", "draining", "offline"), nullable=False),
        sa.Column("message", sa.String(length=255), nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=False),
        sa.Column("last_seen_at", portable.MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
        sa.UniqueConstraint("name", name=op.f("uq_workers_name")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_workers_state_last_seen_at"), "workers", ["state", "last_seen_at"], unique=False)
    op.create_table(
        "launches",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("subject_type", sa.String(length=50), nullable=False),
        sa.Column("subject_id", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=255), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("api_key_id", sa.Integer(), nullable=True),
        sa.Column("source", sa.String(length=30), nullable=False),
        sa.Column("inputs", sa.JSON(), nullable=False),
        sa.Column("secret_inputs", portable.LONG_TEXT, nullable=True),
        sa.Column(
            "status",
            portable.enum("status", "pending", "running", "success", "failed", "cancelled"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("is_check", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("relaunch_of", sa.BigInteger(), nullable=True),
        sa.Column("open_runs", sa.Integer(), nullable=False),
        sa.Column("jobs_total", sa.Integer(), nullable=False),
        sa.Column("jobs_success", sa.Integer(), server_default="0", nullable=False),
        sa.Column("jobs_failed", sa.Integer(), server_default="0", nullable=False),
        sa.Column("jobs_cancelled", sa.Integer(), server_default="0", nullable=False),
        sa.Column("cancel_requested_at", portable.MOMENT, nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=True),
        sa.Column("completed_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "relaunch_of"],
            ["launches.tenant_id", "launches.id"],
            name=op.f("fk_launches_tenant_id_relaunch_of"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_launches_tenant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_launches_user_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launches")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_launches_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_launches_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_launches_tenant_id_created_at"), "launches", ["tenant_id", "created_at"], unique=False
    )
    op.create_index(
        op.f("ix_launches_tenant_id_status_id"), "launches", ["tenant_id", "status", "id"], unique=False
    )
    op.create_index(
        op.f("ix_launches_tenant_id_subject_type_subject_id_id"),
        "launches",
        ["tenant_id", "subject_type", "subject_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_launches_tenant_id_user_id_id"), "launches", ["tenant_id", "user_id", "id"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("launch_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("engine", sa.String(length=50), nullable=False),
        sa.Column("engine_version", sa.String(length=100), nullable=True),
        sa.Column(
            "status",
            portable.enum("status", "pending", "claimed", "running", "success", "failed", "cancelled"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("lock_mode", portable.enum("lock_mode", "exclusive", "shared"), nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failure_code", sa.String(length=30), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("exit_code", sa.Integer(), nullable=True),
        sa.Column("celery_task_id", sa.String(length=255), nullable=True),
        sa.Column("dispatched_at", portable.MOMENT, nullable=True),
        sa.Column("not_before", portable.MOMENT, nullable=True),
        sa.Column("claimed_at", portable.MOMENT, nullable=True),
        sa.Column("began_at", portable.MOMENT, nullable=True),
        sa.Column("completed_at", portable.MOMENT, nullable=True),
        sa.Column("cancel_requested_at", portable.MOMENT, nullable=True),
        sa.Column("cancel_requested_by", sa.Integer(), nullable=True),
        sa.Column("worker_id", sa.Integer(), nullable=True),
        sa.Column("claim_token", portable.ascii_binary(36), nullable=True),
        sa.Column("host_name", sa.String(length=255), nullable=True),
        sa.Column("boot_id", portable.ascii_binary(36), nullable=True),
        sa.Column("executor_pid", sa.Integer(), nullable=True),
        sa.Column("executor_pid_start", sa.BigInteger(), nullable=True),
        sa.Column("supervisor_pid", sa.Integer(), nullable=True),
        sa.Column("supervisor_pid_start", sa.BigInteger(), nullable=True),
        sa.Column("lease_seq", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_at", portable.MOMENT, nullable=True),
        sa.Column("shipped_records", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("shipped_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("log_complete", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "launch_id"],
            ["launches.tenant_id", "launches.id"],
            name=op.f("fk_runs_tenant_id_launch_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_runs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["worker_id"], ["workers.id"], name=op.f("fk_runs_worker_id"), ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_runs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_runs_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_runs_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_runs_status_id"), "runs", ["status", "id"], unique=False)
    op.create_index(op.f("ix_runs_tenant_id_launch_id"), "runs", ["tenant_id", "launch_id"], unique=False)
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("launch_id", sa.BigInteger(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("playbook_id", sa.Integer(), nullable=True),
        sa.Column("server_id", sa.Integer(), nullable=True),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column(
            "status",
            portable.enum("status", "pending", "running", "success", "failed", "cancelled"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("failure_code", sa.String(length=30), nullable=True),
        sa.Column("celery_task_id", sa.String(length=255), nullable=True),
        sa.Column("extra_vars", sa.JSON(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("failed_task", sa.String(length=255), nullable=True),
        sa.Column("failed_module", sa.String(length=255), nullable=True),
        sa.Column("task_counts", sa.JSON(), nullable=True),
        sa.Column("log_lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("first_failure_line", sa.Integer(), nullable=True),
        sa.Column("log_complete", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("ticket_due", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("cancel_requested_at", portable.MOMENT, nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=True),
        sa.Column("completed_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.CheckConstraint(
            "kind <> 'ansible' OR (playbook_id IS NOT NULL AND server_id IS NOT NULL)",
            name=op.f("ck_jobs_ansible_subject"),
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "launch_id"],
            ["launches.tenant_id", "launches.id"],
            name=op.f("fk_jobs_tenant_id_launch_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "playbook_id"],
            ["playbooks.tenant_id", "playbooks.id"],
            name=op.f("fk_jobs_tenant_id_playbook_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_jobs_tenant_id_run_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_jobs_tenant_id_server_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_jobs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("job_id", name=op.f("uq_jobs_job_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_jobs_tenant_id_id")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_jobs_celery_task_id"), "jobs", ["celery_task_id"], unique=False)
    op.create_index(op.f("ix_jobs_tenant_id_created_at"), "jobs", ["tenant_id", "created_at"], unique=False)
    op.create_index(
        op.f("ix_jobs_tenant_id_launch_id_status"), "jobs", ["tenant_id", "launch_id", "status"], unique=False
    )
    op.create_index(
        op.f("ix_jobs_tenant_id_playbook_id_id"), "jobs", ["tenant_id", "playbook_id", "id"], unique=False
    )
    op.create_index(op.f("ix_jobs_tenant_id_run_id"), "jobs", ["tenant_id", "run_id"], unique=False)
    op.create_index(
        op.f("ix_jobs_tenant_id_server_id_id"), "jobs", ["tenant_id", "server_id", "id"], unique=False
    )
    op.create_index(
        op.f("ix_jobs_tenant_id_status_created_at"),
        "jobs",
        ["tenant_id", "status", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_jobs_tenant_id_user_id_status"), "jobs", ["tenant_id", "user_id", "status"], unique=False
    )
    op.create_index(op.f("ix_jobs_ticket_due_id"), "jobs", ["ticket_due", "id"], unique=False)
    op.create_table(
        "server_locks",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("slot", sa.BigInteger(), nullable=False),
        sa.Column("mode", portable.enum("mode", "exclusive", "shared"), nullable=False),
        sa.Column("acquired_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_server_locks_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_server_locks_tenant_id_server_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_server_locks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_locks")),
        sa.UniqueConstraint("server_id", "slot", name=op.f("uq_server_locks_server_id_slot")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_server_locks_tenant_id_run_id"), "server_locks", ["tenant_id", "run_id"], unique=False
    )
    portable.refuse(
        "jobs",
        "tr_jobs_final",
        "BEFORE UPDATE",
        "a job that has ended keeps its status",
        "OLD.status IN ('success', 'failed', 'cancelled') AND NEW.status <> OLD.status",
    )


def downgrade() -> None:
    op.drop_table("server_locks")
    op.drop_table("jobs")
    op.drop_table("runs")
    op.drop_table("launches")
    op.drop_table("workers")
    op.drop_table("platform_flags")
