"""Servers, tags and host keys.

Revision: 0003
After: 0002
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_table(
        "servers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hostname", sa.String(length=255), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=False),
        sa.Column("os_type", sa.String(length=50), server_default="unknown", nullable=False),
        sa.Column("os_version", sa.String(length=50), nullable=True),
        sa.Column("ssh_port", sa.Integer(), server_default="22", nullable=False),
        sa.Column("ssh_user", sa.String(length=50), server_default="root", nullable=False),
        sa.Column("ssh_key_path", sa.String(length=500), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("environment", sa.String(length=50), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column(
            "connection",
            portable.enum("connection", "ssh", "local", "winrm", "network_cli"),
            server_default="ssh",
            nullable=False,
        ),
        sa.Column("is_controller", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("jump_host_id", sa.Integer(), nullable=True),
        sa.Column("python_interpreter", sa.String(length=255), nullable=True),
        sa.Column("become", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("become_user", sa.String(length=50), nullable=True),
        sa.Column("become_method", sa.String(length=20), nullable=True),
        sa.Column("variables", sa.JSON(), nullable=True),
        sa.Column("test_requested_at", portable.MOMENT, nullable=True),
        sa.Column("test_requested_by", sa.Integer(), nullable=True),
        sa.Column("test_started_at", portable.MOMENT, nullable=True),
        sa.Column("last_tested_at", portable.MOMENT, nullable=True),
        sa.Column("last_test_ok", sa.Boolean(), nullable=True),
        sa.Column("last_test_code", sa.String(length=30), nullable=True),
        sa.Column("last_test_message", sa.String(length=500), nullable=True),
        sa.Column(
            "active_hostname",
            sa.String(length=255),
            sa.Computed("CASE WHEN is_active = 1 THEN hostname END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.CheckConstraint("ssh_port BETWEEN 1 AND 65535", name=op.f("ck_servers_ssh_port")),
        sa.ForeignKeyConstraint(
            ["tenant_id", "jump_host_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_servers_tenant_id_jump_host_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_servers_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_servers")),
        sa.UniqueConstraint(
            "tenant_id", "active_hostname", name=op.f("uq_servers_tenant_id_active_hostname")
        ),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_servers_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_servers_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_servers_tenant_id_hostname"), "servers", ["tenant_id", "hostname"], unique=False)
    op.create_index(
        op.f("ix_servers_tenant_id_connection"), "servers", ["tenant_id", "connection"], unique=False
    )
    op.create_index(op.f("ix_servers_test_requested_at"), "servers", ["test_requested_at"], unique=False)
    op.create_index(
        op.f("ix_servers_tenant_id_ip_address"), "servers", ["tenant_id", "ip_address"], unique=False
    )
    op.create_index(
        op.f("ix_servers_tenant_id_is_active_environment"),
        "servers",
        ["tenant_id", "is_active", "environment"],
        unique=False,
    )
    op.create_table(
        "host_keys",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("key_type", portable.ascii_binary(50), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False),
        sa.Column("fingerprint", portable.ascii_binary(64), nullable=False),
        sa.Column("accepted_at", portable.MOMENT, nullable=True),
        sa.Column("accepted_by", sa.Integer(), nullable=True),
        sa.Column("revoked_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_host_keys_tenant_id_server_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_host_keys_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_host_keys")),
        sa.UniqueConstraint(
            "tenant_id", "server_id", "fingerprint", name=op.f("uq_host_keys_tenant_id_server_id_fingerprint")
        ),
        **portable.OPTIONS,
    )
    op.create_table(
        "server_tags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(length=50), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f("fk_server_tags_tenant_id_server_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_server_tags_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_tags")),
        sa.UniqueConstraint(
            "tenant_id", "tag", "server_id", name=op.f("uq_server_tags_tenant_id_tag_server_id")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_server_tags_tenant_id_server_id"), "server_tags", ["tenant_id", "server_id"], unique=False
    )
    portable.touch_trigger("servers")


def downgrade() -> None:
    op.drop_table("server_tags")
    op.drop_table("host_keys")
    op.drop_table("servers")
