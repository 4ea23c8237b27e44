"""Shapes of how the log is kept."""

from __future__ import annotations

from marshmallow import fields

from app.core.schemas import Schema


class SealedSchema(Schema):
    """What one store holds."""

    store = fields.String(metadata={"enum": ["database", "folder", "s3"]})
    segments = fields.Integer()
    lines = fields.Integer()
    raw_bytes = fields.Integer(metadata={"description": "Unpacked"})
    stored_bytes = fields.Integer()


class DamagedSegmentSchema(Schema):
    """A segment that is missing or changed."""

    uuid = fields.String(metadata={"format": "uuid"})
    run_id = fields.Integer()
    store = fields.String()
    lines = fields.Integer()
    damage = fields.String(metadata={"example": "its SHA-256 is not the one of the sealed lines"})
    damaged_at = fields.AwareDateTime()


class LogStoreSchema(Schema):
    """The state of the whole platform's log."""

    stores = fields.List(fields.Nested(SealedSchema))
    waiting_runs = fields.Integer(metadata={"description": "Whose lines are due for sealing, 10,000 at most"})
    oldest_waiting = fields.AwareDateTime(allow_none=True, metadata={"description": "When the oldest of them ended"})
    damaged = fields.Integer(metadata={"description": "Segments that are missing or changed"})
    leftovers = fields.Integer(metadata={"description": "Begun by a sealer that died; cleared after an hour"})
    to_remove = fields.Integer(metadata={"description": "Runs whose lines are announced as removed and not all gone"})
    damaged_segments = fields.List(fields.Nested(DamagedSegmentSchema), metadata={"description": "The 100 found last"})
