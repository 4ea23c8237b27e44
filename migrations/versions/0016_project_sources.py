"""Projects from git: where they come from, their syncs, and what each revision holds.

Revision: 0016
After: 0015
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0016"
down_revision = "0015"

PROJECT = (
    sa.Column("git_subfolder", sa.String(length=255), nullable=True),
    sa.Column("git_host_keys", sa.Text(), nullable=True),
    sa.Column("git_offered_keys", sa.Text(), nullable=True),
    sa.Column("credential_kind", sa.String(length=20), server_default="none", nullable=False),
    sa.Column("credential_user", sa.String(length=100), nullable=True),
    sa.Column("credential_secret", sa.Text(), nullable=True),
    sa.Column("sync_on_launch", sa.Boolean(), server_default="0", nullable=False),
    sa.Column("synced_at", portable.MOMENT, nullable=True),
    sa.Column("sync_error", sa.String(length=1000), nullable=True),
)
REVISION = (
    sa.Column("commit_author", sa.String(length=255), nullable=True),
    sa.Column("commit_date", portable.MOMENT, nullable=True),
    sa.Column("commit_message", sa.Text(), nullable=True),
    sa.Column("file_count", sa.Integer(), nullable=True),
    sa.Column("total_bytes", sa.BigInteger(), nullable=True),
    sa.Column("entries", sa.JSON(), nullable=True),
    sa.Column("requirements", sa.JSON(), nullable=True),
)


def upgrade() -> None:
    for table, columns in (("playbook_projects", PROJECT), ("project_revisions", REVISION)):
        for column in columns:
            op.add_column(table, column.copy())
    op.add_column("playbooks", sa.Column("missing_since", portable.MOMENT, nullable=True))
    op.create_table(
        "project_syncs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("requested_by", sa.Integer(), nullable=True),
        sa.Column("reason", sa.String(length=20), server_default="request", nullable=False),
        sa.Column(
            "status",
            portable.enum("status", "pending", "running", "success", "failed"),
            server_default="pending",
            nullable=False,
        ),
        sa.Column("worker", sa.String(length=255), nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=True),
        sa.Column("beat_at", portable.MOMENT, nullable=True),
        sa.Column("finished_at", portable.MOMENT, nullable=True),
        sa.Column("commit_hash", portable.ascii_binary(64), nullable=True),
        sa.Column("revision_id", sa.Integer(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=True),
        sa.Column("log", portable.LONG_TEXT, nullable=True),
        sa.Column("error_code", sa.String(length=40), nullable=True),
        sa.Column("error_message", sa.String(length=1000), nullable=True),
        sa.Column(
            "open_project_id",
            sa.Integer(),
            sa.Computed("CASE WHEN status IN ('pending', 'running') THEN project_id END", persisted=True),
            nullable=True,
        ),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.ForeignKeyConstraint(
            ["requested_by"], ["users.id"], name=op.f("fk_project_syncs_requested_by"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "project_id"],
            ["playbook_projects.tenant_id", "playbook_projects.id"],
            name=op.f("fk_project_syncs_tenant_id_project_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_project_syncs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project_syncs")),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_project_syncs_tenant_id_id")),
        sa.UniqueConstraint(
            "tenant_id", "open_project_id", name=op.f("uq_project_syncs_tenant_id_open_project_id")
        ),
        sa.UniqueConstraint("uuid", name=op.f("uq_project_syncs_uuid")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_project_syncs_tenant_id_project_id_id"),
        "project_syncs",
        ["tenant_id", "project_id", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_project_syncs_status_created_at"), "project_syncs", ["status", "created_at"], unique=False
    )


def downgrade() -> None:
    op.drop_table("project_syncs")
    op.drop_column("playbooks", "missing_since")
    for table, columns in (("project_revisions", REVISION), ("playbook_projects", PROJECT)):
        for column in reversed(columns):
            op.drop_column(table, column.name)
