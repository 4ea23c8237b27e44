"""Shapes of the audit log, shared by the page and the REST API."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, post_load, validate

from app.audit.queries import AuditFilter
from app.core.clock import iso
from app.core.pagination import MAX_PAGE_SIZE

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


class AuditQuery(Schema):
    """Filters and cursor of the list; unknown ones are refused."""

    class Meta:
        """Marshmallow's options."""

        unknown = RAISE

    resource_type = fields.String(validate=validate.Length(1, 50), metadata={"description": "For example server."})
    resource_id = fields.Integer(validate=ID, metadata={"description": "Number of the resource; needs its type."})
    user_id = fields.Integer(validate=ID, metadata={"description": "Who acted."})
    action = fields.String(validate=validate.Length(1, 100), metadata={"description": "For example UPDATE."})
    event = fields.String(validate=validate.Length(1, 100), metadata={"description": "For example server:update."})
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


class VerificationSchema(Schema):
    """The last walk along the chain; every field is null when there was none."""

    verified_at = Moment(allow_none=True)
    entries = fields.Integer(allow_none=True)
    intact = fields.Boolean(allow_none=True)
    first_bad_seq = fields.Integer(allow_none=True)
    message = fields.String(allow_none=True)
