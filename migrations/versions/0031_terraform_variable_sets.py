"""Sets of variables that many projects share.

A sensitive value takes a third more place once it is encrypted, so values of 64 KiB need the longer text.

Revision: 0031
After: 0029
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0031"
down_revision = "0030"


def upgrade() -> None:
    op.create_table(
        "terraform_variable_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_global", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_variable_sets_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_variable_sets")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_variable_sets_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_terraform_variable_sets_tenant_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_variable_sets_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_set_variables",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column(
            "category",
            portable.enum("category", "terraform", "environment"),
            server_default="terraform",
            nullable=False,
        ),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("sensitive", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("secret_value", portable.LONG_TEXT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "set_id"],
            ["terraform_variable_sets.tenant_id", "terraform_variable_sets.id"],
            name=op.f("fk_terraform_set_variables_tenant_id_set_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_set_variables_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_set_variables")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_set_variables_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "set_id",
            "category",
            "name",
            name=op.f("uq_terraform_set_variables_tenant_id_set_id_category_name"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_set_variables_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_project_variable_sets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("set_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_project_variable_sets_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "set_id"],
            ["terraform_variable_sets.tenant_id", "terraform_variable_sets.id"],
            name=op.f("fk_terraform_project_variable_sets_tenant_id_set_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"],
            ["tenants.id"],
            name=op.f("fk_terraform_project_variable_sets_tenant_id"),
            ondelete="RESTRICT",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_project_variable_sets")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "set_id",
            name=op.f("uq_terraform_project_variable_sets_tenant_id_project_id_set_id"),
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_project_variable_sets_tenant_id_set_id"),
        "terraform_project_variable_sets",
        ["tenant_id", "set_id"],
        unique=False,
    )
    portable.touch_trigger("terraform_variable_sets")
    portable.touch_trigger("terraform_set_variables")
    _secrets(portable.LONG_TEXT, sa.Text())


def downgrade() -> None:
    _secrets(sa.Text(), portable.LONG_TEXT)
    op.drop_table("terraform_project_variable_sets")
    op.drop_table("terraform_set_variables")
    op.drop_table("terraform_variable_sets")


def _secrets(wanted: sa.types.TypeEngine[str], present: sa.types.TypeEngine[str]) -> None:
    if op.get_bind().dialect.name != "sqlite":  # where every text is as long as it has to be
        op.alter_column(
            "terraform_variables", "secret_value", type_=wanted, existing_type=present, existing_nullable=True
        )
