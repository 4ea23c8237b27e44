"""Workers say how many places they have in each of their queues; readings of configurations are counted.

Revision: 0034
After: 0029
"""

import portable
import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"


def upgrade() -> None:
    op.add_column("workers", sa.Column("queue_places", sa.JSON(), nullable=True))
    op.add_column("terraform_revisions", sa.Column("read_attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("terraform_revisions", sa.Column("read_after", portable.MOMENT, nullable=True))


def downgrade() -> None:
    op.drop_column("terraform_revisions", "read_after")
    op.drop_column("terraform_revisions", "read_attempts")
    op.drop_column("workers", "queue_places")
