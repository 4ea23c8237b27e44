"""Terraform projects, the states of their workspaces, and the locks of those.

Revision: 0024
After: 0023
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    op.create_table(
        "terraform_projects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("program", portable.enum("program", "terraform", "tofu"), server_default="terraform", nullable=False),
        sa.Column("terraform_version", sa.String(length=20), server_default="1.6.0", nullable=False),
        sa.Column("working_directory", sa.String(length=255), server_default="", nullable=False),
        sa.Column(
            "apply_policy",
            portable.enum("apply_policy", "manual", "auto_without_destroy", "auto"),
            server_default="manual",
            nullable=False,
        ),
        sa.Column("is_destroy_protected", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=True),
        sa.Column("source", portable.enum("source", "files", "git"), server_default="files", nullable=False),
        sa.Column("git_repository_url", sa.String(length=500), nullable=True),
        sa.Column("git_branch", portable.ascii_binary(200), server_default="main", nullable=False),
        sa.Column("git_commit_hash", portable.ascii_binary(40), nullable=True),
        sa.Column("git_host_keys", sa.Text(), nullable=True),
        sa.Column("git_offered_keys", sa.Text(), nullable=True),
        sa.Column("credential_kind", sa.String(length=20), server_default="none", nullable=False),
        sa.Column("credential_user", sa.String(length=100), nullable=True),
        sa.Column("credential_secret", sa.Text(), nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column(
            "active_name",
            sa.String(length=200),
            sa.Computed("CASE WHEN is_active = 1 THEN name END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_projects_tenant_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["users.id"], name=op.f("fk_terraform_projects_user_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_projects")),
        sa.UniqueConstraint("tenant_id", "active_name", name=op.f("uq_terraform_projects_tenant_id_active_name")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_projects_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_projects_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_projects_tenant_id_name"), "terraform_projects", ["tenant_id", "name"], unique=False
    )
    op.create_index(
        op.f("ix_terraform_projects_tenant_id_user_id"), "terraform_projects", ["tenant_id", "user_id"], unique=False
    )
    op.create_table(
        "terraform_states",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("workspace", portable.ascii_binary(90), nullable=False),
        sa.Column("resources_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("terraform_version", sa.String(length=20), nullable=True),
        sa.Column("state_file_hash", portable.ascii_binary(64), nullable=True),
        sa.Column("lineage", sa.String(length=100), nullable=True),
        sa.Column("serial", sa.BigInteger(), nullable=True),
        sa.Column("state_file_id", sa.Integer(), nullable=True),
        sa.Column("state_version", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_updated", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_states_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_states_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_states")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_states_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "project_id", "workspace", name=op.f("uq_terraform_states_tenant_id_project_id_workspace")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_states_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_state_files",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("state_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("terraform_version", sa.String(length=20), nullable=False),
        sa.Column("serial", sa.BigInteger(), nullable=False),
        sa.Column("lineage", sa.String(length=100), nullable=False),
        sa.Column("state_data", sa.Text(), nullable=False),
        sa.Column("sha256", portable.ascii_binary(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("resources_count", sa.Integer(), server_default="0", nullable=False),
        sa.Column("source", portable.enum("source", "cli", "run", "import", "restore", "salvage"), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("run_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_terraform_state_files_created_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_state_files_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "state_id"],
            ["terraform_states.tenant_id", "terraform_states.id"],
            name=op.f("fk_terraform_state_files_tenant_id_state_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_state_files_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_state_files")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_state_files_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "state_id", "version", name=op.f("uq_terraform_state_files_tenant_id_state_id_version")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_state_files_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_state_files_tenant_id_created_at"),
        "terraform_state_files",
        ["tenant_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_state_files_tenant_id_project_id_version"),
        "terraform_state_files",
        ["tenant_id", "project_id", "version"],
        unique=False,
    )
    op.create_table(
        "terraform_state_locks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("state_id", sa.Integer(), nullable=False),
        sa.Column("lock_id", sa.String(length=100), nullable=False),
        sa.Column("info", sa.JSON(), nullable=False),
        sa.Column("acquired_at", portable.MOMENT, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("run_uuid", portable.ascii_binary(36), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "state_id"],
            ["terraform_states.tenant_id", "terraform_states.id"],
            name=op.f("fk_terraform_state_locks_tenant_id_state_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_state_locks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_state_locks")),
        sa.UniqueConstraint("tenant_id", "state_id", name=op.f("uq_terraform_state_locks_tenant_id_state_id")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_state_chunks",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("state_file_id", sa.Integer(), nullable=False),
        sa.Column("piece", sa.Integer(), nullable=False),
        sa.Column("data", portable.LONG_BYTES, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "state_file_id"],
            ["terraform_state_files.tenant_id", "terraform_state_files.id"],
            name=op.f("fk_terraform_state_chunks_tenant_id_state_file_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_state_chunks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_state_chunks")),
        sa.UniqueConstraint(
            "tenant_id", "state_file_id", "piece", name=op.f("uq_terraform_state_chunks_tenant_id_state_file_id_piece")
        ),
        **portable.OPTIONS,
    )
    for table in ("terraform_projects", "terraform_states"):
        portable.touch_trigger(table)


def downgrade() -> None:
    op.drop_table("terraform_state_chunks")
    op.drop_table("terraform_state_locks")
    op.drop_table("terraform_state_files")
    op.drop_table("terraform_states")
    op.drop_table("terraform_projects")
