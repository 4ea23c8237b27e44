"""Playbook projects, contents, playbooks, approvals.

Revision: 0004
After: 0003
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "playbook_contents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sha256", portable.ascii_binary(64), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("data", portable.LONG_BYTES, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_playbook_contents_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_contents")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_playbook_contents_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "sha256", name=op.f("uq_playbook_contents_tenant_id_sha256")),
        **portable.OPTIONS,
    )
    op.create_table(
        "playbook_projects",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=191), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("source", portable.enum("source", "sample", "upload", "git"), nullable=False),
        sa.Column("git_url", sa.String(length=500), nullable=True),
        sa.Column("git_branch", sa.String(length=255), nullable=True),
        sa.Column("engine", sa.String(length=50), server_default="default", nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_playbook_projects_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_projects")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_playbook_projects_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "name", name=op.f("uq_playbook_projects_tenant_id_name")),
        sa.UniqueConstraint("uuid", name=op.f("uq_playbook_projects_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "playbooks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("file_path", sa.String(length=500), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("manifest_hash", sa.String(length=64), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=True),
        sa.Column("variables", sa.JSON(), nullable=True),
        sa.Column("variable_specs", sa.JSON(), nullable=True),
        sa.Column("is_active", sa.Boolean(), server_default="1", nullable=False),
        sa.Column("is_sliceable", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("shares_servers", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("timeout_seconds", sa.Integer(), nullable=True),
        sa.Column(
            "active_name",
            sa.String(length=255),
            sa.Computed("CASE WHEN is_active = 1 THEN name END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["playbook_projects.tenant_id", "playbook_projects.id"],
            name=op.f("fk_playbooks_tenant_id_project_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_playbooks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbooks")),
        sa.UniqueConstraint("tenant_id", "active_name", name=op.f("uq_playbooks_tenant_id_active_name")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_playbooks_tenant_id_id")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_playbooks_tenant_id_name"), "playbooks", ["tenant_id", "name"], unique=False)
    op.create_index(
        op.f("ix_playbooks_tenant_id_project_id"), "playbooks", ["tenant_id", "project_id"], unique=False
    )
    op.create_table(
        "project_revisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("manifest_hash", portable.ascii_binary(64), nullable=False),
        sa.Column("commit_hash", portable.ascii_binary(64), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_project_revisions_created_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["playbook_projects.tenant_id", "playbook_projects.id"],
            name=op.f("fk_project_revisions_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_project_revisions_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_revisions")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_project_revisions_tenant_id_id")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_project_revisions_tenant_id_project_id_id"),
        "project_revisions",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_table(
        "playbook_approvals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("playbook_id", sa.Integer(), nullable=False),
        sa.Column("file_hash", sa.String(length=64), nullable=False),
        sa.Column("manifest_hash", sa.String(length=64), nullable=False),
        sa.Column("approved_by", sa.Integer(), nullable=False),
        sa.Column("revoked_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["approved_by"], ["users.id"], name=op.f("fk_playbook_approvals_approved_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "playbook_id"],
            ["playbooks.tenant_id", "playbooks.id"],
            name=op.f("fk_playbook_approvals_tenant_id_playbook_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_playbook_approvals_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_playbook_approvals")),
        sa.UniqueConstraint(
            "tenant_id",
            "playbook_id",
            "manifest_hash",
            name=op.f("uq_playbook_approvals_tenant_id_playbook_id_manifest_hash"),
        ),
        **portable.OPTIONS,
    )
    op.create_table(
        "project_files",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("content_id", sa.Integer(), nullable=False),
        sa.Column("path", portable.ascii_binary(500), nullable=False),
        sa.Column("executable", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "content_id"],
            ["playbook_contents.tenant_id", "playbook_contents.id"],
            name=op.f("fk_project_files_tenant_id_content_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revision_id"],
            ["project_revisions.tenant_id", "project_revisions.id"],
            name=op.f("fk_project_files_tenant_id_revision_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_project_files_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_files")),
        sa.UniqueConstraint(
            "tenant_id", "revision_id", "path", name=op.f("uq_project_files_tenant_id_revision_id_path")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_project_files_tenant_id_content_id"),
        "project_files",
        ["tenant_id", "content_id"],
        unique=False,
    )
    portable.touch_trigger("playbook_projects")
    portable.touch_trigger("playbooks")


def downgrade() -> None:
    op.drop_table("project_files")
    op.drop_table("playbook_approvals")
    op.drop_table("project_revisions")
    op.drop_table("playbooks")
    op.drop_table("playbook_projects")
    op.drop_table("playbook_contents")
