"""Files, modules, variables and executions of Terraform projects.

Revision: 0025
After: 0024
"""

import portable
import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"


def upgrade() -> None:
    op.create_table(
        "terraform_revisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("source", portable.enum("source", "upload", "editor", "git"), nullable=False),
        sa.Column("manifest_hash", portable.ascii_binary(64), nullable=False),
        sa.Column("file_count", sa.Integer(), nullable=False),
        sa.Column("total_bytes", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("commit_hash", portable.ascii_binary(40), nullable=True),
        sa.Column("commit_author", sa.String(length=255), nullable=True),
        sa.Column("commit_date", portable.MOMENT, nullable=True),
        sa.Column("commit_message", sa.Text(), nullable=True),
        sa.Column("branch_id", sa.Integer(), nullable=True),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("read_at", portable.MOMENT, nullable=True),
        sa.Column("problems", sa.JSON(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["created_by"], ["users.id"], name=op.f("fk_terraform_revisions_created_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_revisions_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_revisions_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_revisions")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_revisions_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_revisions_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(op.f("ix_terraform_revisions_read_at_id"), "terraform_revisions", ["read_at", "id"], unique=False)
    op.create_index(
        op.f("ix_terraform_revisions_tenant_id_project_id_id"),
        "terraform_revisions",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_table(
        "terraform_modules",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("parent_module_id", sa.Integer(), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("source", sa.String(length=500), server_default="", nullable=False),
        sa.Column("version", sa.String(length=200), nullable=True),
        sa.Column("path", sa.String(length=500), server_default="", nullable=False),
        sa.Column("terraform_address", portable.ascii_binary(700), nullable=False),
        sa.Column("metadata", sa.JSON(), nullable=True),
        sa.Column("missing_since", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "parent_module_id"],
            ["terraform_modules.tenant_id", "terraform_modules.id"],
            name=op.f("fk_terraform_modules_tenant_id_parent_module_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_modules_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_modules_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_modules")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_modules_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "terraform_address",
            name=op.f("uq_terraform_modules_tenant_id_project_id_terraform_address"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_modules_uuid")),
        **portable.OPTIONS,
    )
    op.create_table(
        "terraform_variables",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("module_id", sa.Integer(), nullable=True),
        sa.Column("module_key", sa.Integer(), server_default="0", nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("default_value", sa.JSON(), nullable=True),
        sa.Column("validation_rules", sa.JSON(), nullable=True),
        sa.Column("is_declared", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("is_required", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("declared_sensitive", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("value", sa.JSON(), nullable=True),
        sa.Column("secret_value", sa.Text(), nullable=True),
        sa.Column("sensitive", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "module_id"],
            ["terraform_modules.tenant_id", "terraform_modules.id"],
            name=op.f("fk_terraform_variables_tenant_id_module_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_variables_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_variables_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_variables")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_variables_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id",
            "project_id",
            "module_key",
            "name",
            name=op.f("uq_terraform_variables_tenant_id_project_id_module_key_name"),
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_variables_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_variables_tenant_id_name"), "terraform_variables", ["tenant_id", "name"], unique=False
    )
    op.create_table(
        "terraform_files",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=False),
        sa.Column("content_id", sa.Integer(), nullable=False),
        sa.Column("path", portable.ascii_binary(500), nullable=False),
        sa.Column("executable", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "content_id"],
            ["playbook_contents.tenant_id", "playbook_contents.id"],
            name=op.f("fk_terraform_files_tenant_id_content_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revision_id"],
            ["terraform_revisions.tenant_id", "terraform_revisions.id"],
            name=op.f("fk_terraform_files_tenant_id_revision_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_files_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_files")),
        sa.UniqueConstraint(
            "tenant_id", "revision_id", "path", name=op.f("uq_terraform_files_tenant_id_revision_id_path")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_files_tenant_id_content_id"), "terraform_files", ["tenant_id", "content_id"], unique=False
    )
    op.create_table(
        "terraform_executions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("run_uuid", portable.ascii_binary(36), nullable=False),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("branch", portable.ascii_binary(200), nullable=True),
        sa.Column("plan_id", sa.Integer(), nullable=True),
        sa.Column("workspace", portable.ascii_binary(90), nullable=False),
        sa.Column("working_directory", sa.String(length=255), server_default="", nullable=False),
        sa.Column(
            "execution_type",
            portable.enum("execution_type", "init", "plan", "apply", "destroy", "refresh"),
            nullable=False,
        ),
        sa.Column("initiated_by", sa.Integer(), nullable=False),
        sa.Column("is_destroy", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("is_refresh_only", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("is_speculative", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("targets", sa.JSON(), nullable=True),
        sa.Column("replaces", sa.JSON(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=True),
        sa.Column("artifact_key", sa.Text(), nullable=True),
        sa.Column("plan_hash", portable.ascii_binary(64), nullable=True),
        sa.Column("base_serial", sa.BigInteger(), nullable=True),
        sa.Column("base_lineage", sa.String(length=100), nullable=True),
        sa.Column("plan_output", portable.LONG_TEXT, nullable=True),
        sa.Column("changes_summary", sa.JSON(), nullable=True),
        sa.Column(
            "review",
            portable.enum("review", "none", "waiting", "applied", "discarded", "void"),
            server_default="none",
            nullable=False,
        ),
        sa.Column("review_note", sa.String(length=500), nullable=True),
        sa.Column("reviewed_by", sa.Integer(), nullable=True),
        sa.Column("reviewed_at", portable.MOMENT, nullable=True),
        sa.Column("followed_at", portable.MOMENT, nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["initiated_by"], ["users.id"], name=op.f("fk_terraform_executions_initiated_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "job_id"],
            ["jobs.tenant_id", "jobs.id"],
            name=op.f("fk_terraform_executions_tenant_id_job_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "plan_id"],
            ["terraform_executions.tenant_id", "terraform_executions.id"],
            name=op.f("fk_terraform_executions_tenant_id_plan_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_terraform_executions_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revision_id"],
            ["terraform_revisions.tenant_id", "terraform_revisions.id"],
            name=op.f("fk_terraform_executions_tenant_id_revision_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_terraform_executions_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_terraform_executions")),
        sa.UniqueConstraint("job_id", name=op.f("uq_terraform_executions_job_id")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_terraform_executions_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_terraform_executions_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_terraform_executions_followed_at_id"), "terraform_executions", ["followed_at", "id"], unique=False
    )
    op.create_index(op.f("ix_terraform_executions_run_uuid"), "terraform_executions", ["run_uuid"], unique=False)
    op.create_index(
        op.f("ix_terraform_executions_tenant_id_created_at"),
        "terraform_executions",
        ["tenant_id", "created_at"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_executions_tenant_id_project_id_id"),
        "terraform_executions",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_terraform_executions_tenant_id_project_id_workspace_review"),
        "terraform_executions",
        ["tenant_id", "project_id", "workspace", "review"],
        unique=False,
    )
    portable.touch_trigger("terraform_modules")
    portable.touch_trigger("terraform_variables")


def downgrade() -> None:
    op.drop_table("terraform_executions")
    op.drop_table("terraform_files")
    op.drop_table("terraform_variables")
    op.drop_table("terraform_modules")
    op.drop_table("terraform_revisions")
