"""What people write in tickets: open one by hand, comment, edit. Triage stands in ``service_triage``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import InvalidInput
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Job, Launch
from app.tickets import acts, queries_list, queries_rules
from app.tickets.fingerprint import similar_keys
from app.tickets.history import EventKind, add_event
from app.tickets.models import Ticket, TicketPriority, TicketStatus
from app.tickets.priority import clocks

COMMENT_LIMIT = 10_000  # characters
DESCRIPTION_LIMIT = 10_000
TITLE_LIMIT = 255


class _Unset(Enum):
    UNSET = "unset"


UNSET: Final = _Unset.UNSET
Unset = Literal[_Unset.UNSET]


@dataclass(frozen=True, slots=True)
class TicketChanges:
    """What to change; UNSET leaves a value alone. ``assignee_id`` None takes the ticket from everybody."""

    status: TicketStatus | Unset = UNSET
    priority: TicketPriority | Unset = UNSET
    assignee_id: int | Unset | None = UNSET
    title: str | Unset = UNSET
    description: str | Unset | None = UNSET
    acknowledged: bool = False  # True: somebody has seen it; it cannot be taken back
    reason: str | None = None  # why the priority or the status changes; at an end: how it was resolved


def create_ticket(
    actor: Actor,
    *,
    title: str,
    description: str | None = None,
    priority: TicketPriority = TicketPriority.MEDIUM,
    job_uuid: str | None = None,
    server_id: int | None = None,
    assignee_id: int | None = None,
) -> Ticket:
    """Open a ticket by hand about a job, or about the last job of a server; exactly one of the two is given.

    Raises InvalidInput where there is no such job, none on the server yet, or no such person.
    """
    require(actor, Permission.TICKET_EDIT)
    title = _text("title", title, TITLE_LIMIT)
    if (job_uuid is None) == (server_id is None):
        raise InvalidInput(job_id="Give either a job or a server: the ticket is about that job, or its last one.")
    if actor.user_id is None:
        raise InvalidInput("A ticket opened by hand needs a person or a key behind it.")
    job = _subject_job(actor, job_uuid, server_id)
    launch = db.session.get_one(Launch, job.launch_id)
    task_key, _ = similar_keys(
        subject=f"{launch.subject_type}:{launch.subject_id}",
        task=job.failed_task or "",
        module=job.failed_module or "",
        code=job.failure_code or "",
    )
    now = utc_now()
    ticket = Ticket(
        tenant_id=actor.tenant_id,
        job_id=job.id,
        created_by=actor.user_id,
        created_at=now,
        title=title,
        description=_optional("description", description, DESCRIPTION_LIMIT),
        priority=priority,
        source="manual",
        task_key=task_key,
        **clocks(queries_rules.targets(), priority, now),
    )
    db.session.add(ticket)
    db.session.flush()
    add_event(ticket, EventKind.OPENED, user_id=actor.user_id)
    if assignee_id is not None:
        acts.assign(actor, ticket, assignee_id, {})
        db.session.flush()
    acts.record(actor, "ticket:create", "CREATE", ticket, {"title": title, "priority": priority.value})
    return ticket


def comment_ticket(actor: Actor, ticket_uuid: str, body: str) -> Ticket:
    """Add a comment to a ticket in any status but a merged one; its version stays. Comments are never changed."""
    require(actor, Permission.TICKET_EDIT)
    ticket = queries_list.get_ticket(actor, ticket_uuid, lock=True)
    acts.refuse_merged(ticket)
    text = _text("body", body, COMMENT_LIMIT)
    add_event(ticket, EventKind.COMMENT, user_id=actor.user_id, body=text)
    acts.record(actor, "ticket:comment", "UPDATE", ticket, {"characters": len(text)})
    db.session.flush()
    return ticket


def update_ticket(actor: Actor, ticket_uuid: str, changes: TicketChanges, *, version: int | None = None) -> Ticket:
    """Change a ticket: all of ``changes`` or nothing.

    Raises VersionConflict for a stale ``version``, InvalidTransition for a status that the present one does not
    lead to, Conflict when a reopened ticket's problem has another open ticket, InvalidInput for an assignee who
    cannot work here. A change to what already is changes nothing and is no error.
    """
    require(actor, Permission.TICKET_EDIT)
    reason = acts.note_text("reason", changes.reason)
    ticket = acts.lock(actor, ticket_uuid, version)
    done: dict[str, Any] = {}
    _edit(actor, ticket, changes, done)
    if changes.priority is not UNSET:
        acts.rate(actor, ticket, changes.priority, done, reason)
    if changes.assignee_id is not UNSET:
        acts.assign(actor, ticket, changes.assignee_id, done)
    if changes.acknowledged:
        acts.acknowledge(actor, ticket, done)
    if changes.status is not UNSET:
        acts.move(actor, ticket, changes.status, done, reason)
    if done:
        acts.record(actor, "ticket:update", "UPDATE", ticket, done)
    db.session.flush()
    return ticket


def _edit(actor: Actor, ticket: Ticket, changes: TicketChanges, done: dict[str, Any]) -> None:
    fields = []
    if changes.title is not UNSET:
        title = _text("title", changes.title, TITLE_LIMIT)
        if title != ticket.title:
            ticket.title = title
            fields.append("title")
    if changes.description is not UNSET:
        text = _optional("description", changes.description, DESCRIPTION_LIMIT)
        if text != ticket.description:
            ticket.description = text
            fields.append("description")
    if fields:
        add_event(ticket, EventKind.EDITED, user_id=actor.user_id, fields=fields)
        done["fields"] = fields


def _subject_job(actor: Actor, job_uuid: str | None, server_id: int | None) -> Job:
    statement = scoped(actor, Job)
    if job_uuid is not None:
        job = db.session.scalars(statement.where(Job.job_id == job_uuid)).one_or_none()
        if job is None:
            raise InvalidInput(job_id="There is no job with this id. Take the UUID from the job's page.")
        return job
    job = db.session.scalars(statement.where(Job.server_id == server_id).order_by(Job.id.desc()).limit(1)).one_or_none()
    if job is None:
        raise InvalidInput(server_id="This server does not exist or has no job yet. Run something on it first.")
    return job


def _text(name: str, value: str, limit: int) -> str:
    text = value.strip()
    if not text:
        raise InvalidInput(**{name: "Write something."})
    if len(text) > limit:
        raise InvalidInput(**{name: f"At most {limit:,} characters."})
    return text


def _optional(name: str, value: str | None, limit: int) -> str | None:
    return _text(name, value, limit) if value and value.strip() else None
