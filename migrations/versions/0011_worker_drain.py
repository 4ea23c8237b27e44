"""A worker that an administrator drains stays drained over a restart.

Revision: 0011
After: 0010
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column("workers", sa.Column("drain_requested_at", portable.MOMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "drain_requested_at")
