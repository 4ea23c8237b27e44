"""Shapes of workers and dispatch."""

from __future__ import annotations

from marshmallow import fields, validate

from app.core.schemas import Schema, Strict
from app.jobs.service_workers import MAX_REASON
from app.jobs.status import WorkerState


class HostLoadSchema(Schema):
    """A worker's machine, as the worker measured it at its last sign of life."""

    cpus = fields.Integer()
    load1 = fields.Float(metadata={"description": "Processes that wanted to run, mean of a minute", "example": 0.7})
    memory_total = fields.Integer(metadata={"description": "Bytes"})
    memory_free = fields.Integer(metadata={"description": "Bytes that could still be given"})
    disk_total = fields.Integer(metadata={"description": "Bytes of the disk under its data folder"})
    disk_free = fields.Integer(metadata={"description": "Bytes"})
    log_lag_seconds = fields.Float(metadata={"description": "Age of the oldest output that is not stored yet"})
    log_lag_bytes = fields.Integer(metadata={"description": "Output that is not stored yet"})


class CarriedSchema(Schema):
    """A run that a worker carries."""

    launch_uuid = fields.String()
    launch_number = fields.Integer()
    title = fields.String()
    began_at = fields.AwareDateTime(allow_none=True)
    servers = fields.Integer()


class WorkerQueueSchema(Schema):
    """A queue that a worker serves, and its places in it."""

    name = fields.String(metadata={"example": "terraform"})
    places = fields.Integer(metadata={"description": "Runs of this queue that it carries at most"})
    running = fields.Integer(metadata={"description": "Runs of this queue that it carries now, of all tenants"})
    because = fields.String(
        allow_none=True,
        metadata={
            "description": "Why that many, where it is not simply the worker's number",
            "example": "1.9 GB of memory were free when it started, 0.7 GB for each run",
        },
    )


class WorkerSchema(Schema):
    """A worker and its load."""

    id = fields.Integer()
    name = fields.String(metadata={"description": "Its Celery node name", "example": "worker@host-1"})
    host_name = fields.String()
    version = fields.String(metadata={"example": "0.3.0"})
    state = fields.String(metadata={"enum": [state.value for state in WorkerState]})
    message = fields.String(allow_none=True, metadata={"description": "Why it takes nothing, in words"})
    running = fields.Integer(metadata={"description": "Runs that it carries now, of all tenants"})
    concurrency = fields.Integer(metadata={"description": "Runs that it carries at most"})
    queues = fields.List(fields.Nested(WorkerQueueSchema))
    host_load = fields.Nested(HostLoadSchema, allow_none=True, metadata={"description": "null: not told yet"})
    runs = fields.List(fields.Nested(CarriedSchema), metadata={"description": "Of your tenant: what it carries now"})
    is_drained = fields.Boolean(metadata={"description": "An administrator took it out of service"})
    run_limits = fields.String(
        allow_none=True,
        metadata={
            "description": "What it enforces on a run, in words",
            "example": "one run: 4096 processes by cgroup, 5900 MiB of memory by cgroup",
        },
    )
    started_at = fields.AwareDateTime()
    last_seen_at = fields.AwareDateTime()


class DispatchSchema(Schema):
    """Whether runs are handed to workers."""

    paused = fields.Boolean()
    reason = fields.String(allow_none=True, metadata={"example": "Database upgrade until 04:00 UTC"})
    since = fields.AwareDateTime(allow_none=True)
    restored = fields.Boolean(metadata={"description": "Paused by a restore: only `flask ops resume` ends it"})


class PauseSchema(Strict):
    """Why nothing is to be started."""

    reason = fields.String(
        required=True,
        validate=validate.Length(3, MAX_REASON),
        metadata={"description": "Shown with every waiting job", "example": "Database upgrade until 04:00 UTC"},
    )
