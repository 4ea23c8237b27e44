"""Archives of the audit log, walks in steps, who asked for a verification.

Revision: 0013
After: 0012
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0013"
down_revision = "0012"

NO_DELETE = "tr_audit_logs_no_delete"
ARCHIVED = (
    "EXISTS (SELECT 1 FROM audit_archives a WHERE a.tenant_id = OLD.tenant_id "
    "AND OLD.seq BETWEEN a.first_seq AND a.last_seq)"
)
# A year and a day: SYSDATE follows the session's time zone, which whoever deletes may set 14 hours ahead. Unlike
# UTC_TIMESTAMP it cannot be set back with SET TIMESTAMP.
YOUNG = {
    "sqlite": "OLD.timestamp > strftime('%Y-%m-%d %H:%M:%f', 'now', '-366 days') || '000'",
    "server": "OLD.timestamp > SYSDATE(6) - INTERVAL 366 DAY",
}


def upgrade() -> None:
    with op.batch_alter_table("audit_verifications") as table:
        table.add_column(sa.Column("user_id", sa.Integer(), nullable=True))
        table.add_column(sa.Column("started_at", portable.MOMENT, nullable=True))
    op.create_table(
        "audit_walks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("started_at", portable.MOMENT, nullable=False),
        sa.Column("next_seq", portable.BIG_KEY, nullable=False),
        sa.Column("previous", portable.DIGEST, nullable=False),
        sa.Column("checked", portable.BIG_KEY, nullable=False),
        sa.Column("seal", portable.DIGEST, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_walks_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_walks")),
        sa.UniqueConstraint("tenant_id", name=op.f("uq_audit_walks_tenant_id")),
        **portable.OPTIONS,
    )
    op.create_table(
        "audit_archives",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("first_seq", portable.BIG_KEY, nullable=False),
        sa.Column("last_seq", portable.BIG_KEY, nullable=False),
        sa.Column("prev_hash", portable.DIGEST, nullable=False),
        sa.Column("last_hash", portable.DIGEST, nullable=False),
        sa.Column("newest_at", portable.MOMENT, nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("sha256", portable.DIGEST, nullable=False),
        sa.Column("key_id", sa.String(length=16), nullable=False),
        sa.Column("seal", portable.DIGEST, nullable=False),
        sa.Column("created_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f("fk_audit_archives_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_archives")),
        sa.UniqueConstraint("tenant_id", "first_seq", name=op.f("uq_audit_archives_tenant_id_first_seq")),
        **portable.OPTIONS,
    )
    message = "audit_archives is append-only"
    portable.refuse("audit_archives", "tr_audit_archives_no_update", "BEFORE UPDATE", message)
    portable.refuse("audit_archives", "tr_audit_archives_no_delete", "BEFORE DELETE", message)
    # Entries leave the table only when they are older than a year and a file holds them.
    portable.drop_trigger(NO_DELETE)
    young = YOUNG["sqlite" if op.get_bind().dialect.name == "sqlite" else "server"]
    portable.refuse(
        "audit_logs", NO_DELETE, "BEFORE DELETE", "audit_logs is append-only", f"{young} OR NOT {ARCHIVED}"
    )


def downgrade() -> None:
    portable.drop_trigger(NO_DELETE)
    portable.refuse("audit_logs", NO_DELETE, "BEFORE DELETE", "audit_logs is append-only")
    op.drop_table("audit_archives")
    op.drop_table("audit_walks")
    with op.batch_alter_table("audit_verifications") as table:
        table.drop_column("started_at")
        table.drop_column("user_id")
