"""Shapes of the audit log, shared by the page and the REST API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.audit.queries import AuditFilter
from app.core.actor import Via
from app.core.clock import iso
from app.core.pagination import MAX_PAGE_SIZE
from app.core.schemas import Schema, Strict

OUTCOMES = ("success", "refused", "failed")
DOORS = tuple(via.value for via in Via)
ID = validate.Range(min=1, max=2**31 - 1)


class Moment(fields.Field[datetime]):
    """ISO 8601 with a zone, or a date: its first moment in UTC; as ``is_end`` the first moment of the next day."""

    def __init__(self, *, is_end: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.is_end = is_end

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return iso(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        text = str(value)
        try:
            moment = datetime.fromisoformat(text if len(text) <= 40 else "")
            if len(text) == 10:
                return moment.replace(tzinfo=UTC) + timedelta(days=1 if self.is_end else 0)
            if moment.tzinfo is None:
                raise ValueError("no zone")
            return moment.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise ValidationError(
                "Write a date (2026-11-21) or a moment with its zone (2026-11-21T09:30:00Z)."
            ) from error


class AuditQuery(Strict):
    """Filters and cursor of the list; unknown ones are refused."""

    resource_type = fields.String(validate=validate.Length(1, 50), metadata={"description": "For example server."})
    resource_id = fields.Integer(validate=ID, metadata={"description": "Number of the resource; needs its type."})
    user_id = fields.Integer(validate=ID, metadata={"description": "Who acted."})
    action = fields.String(validate=validate.Length(1, 100), metadata={"description": "For example UPDATE."})
    event = fields.String(validate=validate.Length(1, 100), metadata={"description": "For example server:update."})
    resource_uuid = fields.String(
        validate=validate.Length(1, 36), metadata={"description": "UUID of the resource, for example of a job."}
    )
    outcome = fields.String(
        validate=validate.OneOf(OUTCOMES), metadata={"description": "Done, refused, or tried and failed."}
    )
    via = fields.String(validate=validate.OneOf(DOORS), metadata={"description": "The door it came through."})
    ip_address = fields.String(validate=validate.Length(1, 45), metadata={"description": "Address of who acted."})
    text = fields.String(
        data_key="q",
        validate=validate.Length(1, 100),
        metadata={"description": "In the present name of the resource, or in the details."},
    )
    since = Moment(data_key="from", metadata={"description": "From this moment (or date) on."})
    until = Moment(
        is_end=True, data_key="to", metadata={"description": "Up to this moment, or to the end of this date."}
    )
    after = fields.Integer(
        validate=validate.Range(min=1, max=2**63 - 1), metadata={"description": "next_after of the page before."}
    )
    page_size = fields.Integer(load_default=50, validate=validate.Range(min=1, max=MAX_PAGE_SIZE))

    @post_load
    def _as_filter(self, data: dict[str, Any], **_options: Any) -> dict[str, Any]:
        if "resource_id" in data and "resource_type" not in data:
            raise ValidationError("Say what kind of thing the number belongs to.", "resource_type")
        paging: dict[str, Any] = {name: data.pop(name) for name in ("after", "page_size") if name in data}
        return {"wanted": AuditFilter(**data), **paging}


class ExportQuery(AuditQuery):
    """Filters of an export, and its form."""

    class Meta(Strict.Meta):
        """Marshmallow's options."""

        exclude = ("after", "page_size")

    form = fields.String(
        data_key="format",
        load_default="csv",
        validate=validate.OneOf(("csv", "jsonl")),
        metadata={"description": "csv or jsonl (JSON lines)"},
    )

    @post_load
    def _as_filter(self, data: dict[str, Any], **options: Any) -> dict[str, Any]:
        form = data.pop("form")
        return {**super()._as_filter(data, **options), "form": form}


class AuditEntrySchema(Schema):
    """One entry."""

    id = fields.Integer()
    seq = fields.Integer(metadata={"description": "Place in the tenant's chain: 1, 2, 3, ... without gaps."})
    timestamp = Moment()
    user_id = fields.Integer(allow_none=True)
    username = fields.String(allow_none=True)
    action = fields.String()
    event = fields.String()
    outcome = fields.String(metadata={"description": "success, refused or failed"})
    resource_type = fields.String()
    resource_id = fields.Integer(allow_none=True)
    resource_uuid = fields.String(allow_none=True)
    details = fields.Dict(allow_none=True)
    via = fields.String(metadata={"description": "session, api_key, system or cli"})
    api_key_prefix = fields.String(allow_none=True)
    request_id = fields.String(allow_none=True)
    ip_address = fields.String(allow_none=True)
    user_agent = fields.String(allow_none=True)
    hash = fields.String(metadata={"description": "Keyed hash of this entry and the one before it, in hex."})


class ResultSchema(Schema):
    """One walk along the chain."""

    verified_at = Moment(allow_none=True)
    started_at = Moment(allow_none=True)
    user_id = fields.Integer(allow_none=True, metadata={"description": "Who asked for it; null for the platform."})
    username = fields.String(allow_none=True)
    entries = fields.Integer(allow_none=True)
    intact = fields.Boolean(allow_none=True)
    first_bad_seq = fields.Integer(allow_none=True)
    message = fields.String(allow_none=True)


class WalkSchema(Schema):
    """A verification that the keeper is at."""

    started_at = Moment()
    next_seq = fields.Integer(metadata={"description": "Entries before this one were found good."})
    newest_seq = fields.Integer(metadata={"description": "Length of the chain now."})


class AnchorSchema(Schema):
    """How far the file outside the database confirms the chain."""

    seq = fields.Integer(allow_none=True, metadata={"description": "The newest anchored entry, null for none."})
    at = fields.String(allow_none=True, metadata={"description": "When it was anchored."})
    matches = fields.Boolean(
        allow_none=True, metadata={"description": "Whether that entry still has the anchored hash; null: unknown."}
    )


class ArchiveSchema(Schema):
    """An archive file."""

    file_name = fields.String()
    first_seq = fields.Integer()
    last_seq = fields.Integer()
    newest_at = Moment()
    sha256 = fields.String()
    created_at = Moment()


class VerificationSchema(ResultSchema):
    """The last walk along the chain, every field null when there was none; what is under way, anchored, archived."""

    running = fields.Nested(WalkSchema, allow_none=True)
    anchor = fields.Nested(AnchorSchema)
    history = fields.List(fields.Nested(ResultSchema), metadata={"description": "The newest 50 walks."})
    archives = fields.List(fields.Nested(ArchiveSchema), metadata={"description": "The newest 200 archive files."})
