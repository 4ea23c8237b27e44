"""Rows as people and programs see them: names resolved, waiting explained, with a constant number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from app.core.db import db
from app.inventory.models import Server
from app.jobs import log_queries, queries
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JOB_FINAL, JobStatus, RunStatus
from app.jobs.waiting import waiting_because

EXPLAINED = 20  # pending rows of one page that get a waiting sentence; each costs a few queries
MATRIX_TASKS = 60
PRODUCTION = "production"  # environment whose names are typed before anything is stopped or repeated


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job with the names around it."""

    number: int
    job_id: str
    kind: str
    status: str
    failure_code: str | None
    error_message: str | None
    failed_task: str | None
    failed_module: str | None
    task_counts: dict[str, int] | None
    extra_vars: dict[str, Any] | None
    playbook_id: int | None
    playbook_name: str
    server_id: int | None
    server_name: str | None
    environment: str | None
    user_id: int
    user_name: str
    launch_uuid: str
    launch_number: int
    is_check: bool
    log_lines: int
    log_complete: bool
    first_failure_line: int | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    waiting_because: str | None
    engine: str = "default"
    engine_version: str | None = None
    lines_removed_at: datetime | None = None
    collections: dict[str, str] | None = None
    can_cancel_alone: bool = True
    usual_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class LaunchRow:
    """A launch with the names around it."""

    number: int
    uuid: str
    kind: str
    title: str
    status: str
    is_check: bool
    playbook_id: int | None
    user_id: int
    user_name: str
    source: str
    inputs: dict[str, Any]
    jobs_total: int
    jobs_success: int
    jobs_failed: int
    jobs_cancelled: int
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    cancel_requested_at: datetime | None
    waiting_because: str | None
    relaunch_of: int | None
    origin_type: str | None
    origin_uuid: str | None
    origin_title: str | None
    usual_seconds: float | None = None
    production: bool = False


def job_rows(jobs: Sequence[Job], *, explain: bool = True) -> list[JobRow]:
    """Return the rows of some jobs of one tenant, in their order."""
    if not jobs:
        return []
    tenant_id = jobs[0].tenant_id
    launches = _by_id(Launch, tenant_id, {job.launch_id for job in jobs})
    runs = _by_id(Run, tenant_id, {job.run_id for job in jobs})
    servers = _by_id(Server, tenant_id, {job.server_id for job in jobs if job.server_id is not None})
    users = queries.user_names(tenant_id, {job.user_id for job in jobs})
    reasons = _reasons(runs, {job.run_id for job in jobs if job.status is JobStatus.PENDING}) if explain else {}
    rows = []
    for job in jobs:
        launch, run = launches[job.launch_id], runs[job.run_id]
        server = servers.get(job.server_id) if job.server_id is not None else None
        rows.append(
            JobRow(
                number=job.id,
                job_id=job.job_id,
                kind=job.kind,
                status=job.status.value,
                failure_code=job.failure_code,
                error_message=job.error_message,
                failed_task=job.failed_task,
                failed_module=job.failed_module,
                task_counts=job.task_counts,
                extra_vars=job.extra_vars,
                playbook_id=job.playbook_id,
                playbook_name=launch.title,
                server_id=job.server_id,
                server_name=server.hostname if server else None,
                environment=server.environment if server else None,
                user_id=job.user_id,
                user_name=users.get(job.user_id, "somebody"),
                launch_uuid=launch.uuid,
                launch_number=launch.id,
                is_check=launch.is_check,
                log_lines=job.log_lines,
                log_complete=job.log_complete,
                first_failure_line=job.first_failure_line,
                created_at=job.created_at,
                started_at=job.started_at,
                completed_at=job.completed_at,
                cancel_requested_at=run.cancel_requested_at if job.status not in JOB_FINAL else None,
                waiting_because=reasons.get(job.run_id) if job.status is JobStatus.PENDING else None,
                engine=run.engine,
                engine_version=run.engine_version,
                lines_removed_at=job.lines_removed_at,
                collections=run.collections,
            )
        )
    return rows


def launch_rows(launches: Sequence[Launch], *, explain: bool = True) -> list[LaunchRow]:
    """Return the rows of some launches of one tenant, in their order."""
    if not launches:
        return []
    tenant_id = launches[0].tenant_id
    users = queries.user_names(tenant_id, {launch.user_id for launch in launches})
    waiting = [launch.id for launch in launches if launch.status is JobStatus.PENDING][:EXPLAINED]
    reasons: dict[int, str] = {}
    if explain and waiting:
        runs = db.session.scalars(select(Run).where(Run.tenant_id == tenant_id, Run.launch_id.in_(waiting))).all()
        for run in runs:
            reason = waiting_because(run)
            if reason is not None:
                reasons.setdefault(run.launch_id, reason)
    return [
        LaunchRow(
            number=launch.id,
            uuid=launch.uuid,
            kind=launch.kind,
            title=launch.title,
            status=launch.status.value,
            is_check=launch.is_check,
            playbook_id=launch.subject_id if launch.subject_type == "playbook" else None,
            user_id=launch.user_id,
            user_name=users.get(launch.user_id, "somebody"),
            source=launch.source,
            inputs=dict(launch.inputs),
            jobs_total=launch.jobs_total,
            jobs_success=launch.jobs_success,
            jobs_failed=launch.jobs_failed,
            jobs_cancelled=launch.jobs_cancelled,
            created_at=launch.created_at,
            started_at=launch.started_at,
            completed_at=launch.completed_at,
            cancel_requested_at=launch.cancel_requested_at if launch.status not in JOB_FINAL else None,
            waiting_because=reasons.get(launch.id),
            relaunch_of=launch.relaunch_of,
            origin_type=launch.origin_type,
            origin_uuid=launch.origin_uuid,
            origin_title=launch.origin_title,
        )
        for launch in launches
    ]


