"""Tables of work: launches, runs and jobs, the locks they hold and the workers that carry them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, JsonValue, LongText, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created
from app.core.queue import RUN_QUEUE
from app.core.table import HasUuid, new_uuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.jobs.status import JobStatus, LockMode, RunStatus, WorkerState


class Launch(TenantOwned, HasUuid, Created, Model):
    """What was asked once: inputs, who, from where. Closed by the count-down of its open runs."""

    __tablename__ = "launches"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "status", "id"),
        Index(None, "tenant_id", "subject_type", "subject_id", "id"),
        Index(None, "tenant_id", "user_id", "id"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "tenant_id", "origin_uuid", "id"),
        Index(None, "tenant_id", "source", "id"),
        Index(None, "tenant_id", "kind", "id"),
        Index(None, "tenant_id", "title"),
        tenant_key("relaunch_of", "launches"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    kind: Mapped[str] = mapped_column(String(30), nullable=False)  # job kind
    subject_type: Mapped[str] = mapped_column(String(50), nullable=False)  # e.g. playbook
    subject_id: Mapped[int] = mapped_column(nullable=False)
    title: Mapped[str] = mapped_column(String(255), nullable=False)  # the subject's name at that time
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    api_key_id: Mapped[int | None] = mapped_column()
    source: Mapped[str] = mapped_column(String(30), nullable=False)  # web, api, relaunch, ticket, cli
    # What was pressed, e.g. a saved launch: its kind, its UUID, its name at that time. Another slice's row: no key.
    origin_type: Mapped[str | None] = mapped_column(String(30))
    origin_uuid: Mapped[str | None] = mapped_column(ascii_binary(36))
    origin_title: Mapped[str | None] = mapped_column(String(255))
    inputs: Mapped[dict[str, Any]] = mapped_column(JsonValue, nullable=False)
    secret_inputs: Mapped[str | None] = mapped_column(LongText)  # encrypted JSON object
    status: Mapped[JobStatus] = mapped_column(
        enum_column(JobStatus, "status"), nullable=False, default=JobStatus.PENDING, server_default="pending"
    )
    is_check: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    relaunch_of: Mapped[int | None] = mapped_column(BigInteger)
    open_runs: Mapped[int] = mapped_column(nullable=False)
    jobs_total: Mapped[int] = mapped_column(nullable=False)
    jobs_success: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    jobs_failed: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    jobs_cancelled: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Run(TenantOwned, HasUuid, Created, Model):
    """One supervised engine process: the unit that is claimed, leased, stopped and finished."""

    __tablename__ = "runs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "status", "id"),
        Index(None, "tenant_id", "launch_id"),
        Index(None, "lines_removed_at", "status", "completed_at"),
        Index(None, "lines_left", "lines_removed_at"),
        Index(None, "lines_sealed_at", "lines_removed_at", "completed_at"),
        Index(None, "tenant_id", "lock_name", "status", "id"),
        tenant_key("launch_id", "launches"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    launch_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    kind: Mapped[str] = mapped_column(String(30), nullable=False)
    engine: Mapped[str] = mapped_column(String(50), nullable=False, default="default")  # named installation
    queue: Mapped[str] = mapped_column(String(30), nullable=False, default=RUN_QUEUE, server_default=RUN_QUEUE)
    engine_version: Mapped[str | None] = mapped_column(String(100))
    collections: Mapped[dict[str, str] | None] = mapped_column(JsonValue)  # name -> version, of those it could use
    status: Mapped[RunStatus] = mapped_column(
        enum_column(RunStatus, "status"), nullable=False, default=RunStatus.PENDING, server_default="pending"
    )
    lock_mode: Mapped[LockMode] = mapped_column(enum_column(LockMode, "lock_mode"), nullable=False)
    lock_name: Mapped[str | None] = mapped_column(String(200))  # runs of one name in a tenant: one after the other
    timeout_seconds: Mapped[int] = mapped_column(nullable=False)
    attempt: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")  # fencing number
    failure_code: Mapped[str | None] = mapped_column(String(30))
    message: Mapped[str | None] = mapped_column(Text)
    exit_code: Mapped[int | None] = mapped_column()
    celery_task_id: Mapped[str | None] = mapped_column(String(255))
    dispatched_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # last doorbell
    not_before: Mapped[datetime | None] = mapped_column(UTCDateTime)  # after a failed attempt
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    began_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # set before the engine starts
    completed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    cancel_forced_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # without the engine's own grace
    cancel_requested_by: Mapped[int | None] = mapped_column()
    # Who carries it. A process is named by host, boot, pid and start time: pids are used again.
    worker_id: Mapped[int | None] = mapped_column(ForeignKey("workers.id", ondelete="SET NULL"))
    claim_token: Mapped[str | None] = mapped_column(ascii_binary(36))
    host_name: Mapped[str | None] = mapped_column(String(255))
    boot_id: Mapped[str | None] = mapped_column(ascii_binary(36))
    executor_pid: Mapped[int | None] = mapped_column()
    executor_pid_start: Mapped[int | None] = mapped_column(BigInteger)
    supervisor_pid: Mapped[int | None] = mapped_column()
    supervisor_pid_start: Mapped[int | None] = mapped_column(BigInteger)
    lease_seq: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    lease_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    # How far the spool is shipped; moved in the same transaction as the lines.
    shipped_records: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")
    shipped_bytes: Mapped[int] = mapped_column(BigInteger, nullable=False, default=0, server_default="0")
    log_complete: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    lines_removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # by retention; said before it is done
    lines_left: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    lines_sealed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # no line of its jobs is a row any more


class Job(TenantOwned, Created, Model):
    """One playbook on one server, or one terraform execution: the document's row and its five statuses."""

    __tablename__ = "jobs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        Index(None, "tenant_id", "playbook_id", "id"),
        Index(None, "tenant_id", "server_id", "id"),
        Index(None, "tenant_id", "user_id", "status"),
        Index(None, "tenant_id", "status", "created_at"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "celery_task_id"),
        Index(None, "tenant_id", "run_id"),
        Index(None, "tenant_id", "launch_id", "status"),
        Index(None, "ticket_due", "id"),
        Index(None, "tenant_id", "failure_code", "id"),
        Index(None, "tenant_id", "kind", "id"),
        tenant_key("playbook_id", "playbooks"),
        tenant_key("server_id", "servers"),
        tenant_key("run_id", "runs"),
        tenant_key("launch_id", "launches"),
        CheckConstraint(
            "kind <> 'ansible' OR (playbook_id IS NOT NULL AND server_id IS NOT NULL)", name="ansible_subject"
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[str] = mapped_column(String(36), nullable=False, unique=True, default=new_uuid)
    kind: Mapped[str] = mapped_column(String(30), nullable=False)
    launch_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    playbook_id: Mapped[int | None] = mapped_column()
    server_id: Mapped[int | None] = mapped_column()
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    status: Mapped[JobStatus] = mapped_column(
        enum_column(JobStatus, "status"), nullable=False, default=JobStatus.PENDING, server_default="pending"
    )
    failure_code: Mapped[str | None] = mapped_column(String(30))
    celery_task_id: Mapped[str | None] = mapped_column(String(255))
    extra_vars: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)  # never a secret one
    error_message: Mapped[str | None] = mapped_column(Text)
    failed_task: Mapped[str | None] = mapped_column(String(255))
    failed_module: Mapped[str | None] = mapped_column(String(255))
    task_counts: Mapped[dict[str, int] | None] = mapped_column(JsonValue)  # task status -> number
    log_lines: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")  # last line number
    first_failure_line: Mapped[int | None] = mapped_column()
    log_complete: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    lines_removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # as the run's
    ticket_due: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    cancel_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class ServerLock(TenantOwned, Model):
    """A server taken by a run. Exclusive locks use slot 0, shared ones the run's id, so one unique key does."""

    __tablename__ = "server_locks"
    __table_args__ = table_args(
        UniqueConstraint("server_id", "slot"),
        Index(None, "tenant_id", "run_id"),
        tenant_key("server_id", "servers"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    server_id: Mapped[int] = mapped_column(nullable=False)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    slot: Mapped[int] = mapped_column(BigInteger, nullable=False)
    mode: Mapped[LockMode] = mapped_column(enum_column(LockMode, "mode"), nullable=False)
    acquired_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class RunLock(TenantOwned, Model):
    """A name taken by a run, e.g. a workspace: runs of one name go one after the other, in the order of their ids."""

    __tablename__ = "run_locks"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "name"),
        Index(None, "tenant_id", "run_id"),
        tenant_key("run_id", "runs", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    acquired_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class Worker(Model):
    """A Celery worker process as it reports itself; belongs to the platform, not to a tenant."""

    __tablename__ = "workers"
    __table_args__ = table_args(Index(None, "state", "last_seen_at"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(191), nullable=False, unique=True)
    host_name: Mapped[str] = mapped_column(String(255), nullable=False)
    boot_id: Mapped[str] = mapped_column(ascii_binary(36), nullable=False)
    pid: Mapped[int] = mapped_column(nullable=False)
    pid_start: Mapped[int] = mapped_column(BigInteger, nullable=False)
    version: Mapped[str] = mapped_column(String(30), nullable=False)
    protocol: Mapped[int] = mapped_column(nullable=False)
    concurrency: Mapped[int] = mapped_column(nullable=False)
    # Engine name -> {"version", "python", "collections"} or {"problem"}; None: an older worker that does not say.
    engines: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    queues: Mapped[list[str] | None] = mapped_column(JsonValue)  # which runs it takes; None: an older worker, "runs"
    # Queue -> {"places", "because"} of those with fewer places than the worker; None: an older worker.
    queue_places: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    state: Mapped[WorkerState] = mapped_column(enum_column(WorkerState, "state"), nullable=False)
    message: Mapped[str | None] = mapped_column(String(255))  # why it takes nothing, in words
    # Of its machine at the last sign of life; keys as in ``host_load.Load``. None: an older worker.
    host_load: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    drain_requested_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # a person's wish; outlives a restart
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    last_seen_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class PlatformFlag(Model):
    """A switch of the whole platform, e.g. ``dispatch_paused`` after a restore; absent means off."""

    __tablename__ = "platform_flags"
    __table_args__ = table_args()

    name: Mapped[str] = mapped_column(String(50), primary_key=True)
    value: Mapped[str] = mapped_column(String(500), nullable=False)
    set_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
