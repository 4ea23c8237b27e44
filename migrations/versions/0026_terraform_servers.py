"""Rules by which resources of Terraform become servers, and those servers.

Revision: 0026
After: 0025
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    op.create_table(
        "terraform_server_rules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("resource_type", sa.String(length=200), nullable=False),
        sa.Column("hostname", sa.String(length=500), nullable=False),
        sa.Column("ip_address", sa.String(length=500), nullable=False),
        sa.Column("ssh_user", sa.String(length=500), server_default="root", nullable=False),
        sa.Column("ssh_port", sa.String(length=500), server_default="22", nullable=False),
        sa.Column("ssh_key_path", sa.String(length=500), nullable=True),
        sa.Column("python_interpreter", sa.String(length=255), nullable=True),
        sa.Column("environment", sa.String(length=500), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("become", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("trusts_first_key", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("bootstrap_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_server_rules_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_server_rules_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_server_rules")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_server_rules_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "resource_type",
            name=op.f("uq_terraform_server_rules_tenant_id_project_id_resource_type"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_server_rules_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_servers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("state_id", sa.Integer(), nullable=False),
        sa.Column("address", sa.String(length=700), nullable=False),
        sa.Column("resource_type", sa.String(length=200), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=True),
        sa.Column("machine", sa.String(length=500), nullable=True),
        sa.Column("applied", sa.JSON(), nullable=True),
        sa.Column("problem", sa.String(length=500), nullable=True),
        sa.Column("is_leaving", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("execution_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column(
            "bootstrap",
            portable.enum("bootstrap", "none", "waiting", "launched", "failed"),
            server_default="none",
            nullable=False,
        ),
        sa.Column("bootstrap_since", portable.MOMENT, nullable=True),
        sa.Column("bootstrap_note", sa.String(length=500), nullable=True),
        sa.Column("launch_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_servers_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_terraform_servers_tenant_id_server_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "state_id"],
            ["terraform_states.tenant_id", "terraform_states.id"],
            name=op.f("fk_terraform_servers_tenant_id_state_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_servers_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_servers")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_servers_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "state_id", "address", name=op.f("uq_terraform_servers_tenant_id_state_id_address")
        ),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_terraform_servers_bootstrap_id"), "terraform_servers", ["bootstrap", "id"], unique=False)
    op.create_index(op.f("ix_terraform_servers_is_leaving_id"), "terraform_servers", ["is_leaving", "id"], unique=False)
    op.create_index(
        op.f("ix_terraform_servers_tenant_id_project_id_id"),
        "terraform_servers",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_servers_tenant_id_server_id"), "terraform_servers", ["tenant_id", "server_id"], unique=False
    )
    for table in ("terraform_server_rules", "terraform_servers"):
        portable.touch_trigger(table)


def downgrade() -> None:
    op.drop_table("terraform_servers")
    op.drop_table("terraform_server_rules")