def _by_id(model: Any, tenant_id: int, ids: set[Any]) -> dict[int, Any]:
    if not ids:
        return {}
    rows = db.session.scalars(select(model).where(model.tenant_id == tenant_id, model.id.in_(ids)))
    return {row.id: row for row in rows}


def _reasons(runs: dict[int, Run], run_ids: set[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for run_id in sorted(run_ids)[:EXPLAINED]:
        reason = waiting_because(runs[run_id])
        if reason is not None:
            found[run_id] = reason
    return found


def usual_seconds(launch: Launch) -> float | None:
    """Return the mean duration of the last ten successful launches of the same thing, None before the first."""
    rows = db.session.execute(
        select(Launch.started_at, Launch.completed_at)
        .where(
            Launch.tenant_id == launch.tenant_id,
            Launch.subject_type == launch.subject_type,
            Launch.subject_id == launch.subject_id,
            Launch.status == JobStatus.SUCCESS,
            Launch.is_check == launch.is_check,
            Launch.id < launch.id,
        )
        .order_by(Launch.id.desc())
        .limit(10)
    ).all()
    spans = [(row.completed_at - row.started_at).total_seconds() for row in rows if row.started_at and row.completed_at]
    return sum(spans) / len(spans) if spans else None


def job_row_with_history(job: Job) -> JobRow:
    """Return one job's row with its usual duration and whether it can be cancelled without others."""
    launch = queries.launch_of(job)
    run = queries.run_of(job)
    alone = run.status is RunStatus.PENDING or queries.count_open_jobs_of_run(run) <= 1
    return replace(job_rows([job])[0], usual_seconds=usual_seconds(launch), can_cancel_alone=alone)


def launch_row_with_history(launch: Launch) -> LaunchRow:
    """Return one launch's row with its usual duration and whether it hits production."""
    return replace(launch_rows([launch])[0], usual_seconds=usual_seconds(launch), production=has_production(launch))


_UNSAID = ("check", "references")  # inputs that other words say already


def inputs_in_words(launch: Launch) -> list[tuple[str, str]]:
    """Return what was asked as labels and values; secrets are not among the stored inputs."""
    words: list[tuple[str, str]] = [
        ("Servers", str(launch.jobs_total)),
        ("Mode", "check only" if launch.is_check else "changes"),
    ]
    for name, value in launch.inputs.items():
        # Ids and hashes mean nothing to people; the title and the matrix name what they stand for.
        if (
            value in (None, "", [], {}, False)
            or name in ("check", "references")
            or name.endswith(("_id", "_ids", "_hash"))
        ):
            continue
        if isinstance(value, dict):
            words += [(str(key), str(inner)) for key, inner in value.items()]
        else:
            text = ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
            words.append((name.replace("_", " ").capitalize(), "yes" if value is True else text))
    return words


def has_production(launch: Launch) -> bool:
    """Say whether a production server is among a launch's."""
    statement = (
        select(Server.id)
        .join(Job, (Job.tenant_id == Server.tenant_id) & (Job.server_id == Server.id))
        .where(Server.tenant_id == launch.tenant_id, Job.launch_id == launch.id, Server.environment == PRODUCTION)
        .limit(1)
    )
    return db.session.scalar(statement) is not None


def matrix(launch: Launch, jobs: Sequence[Job], *, all_tasks: bool = False) -> dict[str, Any]:
    """Return the cells server x task for some jobs of a launch.

    ``tasks`` [{seq, name, run_id}], ``rows`` [{number, job_id, server_name, status, failure_code,
    waiting_because, cells: {seq: {status, duration_ms, first_line}}}], ``hidden_tasks``. Unless ``all_tasks``,
    at most MATRIX_TASKS tasks: those that failed or changed something are kept first.
    """
    tasks = [task for run in queries.runs_of(launch) for task in log_queries.run_tasks(run)]
    results = log_queries.results_by_job(jobs)
    weights: dict[int, int] = {}
    for cells in results.values():
        for seq, cell in cells.items():
            weight = {"failed": 3, "unreachable": 3, "ignored": 2, "rescued": 2, "changed": 1}.get(cell["status"], 0)
            weights[seq] = max(weights.get(seq, 0), weight)
    kept = tasks
    if not all_tasks and len(tasks) > MATRIX_TASKS:
        wanted = sorted(tasks, key=lambda task: (-weights.get(task.task_seq, 0), task.task_seq))[:MATRIX_TASKS]
        kept = sorted(wanted, key=lambda task: task.task_seq)
    return {
        "tasks": [{"seq": task.task_seq, "name": task.task, "play": task.play} for task in kept],
        "hidden_tasks": len(tasks) - len(kept),
        "rows": [
            {
                "number": row.number,
                "job_id": row.job_id,
                "server_name": row.server_name or "no server",
                "status": row.status,
                "failure_code": row.failure_code,
                "waiting_because": row.waiting_because,
                "cells": results.get(row.number, {}),
            }
            for row in job_rows(jobs)
        ],
    }
