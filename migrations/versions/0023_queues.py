"""Runs of one name go one after the other; runs and workers have queues; engines hand over artifacts.

Revision: 0023
After: 0022
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0023"
down_revision = "0022"
ORDER = ["tenant_id", "lock_name", "status", "id"]


def upgrade() -> None:
    op.add_column("runs", sa.Column("lock_name", sa.String(length=200), nullable=True))
    op.add_column("runs", sa.Column("cancel_forced_at", portable.MOMENT, nullable=True))
    op.add_column("runs", sa.Column("queue", sa.String(length=30), server_default="runs", nullable=False))
    op.add_column("workers", sa.Column("queues", sa.JSON(), nullable=True))
    op.create_index(op.f(f"ix_runs_{'_'.join(ORDER)}"), "runs", ORDER)
    op.create_table(
        "run_locks",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("acquired_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_run_locks_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_run_locks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_locks")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_run_locks_tenant_id_name")),
        **portable.OPTIONS,
    )
    op.create_table(
        "run_artifacts",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("name", portable.ascii_binary(50), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("data", portable.LONG_BYTES, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "run_id"],
            ["runs.tenant_id", "runs.id"],
            name=op.f("fk_run_artifacts_tenant_id_run_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_run_artifacts_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_artifacts")),
        sa.UniqueConstraint(
            "tenant_id", "run_id", "name", "piece", name=op.f("uq_run_artifacts_tenant_id_run_id_name_piece")
        ),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_run_locks_tenant_id_run_id"), "run_locks", ["tenant_id", "run_id"])


def downgrade() -> None:
    op.drop_table("run_artifacts")
    op.drop_table("run_locks")
    op.drop_index(op.f(f"ix_runs_{'_'.join(ORDER)}"), "runs")
    op.drop_column("workers", "queues")
    op.drop_column("runs", "queue")
    op.drop_column("runs", "lock_name")
    op.drop_column("runs", "cancel_forced_at")
