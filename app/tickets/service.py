"""What people do with tickets: open one by hand, comment, and triage (acknowledge, assign, move, rate, edit)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Final, Literal

from sqlalchemy.exc import IntegrityError

from app.accounts.models import User
from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, InvalidTransition
from app.core.permissions import Permission, require
from app.core.state_machine import transition
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.jobs.models import Job
from app.tickets import queries_list
from app.tickets.history import EventKind, add_event
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketPriority, TicketStatus
from app.tickets.priority import due_at

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
    ticket = Ticket(
        tenant_id=actor.tenant_id,
        job_id=_subject_job(actor, job_uuid, server_id).id,
        created_by=actor.user_id,
        title=title,
        description=_optional("description", description, DESCRIPTION_LIMIT),
        priority=priority,
        due_at=due_at(priority, utc_now()),
        source="manual",
    )
    db.session.add(ticket)
    db.session.flush()
    add_event(ticket, EventKind.OPENED, user_id=actor.user_id)
    if assignee_id is not None:
        _assign(actor, ticket, assignee_id, {})
        db.session.flush()
    _record(actor, "ticket:create", "CREATE", ticket, {"title": title, "priority": priority.value})
    return ticket


def comment_ticket(actor: Actor, ticket_uuid: str, body: str) -> Ticket:
    """Add a comment to a ticket in any status; its version stays."""
    require(actor, Permission.TICKET_EDIT)
    ticket = queries_list.get_ticket(actor, ticket_uuid)
    text = _text("body", body, COMMENT_LIMIT)
    add_event(ticket, EventKind.COMMENT, user_id=actor.user_id, body=text)
    _record(actor, "ticket:comment", "UPDATE", ticket, {"characters": len(text)})
    db.session.flush()
    return ticket


def update_ticket(actor: Actor, ticket_uuid: str, changes: TicketChanges, *, version: int | None = None) -> Ticket:
    """Change a ticket: all of ``changes`` or nothing.

    Raises VersionConflict for a stale ``version``, InvalidTransition for a status that the present one does not
    lead to, Conflict when a reopened ticket's problem has another open ticket, InvalidInput for an assignee who
    cannot work here. A change to what already is changes nothing and is no error.
    """
    require(actor, Permission.TICKET_EDIT)
    ticket = queries_list.get_ticket(actor, ticket_uuid, lock=True)
    check_version(ticket, version)
    db.session.flush()
    done: dict[str, Any] = {}
    _edit(actor, ticket, changes, done)
    if changes.priority is not UNSET and changes.priority is not ticket.priority:
        _set_priority(actor, ticket, changes.priority, done)
    if changes.assignee_id is not UNSET and changes.assignee_id != ticket.assignee_id:
        _assign(actor, ticket, changes.assignee_id, done)
    if changes.acknowledged and ticket.acknowledged_at is None:
        ticket.acknowledged_at = utc_now()
        add_event(ticket, EventKind.ACKNOWLEDGED, user_id=actor.user_id)
        done["acknowledged"] = True
    db.session.flush()
    if changes.status is not UNSET and changes.status is not ticket.status:
        _set_status(actor, ticket, changes.status, done)
    if done:
        _record(actor, "ticket:update", "UPDATE", ticket, done)
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


def _set_priority(actor: Actor, ticket: Ticket, priority: TicketPriority, done: dict[str, Any]) -> None:
    change = {"from": ticket.priority.value, "to": priority.value}
    ticket.priority = priority
    ticket.due_at = due_at(priority, ticket.reopened_at or ticket.created_at)
    add_event(ticket, EventKind.PRIORITY, user_id=actor.user_id, **change)
    done["priority"] = change


def _assign(actor: Actor, ticket: Ticket, user_id: int | None, done: dict[str, Any]) -> None:
    name = None
    if user_id is not None:
        user = db.session.scalars(scoped(actor, User).where(User.id == user_id)).one_or_none()
        if user is None or not user.is_active or user.is_system:
            raise InvalidInput(assignee_id="There is no active person with this id in your tenant.")
        name = user.username
    ticket.assignee_id = user_id
    add_event(ticket, EventKind.ASSIGNED, user_id=actor.user_id, assignee_id=user_id, assignee=name)
    done["assignee_id"] = user_id


def _set_status(actor: Actor, ticket: Ticket, status: TicketStatus, done: dict[str, Any]) -> None:
    was, moved = ticket.status, 0
    values = _status_values(ticket, status, utc_now())
    try:
        with db.session.begin_nested():
            moved = transition(
                Ticket.status,
                TICKET_TRANSITIONS,
                status,
                Ticket.tenant_id == actor.tenant_id,
                Ticket.id == ticket.id,
                Ticket.status == was,
                **values,
            )
    except IntegrityError:
        raise Conflict(
            "This problem has come back since and has another open ticket. Work on that one and leave this one ended."
        ) from None
    if not moved:
        allowed = ", ".join(sorted(TICKET_TRANSITIONS[was])) or "nothing"
        raise InvalidTransition(f"A ticket that is {was.value} cannot become {status.value}. It can become: {allowed}.")
    db.session.refresh(ticket)
    change = {"from": was.value, "to": status.value}
    add_event(ticket, EventKind.STATUS, user_id=actor.user_id, **change)
    done["status"] = change


def _status_values(ticket: Ticket, status: TicketStatus, now: datetime) -> dict[str, Any]:
    """Return what changes with a status: the moments of an end, of a return, and of the first look."""
    if status in queries_list.ENDED:
        return {"resolved_at": ticket.resolved_at or now, "acknowledged_at": ticket.acknowledged_at or now}
    if status is TicketStatus.IN_PROGRESS:
        return {"acknowledged_at": ticket.acknowledged_at or now}
    if ticket.status in queries_list.ENDED:
        return {"resolved_at": None, "reopened_at": now, "due_at": due_at(ticket.priority, now)}
    return {}


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


def _record(actor: Actor, what: str, action: str, ticket: Ticket, details: dict[str, Any]) -> None:
    audit.record(actor, what, Resource("ticket", ticket.id, ticket.ticket_id), action=action, details=details)
