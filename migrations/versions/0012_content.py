"""Content: approvals by commit and branch rule, engines of workers, collections of runs.

Revision: 0012
After: 0011
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0012"
down_revision = "0011"

ADDED = (
    ("playbook_projects", "approved_branch", lambda: sa.Column("approved_branch", sa.String(length=255), nullable=True)),
    (
        "playbook_projects",
        "approved_branch_url",
        lambda: sa.Column("approved_branch_url", sa.String(length=500), nullable=True),
    ),
    ("playbook_projects", "approved_branch_by", lambda: sa.Column("approved_branch_by", sa.Integer(), nullable=True)),
    (
        "playbook_approvals",
        "kind",
        lambda: sa.Column("kind", sa.String(length=20), server_default="file", nullable=False),
    ),
    ("playbook_approvals", "revoked_by", lambda: sa.Column("revoked_by", sa.Integer(), nullable=True)),
    (
        "playbook_approvals",
        "commit_hash",
        lambda: sa.Column("commit_hash", portable.ascii_binary(64), nullable=True),
    ),
    ("playbook_approvals", "branch", lambda: sa.Column("branch", sa.String(length=255), nullable=True)),
    ("runs", "collections", lambda: sa.Column("collections", sa.JSON(), nullable=True)),
    ("workers", "engines", lambda: sa.Column("engines", sa.JSON(), nullable=True)),
)


def upgrade() -> None:
    for table, _name, column in ADDED:
        op.add_column(table, column())


def downgrade() -> None:
    for table, name, _column in reversed(ADDED):
        op.drop_column(table, name)
