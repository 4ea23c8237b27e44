"""Workers say how many places they have in each of their queues.

Revision: 0034
After: 0029
"""

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0029"


def upgrade() -> None:
    op.add_column("workers", sa.Column("queue_places", sa.JSON(), nullable=True))


def downgrade() -> None:
    op.drop_column("workers", "queue_places")
