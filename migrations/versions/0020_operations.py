"""Journals compared after a restore, the keeper's chores, figures, and the load of the workers' machines.

Revision: 0020
After: 0019
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    op.add_column("workers", sa.Column("host_load", sa.JSON(), nullable=True))
    op.create_table(
        "journal_reports",
        sa.Column("host_name", sa.String(length=255), nullable=False),
        sa.Column("reported_at", portable.MOMENT, nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("oldest_at", portable.MOMENT, nullable=True),
        sa.Column("unknown", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("host_name", name=op.f("pk_journal_reports")),
        **portable.OPTIONS,
    )
    op.create_table(
        "lost_begins",
        sa.Column("run_uuid", sa.String(length=36), nullable=False),
        sa.Column("host_name", sa.String(length=255), nullable=False),
        sa.Column("began_at", portable.MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("run_uuid", name=op.f("pk_lost_begins")),
        **portable.OPTIONS,
    )
    op.create_table(
        "keeper_chores",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("ran_at", portable.MOMENT, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("rounds", sa.BigInteger(), nullable=False),
        sa.Column("failures", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_keeper_chores")),
        **portable.OPTIONS,
    )
    op.create_table(
        "run_ends",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=30), nullable=False),
        sa.Column("outcome", sa.String(length=30), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("waited", sa.Double(), nullable=True),
        sa.Column("job_count", sa.Integer(), nullable=False),
        sa.Column("records", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_run_ends")),
        **portable.OPTIONS,
    )
    op.create_table(
        "figures",
        sa.Column("name", portable.ascii_binary(150), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_figures")),
        **portable.OPTIONS,
    )


def downgrade() -> None:
    for table in ("figures", "run_ends", "keeper_chores", "lost_begins", "journal_reports"):
        op.drop_table(table)
    op.drop_column("workers", "host_load")
