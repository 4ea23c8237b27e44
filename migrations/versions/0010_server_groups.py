"""Server groups: nested, with variables and members.

Revision: 0010
After: 0009
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0010"
down_revision = "0009"


def _link(table: str, left: str, left_parent: str, right: str, right_parent: str) -> None:
    """A table of pairs inside one tenant."""
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(left, sa.Integer(), nullable=False),
        sa.Column(right, sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        *(
            sa.ForeignKeyConstraint(
                ["tenant_id", column],
                [f"{parent}.tenant_id", f"{parent}.id"],
                name=op.f(f"fk_{table}_tenant_id_{column}"),
                ondelete="CASCADE",
            )
            for column, parent in ((left, left_parent), (right, right_parent))
        ),
        sa.ForeignKeyConstraint(["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint("tenant_id", left, right, name=op.f(f"uq_{table}_tenant_id_{left}_{right}")),
        **portable.OPTIONS,
    )
    op.create_index(op.f(f"ix_{table}_tenant_id_{right}"), table, ["tenant_id", right], unique=False)


def upgrade() -> None:
    op.create_table(
        "server_groups",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", portable.ascii_binary(100), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("variables", sa.JSON(), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="1", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.CheckConstraint("priority BETWEEN 1 AND 1000", name=op.f("ck_server_groups_priority")),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_server_groups_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_groups")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_server_groups_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_server_groups_tenant_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_server_groups_uuid")),
        **portable.OPTIONS,
    )
    _link("server_group_children", "parent_id", "server_groups", "child_id", "server_groups")
    _link("server_group_members", "group_id", "server_groups", "server_id", "servers")
    portable.touch_trigger("server_groups")


def downgrade() -> None:
    op.drop_table("server_group_members")
    op.drop_table("server_group_children")
    op.drop_table("server_groups")
