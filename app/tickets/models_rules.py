"""A tenant's own rules of priority and its targets of time."""

from __future__ import annotations

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned
from app.tickets.models import TicketPriority


class TicketRule(TenantOwned, Versioned, Timestamped, Model):
    """One rule: the first active one, by position, whose conditions all hold decides. None means any.

    ``environments``: names with commas between them. ``min_share`` is a percentage of the run's servers that meet
    the conditions on servers.
    """

    __tablename__ = "ticket_rules"
    __table_args__ = table_args(
        Index(None, "tenant_id", "position"), tenant_key("playbook_id", "playbooks"), tenant_key("assignee_id", "users")
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(nullable=False)
    name: Mapped[str] = mapped_column(String(100), nullable=False)
    is_active: Mapped[bool] = mapped_column(nullable=False, default=True, server_default="1")
    environments: Mapped[str | None] = mapped_column(String(200))
    tag: Mapped[str | None] = mapped_column(String(100))
    playbook_id: Mapped[int | None] = mapped_column()
    failure_code: Mapped[str | None] = mapped_column(String(30))
    check_mode: Mapped[bool | None] = mapped_column()
    min_servers: Mapped[int] = mapped_column(nullable=False, default=1, server_default="1")
    min_share: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    priority: Mapped[TicketPriority] = mapped_column(enum_column(TicketPriority, "priority"), nullable=False)
    assignee_id: Mapped[int | None] = mapped_column()
    due_hours: Mapped[int | None] = mapped_column()  # instead of the target of the priority


class TicketTarget(TenantOwned, Versioned, Timestamped, Model):
    """Until when a ticket of a priority should be acknowledged and solved; a missing row means the default."""

    __tablename__ = "ticket_targets"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "priority"))

    id: Mapped[int] = mapped_column(primary_key=True)
    priority: Mapped[TicketPriority] = mapped_column(enum_column(TicketPriority, "priority"), nullable=False)
    respond_minutes: Mapped[int] = mapped_column(nullable=False)
    solve_minutes: Mapped[int] = mapped_column(nullable=False)
