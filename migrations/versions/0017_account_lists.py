"""Indexes of the lists of people and keys.

Revision: 0017
After: 0016
"""

from alembic import op

revision = "0017"
down_revision = "0016"

INDEXES = (
    ("users", "username"),
    ("users", "last_login"),
    ("api_keys", "expires_at"),
    ("api_keys", "last_used"),
)


def upgrade() -> None:
    for table, column in INDEXES:
        op.create_index(op.f(f"ix_{table}_tenant_id_{column}"), table, ["tenant_id", column], unique=False)


def downgrade() -> None:
    for table, column in reversed(INDEXES):
        op.drop_index(op.f(f"ix_{table}_tenant_id_{column}"), table_name=table)
