"""Saved launches and who may press them; where a launch came from.

Revision: 0018
After: 0017
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0018"
down_revision = "0017"


def _tenant(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="RESTRICT"
    )


def _key(table: str, column: str, parent: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{parent}.tenant_id", f"{parent}.id"],
        name=op.f(f"fk_{table}_tenant_id_{column}"),
        ondelete=ondelete,
    )


def _user(table: str, column: str, ondelete: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint([column], ["users.id"], name=op.f(f"fk_{table}_{column}"), ondelete=ondelete)


def _created() -> sa.Column[object]:
    return sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False)


def upgrade() -> None:
    op.create_table(
        "saved_launches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("playbook_id", sa.Integer(), nullable=False),
        sa.Column("owner_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("selection", sa.JSON(), nullable=False),
        sa.Column("variables", sa.JSON(), nullable=False),
        sa.Column("options", sa.JSON(), nullable=False),
        sa.Column("ask", sa.JSON(), nullable=False),
        sa.Column("secret_variables", portable.LONG_TEXT, nullable=True),
        sa.Column("secret_names", sa.JSON(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column(
            "active_name",
            sa.String(length=255),
            sa.Computed("CASE WHEN is_active = 1 THEN name END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        _created(),
        _key("saved_launches", "playbook_id", "playbooks", "RESTRICT"),
        _user("saved_launches", "owner_id", "RESTRICT"),
        _tenant("saved_launches"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_launches")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_saved_launches_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "active_name", name=op.f("uq_saved_launches_tenant_id_active_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_saved_launches_uuid")),
        **portable.OPTIONS,
    )
    for column in ("name", "updated_at", "playbook_id"):
        op.create_index(op.f(f"ix_saved_launches_tenant_id_{column}"), "saved_launches", ["tenant_id", column])
    op.create_table(
        "saved_launch_tags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("saved_launch_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(length=50), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        _key("saved_launch_tags", "saved_launch_id", "saved_launches", "CASCADE"),
        _tenant("saved_launch_tags"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_launch_tags")),
        sa.UniqueConstraint(
            "tenant_id", "tag", "saved_launch_id", name=op.f("uq_saved_launch_tags_tenant_id_tag_saved_launch_id")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_saved_launch_tags_tenant_id_saved_launch_id"), "saved_launch_tags", ["tenant_id", "saved_launch_id"]
    )
    op.create_table(
        "saved_launch_favourites",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("saved_launch_id", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        _created(),
        _key("saved_launch_favourites", "saved_launch_id", "saved_launches", "CASCADE"),
        _user("saved_launch_favourites", "user_id", "CASCADE"),
        _tenant("saved_launch_favourites"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_saved_launch_favourites")),
        sa.UniqueConstraint(
            "tenant_id",
            "user_id",
            "saved_launch_id",
            name=op.f("uq_saved_launch_favourites_tenant_id_user_id_saved_launch_id"),
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_saved_launch_favourites_tenant_id_saved_launch_id"),
        "saved_launch_favourites",
        ["tenant_id", "saved_launch_id"],
    )
    _grants()
    _origins()


def _grants() -> None:
    table = "saved_launch_grants"
    op.create_table(
        table,
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("saved_launch_id", sa.Integer(), nullable=False),
        sa.Column("act", portable.enum("act", "launch", "edit"), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("team_id", sa.Integer(), nullable=True),
        sa.Column("role", portable.enum("role", "admin", "operator", "viewer"), nullable=True),
        sa.Column("granted_by", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        _created(),
        _key(table, "saved_launch_id", "saved_launches", "CASCADE"),
        _key(table, "user_id", "users", "RESTRICT"),
        _key(table, "team_id", "teams", "CASCADE"),
        _user(table, "granted_by", "RESTRICT"),
        _tenant(table),
        sa.CheckConstraint(
            "(user_id IS NOT NULL AND team_id IS NULL AND role IS NULL) OR "
            "(user_id IS NULL AND team_id IS NOT NULL AND role IS NULL) OR "
            "(user_id IS NULL AND team_id IS NULL AND role IS NOT NULL)",
            name=op.f(f"ck_{table}_one_grantee"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        *(
            sa.UniqueConstraint(
                "tenant_id", "saved_launch_id", column, name=op.f(f"uq_{table}_tenant_id_saved_launch_id_{column}")
            )
            for column in ("user_id", "team_id", "role")
        ),
        **portable.OPTIONS,
    )
    for column in ("user_id", "team_id"):
        op.create_index(op.f(f"ix_{table}_tenant_id_{column}"), table, ["tenant_id", column])
    portable.touch_trigger("saved_launches")


def _origins() -> None:
    op.add_column("launches", sa.Column("origin_type", sa.String(length=30), nullable=True))
    op.add_column("launches", sa.Column("origin_uuid", portable.ascii_binary(36), nullable=True))
    op.add_column("launches", sa.Column("origin_title", sa.String(length=255), nullable=True))
    op.create_index(op.f("ix_launches_tenant_id_origin_uuid_id"), "launches", ["tenant_id", "origin_uuid", "id"])
    op.create_index(op.f("ix_launches_tenant_id_source_id"), "launches", ["tenant_id", "source", "id"])
    op.create_index(op.f("ix_launches_tenant_id_title"), "launches", ["tenant_id", "title"])
    op.create_index(op.f("ix_jobs_tenant_id_failure_code_id"), "jobs", ["tenant_id", "failure_code", "id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_jobs_tenant_id_failure_code_id"), "jobs")
    for columns in ("title", "source_id"):
        op.drop_index(op.f(f"ix_launches_tenant_id_{columns}"), "launches")
    op.drop_index(op.f("ix_launches_tenant_id_origin_uuid_id"), "launches")
    for column in ("origin_title", "origin_uuid", "origin_type"):
        op.drop_column("launches", column)
    for table in ("saved_launch_grants", "saved_launch_favourites", "saved_launch_tags", "saved_launches"):
        op.drop_table(table)
