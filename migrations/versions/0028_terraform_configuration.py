"""What configurations of Terraform projects declare: providers, resources, dependencies, outputs.

Revision: 0028
After: 0027
"""

import portable
import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"


def upgrade() -> None:
    op.create_table(
        "terraform_providers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("alias", portable.ascii_binary(200), server_default="", nullable=False),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("region", sa.String(length=200), nullable=True),
        sa.Column("configuration", sa.JSON(), nullable=True),
        sa.Column("missing_since", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_providers_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_providers_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_providers")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_providers_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "name",
            "alias",
            name=op.f("uq_terraform_providers_tenant_id_project_id_name_alias"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_providers_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_resources",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("module_id", sa.Integer(), nullable=True),
        sa.Column("provider_id", sa.Integer(), nullable=True),
        sa.Column("resource_type", sa.String(length=200), nullable=False),
        sa.Column("resource_name", sa.String(length=200), nullable=False),
        sa.Column("is_data", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("terraform_address", portable.ascii_binary(700), nullable=False),
        sa.Column("configuration", sa.JSON(), nullable=True),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column(
            "status",
            portable.enum("status", "unknown", "planning", "applying", "created", "updating", "error", "destroyed"),
            server_default="unknown",
            nullable=False,
        ),
        sa.Column("state_id", sa.String(length=500), nullable=True),
        sa.Column("file_path", portable.ascii_binary(500), nullable=True),
        sa.Column("line", sa.Integer(), nullable=True),
        sa.Column("missing_since", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "module_id"],
            ["terraform_modules.tenant_id", "terraform_modules.id"],
            name=op.f("fk_terraform_resources_tenant_id_module_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_resources_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "provider_id"],
            ["terraform_providers.tenant_id", "terraform_providers.id"],
            name=op.f("fk_terraform_resources_tenant_id_provider_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_resources_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_resources")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_resources_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "terraform_address",
            name=op.f("uq_terraform_resources_tenant_id_project_id_terraform_address"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_resources_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_resources_tenant_id_project_id_resource_type"),
        "terraform_resources",
        ["tenant_id", "project_id", "resource_type"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_resources_tenant_id_resource_name"),
        "terraform_resources",
        ["tenant_id", "resource_name"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_resources_tenant_id_resource_type"),
        "terraform_resources",
        ["tenant_id", "resource_type"],
        unique=False,
    )
    op.create_table(
        "resource_dependencies",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("from_resource_id", sa.Integer(), nullable=False),
        sa.Column("to_resource_id", sa.Integer(), nullable=False),
        sa.Column("dependency_type", portable.enum("dependency_type", "implicit", "explicit", "data"), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "from_resource_id"],
            ["terraform_resources.tenant_id", "terraform_resources.id"],
            name=op.f("fk_resource_dependencies_tenant_id_from_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_resource_dependencies_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "to_resource_id"],
            ["terraform_resources.tenant_id", "terraform_resources.id"],
            name=op.f("fk_resource_dependencies_tenant_id_to_resource_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_resource_dependencies_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_dependencies")),
        sa.UniqueConstraint(
            "tenant_id",
            "from_resource_id",
            "to_resource_id",
            name=op.f("uq_resource_dependencies_tenant_id_from_to"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_resource_dependencies_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_resource_dependencies_tenant_id_project_id_id"),
        "resource_dependencies",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_resource_dependencies_tenant_id_to_resource_id"),
        "resource_dependencies",
        ["tenant_id", "to_resource_id"],
        unique=False,
    )
    op.create_table(
        "terraform_outputs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("module_id", sa.Integer(), nullable=True),
        sa.Column("module_key", sa.Integer(), server_default="0", nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("sensitive", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("missing_since", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "module_id"],
            ["terraform_modules.tenant_id", "terraform_modules.id"],
            name=op.f("fk_terraform_outputs_tenant_id_module_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_outputs_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_outputs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_outputs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_outputs_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "module_key",
            "name",
            name=op.f("uq_terraform_outputs_tenant_id_project_id_module_key_name"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_outputs_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_outputs_tenant_id_name"), "terraform_outputs", ["tenant_id", "name"], unique=False
    )
    portable.touch_trigger("terraform_providers")
    portable.touch_trigger("terraform_resources")
    portable.touch_trigger("terraform_outputs")


def downgrade() -> None:
    op.drop_table("terraform_outputs")
    op.drop_table("resource_dependencies")
    op.drop_table("terraform_resources")
    op.drop_table("terraform_providers")
