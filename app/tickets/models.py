"""Tables of tickets; ``tickets`` as in the core document, with the fingerprint and its history."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Computed, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, JsonValue, UTCDateTime, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Created, Timestamped
from app.core.table import new_uuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class TicketStatus(StrEnum):
    """The document's lifecycle."""

    OPEN = "open"
    IN_PROGRESS = "in_progress"
    RESOLVED = "resolved"
    CLOSED = "closed"


class TicketPriority(StrEnum):
    """The document's priorities, least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


TICKET_TRANSITIONS: dict[TicketStatus, frozenset[TicketStatus]] = {
    TicketStatus.OPEN: frozenset({TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED, TicketStatus.CLOSED}),
    TicketStatus.IN_PROGRESS: frozenset({TicketStatus.OPEN, TicketStatus.RESOLVED, TicketStatus.CLOSED}),
    TicketStatus.RESOLVED: frozenset({TicketStatus.OPEN, TicketStatus.CLOSED}),
    TicketStatus.CLOSED: frozenset({TicketStatus.OPEN}),
}


class Ticket(TenantOwned, Versioned, Timestamped, Model):
    """One problem. ``open_fingerprint`` lets the database refuse a second open ticket for it."""

    __tablename__ = "tickets"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "open_fingerprint"),
        Index(None, "tenant_id", "job_id"),
        Index(None, "tenant_id", "created_by"),
        Index(None, "tenant_id", "status", "priority"),
        Index(None, "tenant_id", "priority", "id"),
        Index(None, "tenant_id", "source", "id"),
        Index(None, "tenant_id", "failure_code", "id"),
        Index(None, "tenant_id", "acknowledged_at"),
        Index(None, "tenant_id", "fingerprint", "id"),
        Index(None, "tenant_id", "assignee_id", "status"),
        Index(None, "tenant_id", "created_at"),
        Index(None, "tenant_id", "due_at", "id"),
        Index(None, "tenant_id", "last_seen_at", "id"),
        Index(None, "tenant_id", "merged_into_id"),
        Index(None, "tenant_id", "message_key", "id"),
        Index(None, "tenant_id", "occurrences", "id"),
        Index(None, "tenant_id", "snoozed_until"),
        Index(None, "tenant_id", "status", "overdue_at", "due_at"),
        Index(None, "tenant_id", "task_key", "id"),
        tenant_key("job_id", "jobs"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[str] = mapped_column(String(36), nullable=False, unique=True, default=new_uuid)
    job_id: Mapped[int] = mapped_column(nullable=False)  # the first job that showed it
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"), nullable=False)
    title: Mapped[str] = mapped_column(String(255), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    status: Mapped[TicketStatus] = mapped_column(
        enum_column(TicketStatus, "status"), nullable=False, default=TicketStatus.OPEN, server_default="open"
    )
    priority: Mapped[TicketPriority] = mapped_column(
        enum_column(TicketPriority, "priority"),
        nullable=False,
        default=TicketPriority.MEDIUM,
        server_default="medium",
    )
    resolved_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    fingerprint: Mapped[str | None] = mapped_column(ascii_binary(64))  # None: opened by hand
    occurrences: Mapped[int] = mapped_column(nullable=False, default=1, server_default="1")
    last_seen_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    acknowledged_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    source: Mapped[str] = mapped_column(String(20), nullable=False, default="job", server_default="job")
    reopened_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    failed_task: Mapped[str | None] = mapped_column(String(255))
    failed_module: Mapped[str | None] = mapped_column(String(255))
    failure_code: Mapped[str | None] = mapped_column(String(30))
    acknowledged_by: Mapped[int | None] = mapped_column()
    respond_due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # until when somebody should acknowledge it
    overdue_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the keeper has noted that due_at passed
    snoozed_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    merged_into_id: Mapped[int | None] = mapped_column()  # a ticket of the same tenant that carries its repeats
    resolution: Mapped[str | None] = mapped_column(Text)  # what the person who resolved it noted
    rule_rank: Mapped[int | None] = mapped_column()  # the highest priority that the rules gave, 0 low to 3 critical
    task_key: Mapped[str | None] = mapped_column(ascii_binary(32))  # similar ones: subject and failing task
    message_key: Mapped[str | None] = mapped_column(ascii_binary(32))  # similar ones: module and kind of message
    open_fingerprint: Mapped[str | None] = mapped_column(
        ascii_binary(64),
        Computed("CASE WHEN status IN ('open', 'in_progress') THEN fingerprint END", persisted=True),
    )


class TicketJob(TenantOwned, Created, Model):
    """A failed job that showed the ticket's problem. ``cleared_at``: its server has since been green."""

    __tablename__ = "ticket_jobs"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "ticket_id", "job_id"),
        UniqueConstraint("tenant_id", "job_id"),
        Index(None, "tenant_id", "ticket_id", "server_id"),
        tenant_key("ticket_id", "tickets", ondelete="CASCADE"),
        tenant_key("job_id", "jobs"),
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(nullable=False)
    job_id: Mapped[int] = mapped_column(nullable=False)
    server_id: Mapped[int | None] = mapped_column()
    cleared_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    moved_from: Mapped[int | None] = mapped_column()  # the merged ticket that it came from


class TicketEvent(TenantOwned, Created, Model):
    """One thing that happened to a ticket: opened, joined, comment, status, assigned, resolved, reopened."""

    __tablename__ = "ticket_events"
    __table_args__ = table_args(
        Index(None, "tenant_id", "ticket_id", "id"), tenant_key("ticket_id", "tickets", ondelete="CASCADE")
    )

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    ticket_id: Mapped[int] = mapped_column(nullable=False)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id", ondelete="RESTRICT"))
    kind: Mapped[str] = mapped_column(String(30), nullable=False)
    body: Mapped[str | None] = mapped_column(Text)
    details: Mapped[dict[str, Any] | None] = mapped_column(JsonValue)
    moved_from: Mapped[int | None] = mapped_column()  # the merged ticket that it came from


class TicketFingerprint(TenantOwned, Created, Model):
    """A merged ticket's fingerprint and the one it counts as; ``leads_to`` never has a row of its own."""

    __tablename__ = "ticket_fingerprints"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "fingerprint"),
        Index(None, "tenant_id", "leads_to"),
        Index(None, "tenant_id", "ticket_id"),
        tenant_key("ticket_id", "tickets", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    leads_to: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    ticket_id: Mapped[int] = mapped_column(nullable=False)  # the merged ticket
