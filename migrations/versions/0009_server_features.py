"""What is kept beside servers: encrypted passwords, facts, the last job; settings of winrm and network_cli.

Revision: 0009
After: 0008
"""

import sqlalchemy as sa
from alembic import op

import portable

revision = "0009"
down_revision = "0008"

COLUMNS = (("network_os", 100), ("winrm_transport", 20), ("winrm_scheme", 5), ("winrm_cert_validation", 10))


def _owned(table: str) -> tuple[sa.ForeignKeyConstraint, ...]:
    return (
        sa.ForeignKeyConstraint(
            ["tenant_id", "server_id"],
            ["servers.tenant_id", "servers.id"],
            name=op.f(f"fk_{table}_tenant_id_server_id"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenants.id"], name=op.f(f"fk_{table}_tenant_id"), ondelete="RESTRICT"
        ),
    )


def upgrade() -> None:
    for name, length in COLUMNS:
        op.add_column("servers", sa.Column(name, sa.String(length=length), nullable=True))
    for name in ("os_type", "last_test_code"):
        op.create_index(op.f(f"ix_servers_tenant_id_{name}"), "servers", ["tenant_id", name])
    op.create_table(
        "server_credentials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("sealed", portable.LONG_TEXT, nullable=False),
        sa.Column("set_by", sa.Integer(), nullable=True),
        sa.Column("set_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        *_owned("server_credentials"),
        sa.ForeignKeyConstraint(
            ["set_by"], ["users.id"], name=op.f("fk_server_credentials_set_by"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_credentials")),
        sa.UniqueConstraint(
            "tenant_id", "server_id", "kind", name=op.f("uq_server_credentials_tenant_id_server_id_kind")
        ),
        **portable.OPTIONS,
    )
    op.create_table(
        "server_facts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("gathered_at", portable.MOMENT, nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=True),
        sa.Column("job_uuid", sa.String(length=36), nullable=True),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sent_size", sa.BigInteger(), nullable=False),
        sa.Column("left_out", sa.JSON(), nullable=True),
        sa.Column("data", portable.LONG_TEXT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        sa.Column("created_at", portable.MOMENT, server_default=portable.CREATED, nullable=False),
        *_owned("server_facts"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_facts")),
        sa.UniqueConstraint("tenant_id", "server_id", name=op.f("uq_server_facts_tenant_id_server_id")),
        **portable.OPTIONS,
    )
    op.create_table(
        "server_fact_values",
        sa.Column("id", portable.BIG_KEY, nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.String(length=191), nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        *_owned("server_fact_values"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_fact_values")),
        sa.UniqueConstraint(
            "tenant_id", "server_id", "name", name=op.f("uq_server_fact_values_tenant_id_server_id_name")
        ),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_server_fact_values_tenant_id_name_value_server_id"),
        "server_fact_values",
        ["tenant_id", "name", "value", "server_id"],
    )
    op.create_table(
        "server_last_jobs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.Integer(), nullable=False),
        sa.Column("job_id", sa.Integer(), nullable=False),
        sa.Column("job_uuid", sa.String(length=36), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("ended_at", portable.MOMENT, nullable=False),
        sa.Column("tenant_id", sa.Integer(), nullable=False),
        *_owned("server_last_jobs"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_server_last_jobs")),
        sa.UniqueConstraint("tenant_id", "server_id", name=op.f("uq_server_last_jobs_tenant_id_server_id")),
        **portable.OPTIONS,
    )
    op.create_index(
        op.f("ix_server_last_jobs_tenant_id_status_server_id"),
        "server_last_jobs",
        ["tenant_id", "status", "server_id"],
    )


def downgrade() -> None:
    for table in ("server_last_jobs", "server_fact_values", "server_facts", "server_credentials"):
        op.drop_table(table)
    for name in ("os_type", "last_test_code"):
        op.drop_index(op.f(f"ix_servers_tenant_id_{name}"), table_name="servers")
    for name, _length in reversed(COLUMNS):
        op.drop_column("servers", name)
