"""Shapes of launches, jobs and lines; shared by the REST API and the pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.jobs.log_queries import LINE_LIMIT
from app.jobs.status import JobStatus
from app.runners.base import FailureCode

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
STATUSES = [status.value for status in JobStatus]
MAX_ID = 2_147_483_647


class PagingQuery(Strict):
    """Paging of every list: by number up to 10,000 rows deep, by cursor at any depth."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 10_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(load_default=None, validate=validate.Range(1, 2**62))


def in_our_time(moment: datetime) -> None:
    """Refuse a moment that other zones could not show: validator of marshmallow."""
    # In the first and last year a moment may have no equal in UTC.
    if not 1970 <= moment.year <= 9998:
        raise ValidationError("Give a year from 1970 to 9998.")


FAILURE_CODES = [code.value for code in FailureCode]


class _WorkQuery(PagingQuery):
    status = fields.Enum(JobStatus, by_value=True, load_default=None)
    server_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    failure_code = fields.String(load_default=None, validate=validate.OneOf(FAILURE_CODES))
    origin_uuid = fields.UUID(
        load_default=None, metadata={"description": "What was pressed, for example a saved launch."}
    )
    kind = fields.String(load_default=None, validate=validate.Length(1, 30))
    playbook_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    user_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    created_from = fields.AwareDateTime(
        load_default=None, validate=in_our_time, metadata={"description": "ISO 8601 with zone"}
    )
    created_to = fields.AwareDateTime(load_default=None, validate=in_our_time)

    @post_load
    def _plain_uuid(self, data: dict[str, Any], **_kw: Any) -> dict[str, Any]:
        if data["origin_uuid"] is not None:
            data["origin_uuid"] = str(data["origin_uuid"])
        return data


class LaunchQuery(_WorkQuery):
    """Filters of launches."""

    source = fields.String(load_default=None, validate=validate.Length(1, 30))
    sort = sort_field("created", "title")


class JobQuery(_WorkQuery):
    """Filters of jobs."""

    sort = sort_field("created")


class LaunchPageQuery(LaunchQuery):
    """Filters of the page of launches."""

    q = fields.String(load_default=None, validate=validate.Length(1, 100))
    mine = fields.Boolean(load_default=False)


class JobPageQuery(JobQuery):
    """Filters of the page of jobs."""

    q = fields.String(load_default=None, validate=validate.Length(1, 100))


class CancelQuery(Strict):
    """How a run is ended."""

    at_once = fields.Boolean(
        load_default=False, metadata={"description": "Kill it, without waiting for the engine's own end."}
    )


class LogQuery(Strict):
    """Reading lines by cursor."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_ID))
    before = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    limit = fields.Integer(load_default=LINE_LIMIT, validate=validate.Range(1, LINE_LIMIT))
    level = fields.String(load_default=None, validate=validate.OneOf(LEVELS))
    q = fields.String(load_default=None, validate=validate.Length(1, 200))
    format = fields.String(load_default="json", validate=validate.OneOf(("json", "text")))


class SearchQuery(Strict):
    """Searching one log."""

    q = fields.String(required=True, validate=validate.Length(1, 200))
    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_ID))
    level = fields.String(load_default=None, validate=validate.OneOf(LEVELS))
    limit = fields.Integer(load_default=200, validate=validate.Range(1, 200))


class ResultsQuery(Strict):
    """Paging of the matrix by server."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_ID))
    limit = fields.Integer(load_default=100, validate=validate.Range(1, 100))


class StreamQuery(Strict):
    """Where a stream begins."""

    after = fields.Integer(load_default=0, validate=validate.Range(0, MAX_ID))


class JobSchema(Schema):
    """A job."""

    job_id = fields.String(metadata={"format": "uuid"})
    number = fields.Integer(metadata={"description": "What the screen shows as #1412"})
    kind = fields.String()
    status = fields.String(metadata={"enum": STATUSES})
    failure_code = fields.String(allow_none=True)
    error_message = fields.String(allow_none=True)
    failed_task = fields.String(allow_none=True)
    failed_module = fields.String(allow_none=True)
    task_counts = fields.Dict(allow_none=True)
    extra_vars = fields.Dict(allow_none=True)
    playbook_id = fields.Integer(allow_none=True)
    playbook_name = fields.String()
    server_id = fields.Integer(allow_none=True)
    server_name = fields.String(allow_none=True)
    user_id = fields.Integer()
    user_name = fields.String()
    launch_uuid = fields.String(metadata={"format": "uuid"})
    is_check = fields.Boolean()
    log_lines = fields.Integer()
    log_complete = fields.Boolean()
    first_failure_line = fields.Integer(allow_none=True)
    lines_removed_at = fields.AwareDateTime(
        allow_none=True, metadata={"description": "Its lines were removed by age; the job itself stays"}
    )
    engine = fields.String(metadata={"description": "Name of the installation that ran it, or shall."})
    engine_version = fields.String(allow_none=True, metadata={"description": "ansible-core, once it has begun."})
    collections = fields.Dict(
        keys=fields.String(),
        values=fields.String(),
        allow_none=True,
        metadata={"description": "Versions of the collections that the run could use and its files name."},
    )
    waiting_because = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    started_at = fields.AwareDateTime(allow_none=True)
    completed_at = fields.AwareDateTime(allow_none=True)
    cancel_requested_at = fields.AwareDateTime(allow_none=True)


