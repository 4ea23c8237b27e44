"""Shapes of tickets; shared by the REST API and the pages."""

from __future__ import annotations

from marshmallow import fields, validate

from app.core.schemas import Strict
from app.core.sort_field import sort_field
from app.jobs.schemas import MAX_ID, PagingQuery, in_our_time
from app.tickets.acts import NOTE_LIMIT
from app.tickets.history import EventKind
from app.tickets.models import TicketPriority, TicketStatus
from app.tickets.queries_list import SORTS
from app.tickets.service import COMMENT_LIMIT, DESCRIPTION_LIMIT, TITLE_LIMIT

# Ready-made views of the page; "attention" is what it shows when nothing was chosen: open and not snoozed.
SHOWS = ("attention", "mine", "overdue", "snoozed", "all")
WHY = "Why priority or status change; for an end: how it was resolved"
STATUSES = [status.value for status in TicketStatus]
PRIORITIES = [priority.value for priority in TicketPriority]


class TicketQuery(PagingQuery):
    """Filters of tickets. ``assignee_id`` 0: assigned to nobody."""

    status = fields.Enum(TicketStatus, by_value=True, load_default=None)
    priority = fields.Enum(TicketPriority, by_value=True, load_default=None)
    assignee_id = fields.Integer(load_default=None, validate=validate.Range(0, MAX_ID))
    job_id = fields.UUID(load_default=None)
    server_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    playbook_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    overdue = fields.Boolean(load_default=None, metadata={"description": "Open and past its time, or not"})
    snoozed = fields.Boolean(load_default=None)
    acknowledged = fields.Boolean(load_default=None)
    is_open = fields.Boolean(load_default=None, metadata={"description": "Open or in progress, or neither"})
    source = fields.String(load_default=None, validate=validate.OneOf(("job", "manual")))
    failure_code = fields.String(load_default=None, validate=validate.Length(1, 30))
    created_from = fields.AwareDateTime(
        load_default=None, validate=in_our_time, metadata={"description": "ISO 8601 with zone"}
    )
    created_to = fields.AwareDateTime(load_default=None, validate=in_our_time)
    text = fields.String(
        load_default=None,
        validate=validate.Length(1, 200),
        metadata={"description": "Words of the title (of the newest 50,000), or #12"},
    )
    sort = sort_field(*SORTS.columns)


class TicketPageQuery(TicketQuery):
    """Filters of the page: ``q`` for text, and how it is shown."""

    q = fields.String(load_default=None, validate=validate.Length(1, 200))
    view = fields.String(load_default="list", validate=validate.OneOf(("list", "board")))
    show = fields.String(load_default=None, validate=validate.OneOf(SHOWS))
    older_than_days = fields.Integer(load_default=None, validate=validate.Range(1, 3650))
    format = fields.String(load_default=None, validate=validate.OneOf(("csv", "jsonl")))


