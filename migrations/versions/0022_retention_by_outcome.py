"""Runs are found for retention by their outcome.

Revision: 0022
After: 0021
"""

from alembic import op

revision = "0022"
down_revision = "0021"
BEFORE = ["lines_removed_at", "completed_at"]
NOW = ["lines_removed_at", "status", "completed_at"]


def upgrade() -> None:
    op.create_index(op.f(f"ix_runs_{'_'.join(NOW)}"), "runs", NOW)
    op.drop_index(op.f(f"ix_runs_{'_'.join(BEFORE)}"), "runs")


def downgrade() -> None:
    op.create_index(op.f(f"ix_runs_{'_'.join(BEFORE)}"), "runs", BEFORE)
    op.drop_index(op.f(f"ix_runs_{'_'.join(NOW)}"), "runs")
