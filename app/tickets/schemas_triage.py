"""Shapes of the acts of triage, of similar tickets and of the figures."""

from __future__ import annotations

from marshmallow import fields, validate

from app.core.schemas import Strict
from app.jobs.schemas import MAX_ID, in_our_time
from app.tickets.acts import NOTE_LIMIT
from app.tickets.service_triage import BULK_LIMIT, Act


def _note(description: str, example: str, **more: object) -> fields.String:
    limits = validate.Length(1 if more.get("required") else 0, NOTE_LIMIT)
    return fields.String(validate=limits, metadata={"description": description, "example": example}, **more)  # type: ignore[arg-type]


def _version() -> fields.Integer:
    return fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))


def _until(**more: object) -> fields.AwareDateTime:
    example = {"example": "2031-05-01T06:00:00Z", "description": "At most 90 days from now"}
    return fields.AwareDateTime(validate=in_our_time, metadata=example, **more)  # type: ignore[arg-type]


class Seen(Strict):
    """Only the version that the act was decided on."""

    version = _version()


class AcknowledgeBody(Seen):
    """Acknowledge; with ``start`` an open ticket is in progress afterwards."""

    start = fields.Boolean(load_default=False)


class SnoozeBody(Seen):
    """Until when."""

    until = _until(required=True)


class NoteBody(Seen):
    """An end with a note that similar tickets will show."""

    note = _note("How it was resolved", "Freed space on /var", load_default=None, allow_none=True)


class ReopenBody(Seen):
    """Why it is open again."""

    reason = _note("Why it is opened again", "Came back after the restart", required=True)


class MergeBody(Seen):
    """Into which ticket."""

    into = fields.UUID(required=True, metadata={"description": "ticket_id of the open ticket that stays"})
    reason = _note("Why they are one problem", "Both are the full disk", load_default=None, allow_none=True)


class BulkBody(Strict):
    """One act on several tickets."""

    ticket_ids = fields.List(fields.UUID(), required=True, validate=validate.Length(1, BULK_LIMIT))
    act = fields.Enum(Act, by_value=True, required=True, metadata={"example": "acknowledge"})
    note = _note("Reason of a reopening, else a resolution note", "Freed space", load_default=None, allow_none=True)
    until = _until(load_default=None, allow_none=True)
    assignee_id = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))


class RefusedSchema(Strict):
    """A ticket that the act could not be carried out on."""

    ticket_id = fields.String(metadata={"format": "uuid"})
    number = fields.Integer(allow_none=True)
    message = fields.String()


class BulkResultSchema(Strict):
    """What became of the tickets."""

    done = fields.List(fields.String(metadata={"format": "uuid"}))
    refused = fields.List(fields.Nested(RefusedSchema))


class SimilarSchema(Strict):
    """An ended ticket like this one."""

    ticket_id = fields.String(metadata={"format": "uuid"})
    number = fields.Integer()
    title = fields.String()
    status = fields.String()
    likeness = fields.String(metadata={"enum": ["same problem", "same task", "same message"]})
    resolved_at = fields.AwareDateTime(allow_none=True)
    how = fields.String(allow_none=True, metadata={"description": "Its resolution note, else its last comment"})
    how_by = fields.String(allow_none=True)


class FiguresSchema(Strict):
    """Times of one group of tickets, in seconds; medians are null where nothing counts."""

    name = fields.String()
    opened = fields.Integer()
    acknowledged = fields.Integer()
    median_to_acknowledge = fields.Float(allow_none=True)
    late_to_acknowledge = fields.Integer()
    resolved = fields.Integer()
    median_to_resolve = fields.Float(allow_none=True)
    late_to_resolve = fields.Integer()


class StatisticsSchema(Strict):
    """Figures of the tickets opened in the last 30 days. ``complete`` is false beyond 20,000 tickets."""

    days = fields.Integer()
    complete = fields.Boolean()
    by_priority = fields.List(fields.Nested(FiguresSchema))
    by_playbook = fields.List(fields.Nested(FiguresSchema))
