"""What providers find in their environment.

Revision: 0029
After: 0028
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0029"
down_revision = "0028"


def upgrade() -> None:
    op.create_table(
        "terraform_environment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("description", sa.String(length=500), nullable=True),
        sa.Column("sensitive", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("secret_value", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_environment_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_environment_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_environment")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_environment_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "project_id", "name", name=op.f("uq_terraform_environment_tenant_id_project_id_name")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_environment_uuid")),
        **portable.OPTIONS,
    )
    portable.touch_trigger("terraform_environment")


def downgrade() -> None:
    op.drop_table("terraform_environment")
