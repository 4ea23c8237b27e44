"""Sealed lines: compressed segments of finished runs, their parts by job, their bytes.

Revision: 0021
After: 0020
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0021"
down_revision = "0020"


def _tenant(table: str) -> list[sa.schema.SchemaItem]:
    return [
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    ]


def _owner(table: str, column: str, parent: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        [f"{parent}.tenant_id", f"{parent}.id"],
        name=op.f(f"fk_{table}_tenant_id_{column}"),
        ondelete="CASCADE",
    )


def upgrade() -> None:
    op.create_table(
        "log_segments",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("uuid", sa.String(36), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("store", portable.ascii_binary(20), nullable=False),
        sa.Column("codec", portable.ascii_binary(20), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("raw_bytes", sa.Integer(), nullable=False),
        sa.Column("stored_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", portable.DIGEST, nullable=False),
        sa.Column("sealed_at", portable.MOMENT, nullable=True),
        sa.Column("checked_at", portable.MOMENT, nullable=True),
        sa.Column("damaged_at", portable.MOMENT, nullable=True),
        sa.Column("damage", sa.String(200), nullable=True),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        *_tenant("log_segments"),
        _owner("log_segments", "run_id", "runs"),
        sa.UniqueConstraint("tenant_id", "id", name=op.f("uq_log_segments_tenant_id_id")),
        sa.UniqueConstraint("uuid", name=op.f("uq_log_segments_uuid")),
        **portable.OPTIONS,
    )
    for columns in (
        ("tenant_id", "run_id"),
        ("sealed_at", "created_at"),
        ("checked_at",),
        ("damaged_at",),
        ("store", "line_count", "raw_bytes", "stored_bytes"),
    ):
        op.create_index(op.f(f"ix_log_segments_{'_'.join(columns)}"), "log_segments", list(columns))
    op.create_table(
        "log_segment_parts",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("first_line", sa.Integer(), nullable=False),
        sa.Column("last_line", sa.Integer(), nullable=False),
        sa.Column("start", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("levels", sa.String(200), nullable=False),
        *_tenant("log_segment_parts"),
        _owner("log_segment_parts", "job_id", "jobs"),
        _owner("log_segment_parts", "segment_id", "log_segments"),
        sa.UniqueConstraint(
            "tenant_id", "job_id", "last_line", name=op.f("uq_log_segment_parts_tenant_id_job_id_last_line")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_log_segment_parts_tenant_id_segment_id"), "log_segment_parts", ["tenant_id", "segment_id"]
    )
    op.create_table(
        "log_segment_blobs",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("segment_id", sa.BigInteger(), nullable=False),
        sa.Column("data", portable.LONG_BYTES, nullable=False),
        *_tenant("log_segment_blobs"),
        _owner("log_segment_blobs", "segment_id", "log_segments"),
        sa.UniqueConstraint("tenant_id", "segment_id", name=op.f("uq_log_segment_blobs_tenant_id_segment_id")),
        **portable.OPTIONS,
    )
    op.add_column("runs", sa.Column("lines_sealed_at", portable.MOMENT, nullable=True))
    op.create_index(
        op.f("ix_runs_lines_sealed_at_lines_removed_at_completed_at"),
        "runs",
        ["lines_sealed_at", "lines_removed_at", "completed_at"],
    )


def downgrade() -> None:
    sealed = op.get_bind().scalar(sa.text("SELECT COUNT(*) FROM log_segments WHERE sealed_at IS NOT NULL"))
    if sealed:
        raise RuntimeError(
            f"{sealed} segments hold log lines that the earlier version cannot read. With web, workers and keeper "
            "stopped, put the lines back first: flask ops logs --unseal"
        )
    op.drop_index(op.f("ix_runs_lines_sealed_at_lines_removed_at_completed_at"), "runs")
    op.drop_column("runs", "lines_sealed_at")
    op.drop_table("log_segment_blobs")
    op.drop_table("log_segment_parts")
    op.drop_table("log_segments")