class LaunchSchema(Schema):
    """A launch in a list."""

    uuid = fields.String(metadata={"format": "uuid"})
    number = fields.Integer()
    kind = fields.String()
    title = fields.String()
    status = fields.String(metadata={"enum": STATUSES})
    is_check = fields.Boolean()
    playbook_id = fields.Integer(allow_none=True)
    user_id = fields.Integer()
    user_name = fields.String()
    source = fields.String()
    origin_type = fields.String(allow_none=True, metadata={"description": "What was pressed: saved_launch."})
    origin_uuid = fields.String(allow_none=True)
    origin_title = fields.String(allow_none=True)
    inputs = fields.Dict()
    jobs_total = fields.Integer()
    jobs_success = fields.Integer()
    jobs_failed = fields.Integer()
    jobs_cancelled = fields.Integer()
    waiting_because = fields.String(allow_none=True)
    created_at = fields.AwareDateTime()
    started_at = fields.AwareDateTime(allow_none=True)
    completed_at = fields.AwareDateTime(allow_none=True)
    cancel_requested_at = fields.AwareDateTime(allow_none=True)


class RunSchema(Schema):
    """A run of a launch."""

    uuid = fields.String(metadata={"format": "uuid"})
    status = fields.String()
    attempt = fields.Integer()
    engine = fields.String()
    engine_version = fields.String(allow_none=True)
    collections = fields.Dict(keys=fields.String(), values=fields.String(), allow_none=True)
    failure_code = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    exit_code = fields.Integer(allow_none=True)
    claimed_at = fields.AwareDateTime(allow_none=True)
    began_at = fields.AwareDateTime(allow_none=True)
    completed_at = fields.AwareDateTime(allow_none=True)


class LaunchDetailSchema(LaunchSchema):
    """One launch with its runs and the first 100 of its jobs (more: GET /jobs?launch=...)."""

    runs = fields.List(fields.Nested(RunSchema))
    jobs = fields.List(fields.Nested(JobSchema))


class LineSchema(Schema):
    """One line: n number, s task, v level, x text, t time, c 1 when it continues the one before.

    ``m`` 1: the line exists, but its sealed segment cannot be read; ``x`` says so.
    """

    n = fields.Integer()
    s = fields.Integer()
    v = fields.String(allow_none=True)
    x = fields.String()
    t = fields.String()
    c = fields.Integer()
    m = fields.Integer(metadata={"description": "1: it cannot be read, and x says why; absent otherwise"})


class MissingSchema(Schema):
    """Lines that exist and cannot be read."""

    first_line = fields.Integer(metadata={"example": 4001})
    last_line = fields.Integer(metadata={"example": 8000})
    why = fields.String(metadata={"example": "its store does not answer just now"})


class LogSchema(Schema):
    """Lines after a cursor. ``complete``: the job has ended and nothing follows ``last_line``."""

    lines = fields.List(fields.Nested(LineSchema))
    last_line = fields.Integer()
    complete = fields.Boolean()
    status = fields.String()
    first_failure_line = fields.Integer(allow_none=True)
    removed_at = fields.AwareDateTime(allow_none=True, metadata={"description": "Retention removed the lines"})
    missing = fields.List(
        fields.Nested(MissingSchema), metadata={"description": "Ranges looked through that could not be read"}
    )
    scanned_to = fields.Integer(
        allow_none=True,
        metadata={"description": "With q: lines up to this number were looked through; ask again after it"},
    )


class MatrixSchema(Schema):
    """Server x task."""

    tasks = fields.List(fields.Dict())
    hidden_tasks = fields.Integer()
    rows = fields.List(fields.Dict())
    next_after = fields.Integer(allow_none=True)