class EventsQuery(Strict):
    """Reading a history by cursor."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, 2**62))
    page_size = fields.Integer(load_default=100, validate=validate.Range(1, 100))


class NewTicket(Strict):
    """A ticket by hand: about a job, or about the last job of a server."""

    title = fields.String(
        required=True, validate=validate.Length(1, TITLE_LIMIT), metadata={"example": "Backups are slow since Monday"}
    )
    description = fields.String(load_default=None, allow_none=True, validate=validate.Length(0, DESCRIPTION_LIMIT))
    priority = fields.Enum(TicketPriority, by_value=True, load_default=TicketPriority.MEDIUM)
    job_id = fields.UUID(load_default=None, allow_none=True)
    server_id = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))
    assignee_id = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))


class TicketPatch(Strict):
    """What to change; what is left out stays. ``version``: the one that was read, to be told of other changes."""

    version = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))
    status = fields.Enum(TicketStatus, by_value=True)
    priority = fields.Enum(TicketPriority, by_value=True)
    assignee_id = fields.Integer(allow_none=True, validate=validate.Range(1, MAX_ID))
    title = fields.String(validate=validate.Length(1, TITLE_LIMIT))
    description = fields.String(allow_none=True, validate=validate.Length(0, DESCRIPTION_LIMIT))
    acknowledged = fields.Boolean(validate=validate.Equal(True))
    reason = fields.String(
        allow_none=True,
        validate=validate.Length(0, NOTE_LIMIT),
        metadata={"description": WHY, "example": "Customers see it"},
    )


class NewComment(Strict):
    """A comment."""

    body = fields.String(
        required=True, validate=validate.Length(1, COMMENT_LIMIT), metadata={"example": "The mirror was down."}
    )


class TicketSchema(Strict):
    """A ticket in a list."""

    ticket_id = fields.String(metadata={"format": "uuid"})
    number = fields.Integer()
    title = fields.String()
    description = fields.String(allow_none=True)
    status = fields.String(metadata={"enum": STATUSES})
    priority = fields.String(metadata={"enum": PRIORITIES})
    source = fields.String(metadata={"description": "job: opened by a failure; manual: by a person"})
    occurrences = fields.Integer()
    servers_hit = fields.Integer()
    job_id = fields.String(allow_none=True, metadata={"format": "uuid", "description": "First job that showed it"})
    created_by = fields.Integer()
    created_by_name = fields.String()
    assignee_id = fields.Integer(allow_none=True)
    assignee_name = fields.String(allow_none=True)
    failed_task = fields.String(allow_none=True)
    failed_module = fields.String(allow_none=True)
    failure_code = fields.String(allow_none=True)
    is_overdue = fields.Boolean()
    created_at = fields.AwareDateTime()
    updated_at = fields.AwareDateTime()
    last_seen_at = fields.AwareDateTime(allow_none=True)
    acknowledged_at = fields.AwareDateTime(allow_none=True)
    acknowledged_by_name = fields.String(allow_none=True)
    respond_due_at = fields.AwareDateTime(allow_none=True, metadata={"description": "To be acknowledged until"})
    due_at = fields.AwareDateTime(allow_none=True, metadata={"description": "To be solved until"})
    overdue_at = fields.AwareDateTime(allow_none=True)
    snoozed_until = fields.AwareDateTime(allow_none=True)
    resolved_at = fields.AwareDateTime(allow_none=True)
    resolution = fields.String(allow_none=True, metadata={"description": "Note of who resolved it"})
    merged_into = fields.String(allow_none=True, metadata={"format": "uuid"})
    merged_into_number = fields.Integer(allow_none=True)
    reopened_at = fields.AwareDateTime(allow_none=True)
    version = fields.Integer()


class TicketJobSchema(Strict):
    """A job that showed the ticket's problem."""

    job_id = fields.String(metadata={"format": "uuid"})
    number = fields.Integer()
    status = fields.String()
    failure_code = fields.String(allow_none=True)
    server_id = fields.Integer(allow_none=True)
    server_name = fields.String(allow_none=True)
    first_failure_line = fields.Integer(allow_none=True)
    created_at = fields.AwareDateTime()
    cleared_at = fields.AwareDateTime(allow_none=True)


class TicketEventSchema(Strict):
    """One line of a ticket's history."""

    id = fields.Integer()
    kind = fields.String(metadata={"enum": [kind.value for kind in EventKind]})
    who = fields.String()
    at = fields.AwareDateTime()
    said = fields.String(metadata={"description": "A sentence for people"})
    body = fields.String(allow_none=True, metadata={"description": "Comment, reason or note"})
    details = fields.Dict(metadata={"description": "What changed: from, to, run, hosts, until, ..."})
    moved_from = fields.Integer(allow_none=True, metadata={"description": "Number of the merged ticket it is from"})


class TicketDetailSchema(TicketSchema):
    """One ticket with its newest 200 jobs and 500 events."""

    jobs = fields.List(fields.Nested(TicketJobSchema))
    events = fields.List(fields.Nested(TicketEventSchema))
