"""Runs and jobs say when their lines were removed.

Revision: 0014
After: 0013
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("runs", sa.Column("lines_removed_at", portable.MOMENT, nullable=True))
    op.add_column("runs", sa.Column("lines_left", sa.Boolean(), server_default="1", nullable=False))
    op.add_column("jobs", sa.Column("lines_removed_at", portable.MOMENT, nullable=True))
    op.create_index(op.f("ix_runs_lines_removed_at_completed_at"), "runs", ["lines_removed_at", "completed_at"])
    op.create_index(op.f("ix_runs_lines_left_lines_removed_at"), "runs", ["lines_left", "lines_removed_at"])


def downgrade() -> None:
    op.drop_index(op.f("ix_runs_lines_left_lines_removed_at"), "runs")
    op.drop_index(op.f("ix_runs_lines_removed_at_completed_at"), "runs")
    op.drop_column("jobs", "lines_removed_at")
    op.drop_column("runs", "lines_left")
    op.drop_column("runs", "lines_removed_at")
