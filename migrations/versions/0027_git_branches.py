"""Branches of Terraform projects that are read from git.

Revision: 0027
After: 0026
"""

import portable
import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"


def upgrade() -> None:
    op.create_table(
        "git_branches",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", portable.ascii_binary(200), nullable=False),
        sa.Column("is_default", sa.Boolean(), server_default="0", nullable=False),
        sa.Column(
            "default_mark",
            sa.Integer(),
            sa.Computed("CASE WHEN is_default = 1 THEN 1 END", persisted=True),
            nullable=True,
        ),
        sa.Column("last_commit_hash", portable.ascii_binary(40), nullable=True),
        sa.Column("last_commit_message", sa.Text(), nullable=True),
        sa.Column("last_commit_author", sa.String(length=200), nullable=True),
        sa.Column("last_commit_date", portable.MOMENT, nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("updated_at", portable.MOMENT, server_default=portable.UPDATED, nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["terraform_projects.tenant_id", "terraform_projects.id"],
            name=op.f("fk_git_branches_tenant_id_project_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "revision_id"],
            ["terraform_revisions.tenant_id", "terraform_revisions.id"],
            name=op.f("fk_git_branches_tenant_id_revision_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_git_branches_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_git_branches")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_git_branches_tenant_id_id")),
        sa.UniqueConstraint("tenant_id", "project_id", "name", name=op.f("uq_git_branches_tenant_id_project_id_name")),
        sa.UniqueConstraint(
            "tenant_id", "project_id", "default_mark", name=op.f("uq_git_branches_tenant_id_project_id_default_mark")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_git_branches_uuid")),
        **portable.OPTIONS,
    )
    portable.touch_trigger("git_branches")


def downgrade() -> None:
    op.drop_table("git_branches")
