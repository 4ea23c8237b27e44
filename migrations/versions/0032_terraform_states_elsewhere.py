"""States that live elsewhere and are read; the branch of executions and of state versions.

Revision: 0032
After: 0029
"""

import portable
import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
INDEX = ["next_read_at", "id"]
STATES = (
    sa.Column("backend", sa.String(length=20), server_default="platform", nullable=False),
    sa.Column("backend_config", sa.Text(), nullable=True),
    sa.Column("backend_location", sa.String(length=1500), nullable=True),
    sa.Column("backend_version", sa.Integer(), server_default="0", nullable=False),
    sa.Column("read_every_minutes", sa.Integer(), nullable=True),
    sa.Column("read_by", sa.Integer(), nullable=True),
    sa.Column("next_read_at", portable.MOMENT, nullable=True),
    sa.Column("read_at", portable.MOMENT, nullable=True),
    sa.Column("read_error", sa.String(length=2000), nullable=True),
    sa.Column("read_note", sa.String(length=1000), nullable=True),
)
WITH_BRANCH = ("terraform_executions", "terraform_state_files")


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    for column in STATES:
        op.add_column("terraform_states", column.copy())
    op.create_index(op.f(f"ix_terraform_states_{'_'.join(INDEX)}"), "terraform_states", INDEX)
    op.add_column("terraform_state_files", sa.Column("read_from", sa.String(length=1500), nullable=True))
    for table in WITH_BRANCH:
        if _on_sqlite():  # a table is not made anew for a key: what points at its rows would go with the old one
            op.execute(
                f"ALTER TABLE {table} ADD COLUMN branch_id INTEGER REFERENCES git_branches (id) ON DELETE SET NULL"
            )
            continue
        op.add_column(table, sa.Column("branch_id", sa.Integer(), nullable=True))
        op.create_foreign_key(
            op.f(f"fk_{table}_branch_id"), table, "git_branches", ["branch_id"], ["id"], ondelete="SET NULL"
        )


def downgrade() -> None:
    for table in reversed(WITH_BRANCH):
        if not _on_sqlite():
            op.drop_constraint(op.f(f"fk_{table}_branch_id"), table, type_="foreignkey")
            op.drop_index(op.f(f"fk_{table}_branch_id"), table)  # made by the server for the key
        op.drop_column(table, "branch_id")
    op.drop_column("terraform_state_files", "read_from")
    op.drop_index(op.f(f"ix_terraform_states_{'_'.join(INDEX)}"), "terraform_states")
    for column in reversed(STATES):
        op.drop_column("terraform_states", column.name)
