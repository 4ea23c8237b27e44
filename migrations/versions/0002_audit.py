"""The audit log, its heads and its triggers.

Revision: 0002
After: 0001
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.create_table(
        "audit_heads",
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("seq", portable.BIG_KEY, nullable=False),
        sa.Column("hash", portable.DIGEST, nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_heads_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_audit_heads")),
        **portable.OPTIONS,
    )
    op.create_table(
        "audit_logs",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("seq", portable.BIG_KEY, nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("action", sa.String(length=100), nullable=False),
        sa.Column("event", sa.String(length=100), nullable=False),
        sa.Column("outcome", sa.String(length=20), nullable=False),
        sa.Column("resource_type", sa.String(length=50), nullable=False),
        sa.Column("resource_id", sa.Integer(), nullable=True),
        sa.Column("resource_uuid", sa.String(length=36), nullable=True),
        sa.Column("details", sa.JSON(), nullable=True),
        sa.Column("via", sa.String(length=20), nullable=False),
        sa.Column("api_key_prefix", sa.String(length=16), nullable=True),
        sa.Column("request_id", sa.String(length=36), nullable=True),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=255), nullable=True),
        sa.Column("timestamp", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("prev_hash", portable.DIGEST, nullable=False),
        sa.Column("hash", portable.DIGEST, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_logs_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_logs")),
        sa.UniqueConstraint("tenant_id", "seq", name=op.f("uq_audit_logs_tenant_id_seq")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_audit_logs_tenant_id_action_timestamp"),
        "audit_logs",
        ["tenant_id", "action", "timestamp"],
        unique=False,
    )
    op.create_index(op.f("ix_audit_logs_tenant_id_action"), "audit_logs", ["tenant_id", "action"], unique=False)
    op.create_index(op.f("ix_audit_logs_tenant_id_event"), "audit_logs", ["tenant_id", "event"], unique=False)
    op.create_index(
        op.f("ix_audit_logs_tenant_id_resource_type"), "audit_logs", ["tenant_id", "resource_type"], unique=False
    )
    op.create_index(
        op.f("ix_audit_logs_tenant_id_resource_type_resource_id"),
        "audit_logs",
        ["tenant_id", "resource_type", "resource_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_audit_logs_tenant_id_timestamp"), "audit_logs", ["tenant_id", "timestamp"], unique=False
    )
    op.create_index(
        op.f("ix_audit_logs_tenant_id_user_id"), "audit_logs", ["tenant_id", "user_id"], unique=False
    )
    op.create_table(
        "audit_verifications",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("verified_at", portable.MOMENT, nullable=False),
        sa.Column("entries", portable.BIG_KEY, nullable=False),
        sa.Column("intact", sa.Boolean(), nullable=False),
        sa.Column("first_bad_seq", portable.BIG_KEY, nullable=True),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_verifications_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_verifications")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_audit_verifications_tenant_id_verified_at"),
        "audit_verifications",
        ["tenant_id", "verified_at"],
        unique=False,
    )
    portable.refuse("audit_logs", "tr_audit_logs_no_update", "BEFORE UPDATE", "audit_logs is append-only")
    portable.refuse("audit_logs", "tr_audit_logs_no_delete", "BEFORE DELETE", "audit_logs is append-only")


def downgrade() -> None:
    op.drop_table("audit_verifications")
    op.drop_table("audit_logs")
    op.drop_table("audit_heads")
