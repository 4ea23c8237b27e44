"""What people set for instances of providers.

Revision: 0030
After: 0029
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    op.create_table(
        "terraform_provider_settings",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("alias", portable.ascii_binary(200), server_default="", nullable=False),
        sa.Column("region", sa.String(length=200), nullable=True),
        sa.Column("configuration", sa.JSON(), nullable=True),
        sa.Column("credential_names", sa.JSON(), nullable=True),
        sa.Column("credentials", sa.Text(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_provider_settings_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_provider_settings_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_provider_settings")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_provider_settings_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "project_id", "name", "alias", name="uq_terraform_provider_settings_tenant_id_instance"
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_provider_settings_uuid")),
        **portable.OPTIONS,
    )
    portable.touch_trigger("terraform_provider_settings")


def downgrade() -> None:
    op.drop_table("terraform_provider_settings")
