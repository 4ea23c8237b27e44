"""What there is: instances of resources with their tags, standing and cost; tags that projects require.

Revision: 0033
After: 0029
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0033"
down_revision = "0032"


def upgrade() -> None:
    op.create_table(
        "resource_prices",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("type", portable.ascii_binary(200), nullable=False),
        sa.Column("attribute", portable.ascii_binary(100), server_default="", nullable=False),
        sa.Column("value", portable.ascii_binary(200), server_default="", nullable=False),
        sa.Column("region", portable.ascii_binary(100), server_default="", nullable=False),
        sa.Column("price_per_hour", sa.Numeric(precision=14, scale=6, asdecimal=False), nullable=False),
        sa.Column("currency", portable.ascii_binary(3), server_default="USD", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_resource_prices_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_prices")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_resource_prices_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "type",
            "attribute",
            "value",
            "region",
            name=op.f("uq_resource_prices_tenant_id_type_attribute_value_region"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_resource_prices_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "infrastructure_resources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("state_id", sa.Integer(), nullable=False),
        sa.Column("terraform_resource_id", sa.Integer(), nullable=True),
        sa.Column("type", sa.String(length=200), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("address", portable.ascii_binary(700), nullable=False),
        sa.Column("cloud_id", sa.String(length=500), nullable=True),
        sa.Column(
            "status", portable.enum("status", "pending", "created", "updated", "destroyed", "failed"), nullable=False
        ),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("terraform_state", sa.JSON(), nullable=True),
        sa.Column("execution_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column("changed_version", sa.Integer(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_infrastructure_resources_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "state_id"],
            ["terraform_states.tenant_id", "terraform_states.id"],
            name=op.f("fk_infrastructure_resources_tenant_id_state_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "terraform_resource_id"],
            ["terraform_resources.tenant_id", "terraform_resources.id"],
            name=op.f("fk_infrastructure_resources_tenant_id_terraform_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_infrastructure_resources_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_infrastructure_resources")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_infrastructure_resources_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "state_id", "address", name=op.f("uq_infrastructure_resources_tenant_id_state_id_address")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_infrastructure_resources_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_address"), "infrastructure_resources", ["tenant_id", "address"]
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_cloud_id"), "infrastructure_resources", ["tenant_id", "cloud_id"]
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_name"), "infrastructure_resources", ["tenant_id", "name"]
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_project_id_id"),
        "infrastructure_resources",
        ["tenant_id", "project_id", "id"],
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_region_id"),
        "infrastructure_resources",
        ["tenant_id", "region", "id"],
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_status_id"),
        "infrastructure_resources",
        ["tenant_id", "status", "id"],
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_terraform_resource_id"),
        "infrastructure_resources",
        ["tenant_id", "terraform_resource_id"],
    )
    op.create_index(
        op.f("ix_infrastructure_resources_tenant_id_type_id"), "infrastructure_resources", ["tenant_id", "type", "id"]
    )
    op.create_table(
        "infrastructure_tags",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("value", sa.String(length=256), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "resource_id"],
            ["infrastructure_resources.tenant_id", "infrastructure_resources.id"],
            name=op.f("fk_infrastructure_tags_tenant_id_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_infrastructure_tags_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_infrastructure_tags")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_infrastructure_tags_tenant_id_name_value_resource_id"),
        "infrastructure_tags",
        ["tenant_id", "name", "value", "resource_id"],
    )
    op.create_index(
        op.f("ix_infrastructure_tags_tenant_id_resource_id"), "infrastructure_tags", ["tenant_id", "resource_id"]
    )
    op.create_table(
        "resource_cloud_status",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=False),
        sa.Column("cloud_resource_id", sa.String(length=500), nullable=True),
        sa.Column("status", sa.String(length=50), server_default="unknown", nullable=False),
        sa.Column("ip_address", portable.ascii_binary(45), nullable=True),
        sa.Column("url", sa.String(length=500), nullable=True),
        sa.Column("cost_per_hour", sa.Numeric(precision=14, scale=6, asdecimal=False), nullable=True),
        sa.Column("currency", portable.ascii_binary(3), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("last_checked_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "resource_id"],
            ["infrastructure_resources.tenant_id", "infrastructure_resources.id"],
            name=op.f("fk_resource_cloud_status_tenant_id_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_resource_cloud_status_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_cloud_status")),
        sa.UniqueConstraint("tenant_id", "resource_id", name=op.f("uq_resource_cloud_status_tenant_id_resource_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_resource_cloud_status_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_resource_cloud_status_tenant_id_last_checked_at"),
        "resource_cloud_status",
        ["tenant_id", "last_checked_at"],
    )
    for table in ("infrastructure_resources", "resource_cloud_status", "resource_prices"):
        portable.touch_trigger(table)
    op.add_column(
        "terraform_states", sa.Column("infrastructure_version", sa.Integer(), server_default="0", nullable=False)
    )
    op.add_column("terraform_states", sa.Column("infrastructure_at", portable.MOMENT, nullable=True))
    op.create_index(op.f("ix_terraform_states_infrastructure_at_id"), "terraform_states", ["infrastructure_at", "id"])
    op.add_column("terraform_projects", sa.Column("required_tags", sa.JSON(), nullable=True))
    op.add_column(
        "terraform_projects",
        sa.Column(
            "tag_policy", sa.Enum("off", "warn", "enforce", name="tag_policy"), server_default="warn", nullable=False
        ),
    )
    op.add_column("terraform_projects", sa.Column("metadata", sa.JSON(), nullable=True))


def downgrade() -> None:
    for name in ("metadata", "tag_policy", "required_tags"):
        op.drop_column("terraform_projects", name)
    op.drop_index(op.f("ix_terraform_states_infrastructure_at_id"), "terraform_states")
    for name in ("infrastructure_at", "infrastructure_version"):
        op.drop_column("terraform_states", name)
    for table in ("resource_cloud_status", "infrastructure_tags", "infrastructure_resources", "resource_prices"):
        op.drop_table(table)
