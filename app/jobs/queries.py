"""Reads of launches, runs and jobs: scoped, paged, constant in the number of queries."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from app.accounts.models import User
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JOB_FINAL, JobStatus

NUMBER = re.compile(r"\A(?:#|l-)?(\d{1,10})\Z")  # how people write jobs (#1412) and launches (L-310)
UUID_LENGTH = 36
JOB_SORT = SortKeys("-created", {"created": Job.id})
LAUNCH_SORT = SortKeys("-created", {"created": Launch.id, "title": Launch.title})


@dataclass(frozen=True, slots=True)
class JobFilter:
    """What a list of jobs may be narrowed by; None: not narrowed."""

    status: JobStatus | None = None
    kind: str | None = None
    playbook_id: int | None = None
    server_id: int | None = None
    user_id: int | None = None
    launch_id: int | None = None
    failure_code: str | None = None
    origin_uuid: str | None = None  # what was pressed, e.g. a saved launch
    created_from: datetime | None = None
    created_to: datetime | None = None
    text: str | None = None  # job number, UUID, or the beginning of a hostname


@dataclass(frozen=True, slots=True)
class LaunchFilter:
    """What a list of launches may be narrowed by."""

    status: JobStatus | None = None
    kind: str | None = None
    playbook_id: int | None = None
    server_id: int | None = None  # one of its jobs is on this server
    user_id: int | None = None
    source: str | None = None
    failure_code: str | None = None  # one of its jobs failed so
    origin_uuid: str | None = None
    created_from: datetime | None = None
    created_to: datetime | None = None
    text: str | None = None  # launch number, or the beginning of a playbook's name


def select_jobs(actor: Actor, narrow: JobFilter) -> Select[Job]:
    """Return the SELECT of the jobs that the actor may see, narrowed."""
    statement = scoped(actor, Job)
    for column, value in (
        (Job.status, narrow.status),
        (Job.kind, narrow.kind),
        (Job.playbook_id, narrow.playbook_id),
        (Job.server_id, narrow.server_id),
        (Job.user_id, narrow.user_id),
        (Job.launch_id, narrow.launch_id),
        (Job.failure_code, narrow.failure_code),
    ):
        if value is not None:
            statement = statement.where(column == value)
    if narrow.origin_uuid is not None:
        pressed = select(Launch.id).where(Launch.tenant_id == actor.tenant_id, Launch.origin_uuid == narrow.origin_uuid)
        statement = statement.where(Job.launch_id.in_(pressed))
    if narrow.created_from is not None:
        statement = statement.where(Job.created_at >= narrow.created_from)
    if narrow.created_to is not None:
        statement = statement.where(Job.created_at < narrow.created_to)
    if narrow.text:
        statement = statement.where(_job_matches(actor, narrow.text.strip().lower()))
    return statement


def _job_matches(actor: Actor, text: str) -> ColumnElement[bool]:
    if number := NUMBER.match(text):
        return Job.id == int(number[1])
    if len(text) == UUID_LENGTH and text.count("-") == 4:
        return Job.job_id == text
    servers = (
        select(Server.id).where(Server.tenant_id == actor.tenant_id, begins(Server.hostname, text)).order_by(Server.id)
    )
    return Job.server_id.in_(servers.scalar_subquery())


def list_jobs(actor: Actor, narrow: JobFilter, *, sort: str | None = None, **paging: Any) -> Page[Job]:
    """Return one page of jobs, newest first unless sorted otherwise."""
    require(actor, Permission.JOB_VIEW)
    return paginate(select_jobs(actor, narrow), Job.id, sort=JOB_SORT.pick(sort), **paging)


def list_launches(actor: Actor, narrow: LaunchFilter, *, sort: str | None = None, **paging: Any) -> Page[Launch]:
    """Return one page of launches, newest first unless sorted otherwise."""
    require(actor, Permission.JOB_VIEW)
    return paginate(select_launches(actor, narrow), Launch.id, sort=LAUNCH_SORT.pick(sort), **paging)


def select_launches(actor: Actor, narrow: LaunchFilter) -> Select[Launch]:
    """Return the SELECT of the launches that the actor may see, narrowed."""
    statement = scoped(actor, Launch)
    for column, value in (
        (Launch.status, narrow.status),
        (Launch.kind, narrow.kind),
        (Launch.user_id, narrow.user_id),
        (Launch.source, narrow.source),
        (Launch.origin_uuid, narrow.origin_uuid),
    ):
        if value is not None:
            statement = statement.where(column == value)
    of_jobs = select(Job.launch_id).where(Job.tenant_id == actor.tenant_id)
    if narrow.server_id is not None:
        statement = statement.where(Launch.id.in_(of_jobs.where(Job.server_id == narrow.server_id)))
    if narrow.failure_code is not None:
        statement = statement.where(Launch.id.in_(of_jobs.where(Job.failure_code == narrow.failure_code)))
    if narrow.playbook_id is not None:
        statement = statement.where(Launch.subject_type == "playbook", Launch.subject_id == narrow.playbook_id)
    if narrow.created_from is not None:
        statement = statement.where(Launch.created_at >= narrow.created_from)
    if narrow.created_to is not None:
        statement = statement.where(Launch.created_at < narrow.created_to)
    if narrow.text:
        text = narrow.text.strip().lower()
        number = NUMBER.match(text)
        statement = statement.where(Launch.id == int(number[1]) if number else begins(Launch.title, text))
    return statement


def launch_by_id(tenant_id: int, launch_id: int) -> Launch | None:
    """Return a launch by its number, None when it is not there (any more)."""
    return db.session.scalars(select(Launch).where(Launch.tenant_id == tenant_id, Launch.id == launch_id)).one_or_none()


def get_job(actor: Actor, job_id: str) -> Job:
    """Return a job by its UUID; NotFound for an unknown or foreign one."""
    require(actor, Permission.JOB_VIEW)
    job = db.session.scalars(scoped(actor, Job).where(Job.job_id == job_id)).one_or_none()
    if job is None:
        raise NotFound("This job")
    return job


def get_jobs(actor: Actor, job_ids: Collection[str]) -> list[Job]:
    """Return jobs by their UUIDs, in the order of their numbers; NotFound when one is unknown or foreign."""
    require(actor, Permission.JOB_VIEW)
    jobs = db.session.scalars(scoped(actor, Job).where(Job.job_id.in_(job_ids)).order_by(Job.id)).all()
    if len(jobs) != len(set(job_ids)):
        raise NotFound("This job")
    return list(jobs)


def get_launch(actor: Actor, launch_uuid: str) -> Launch:
    """Return a launch by its UUID; NotFound for an unknown or foreign one."""
    require(actor, Permission.JOB_VIEW)
    launch = db.session.scalars(scoped(actor, Launch).where(Launch.uuid == launch_uuid)).one_or_none()
    if launch is None:
        raise NotFound("This launch")
    return launch


def launch_of(job: Job) -> Launch:
    """Return the launch that a job belongs to."""
    return db.session.scalars(select(Launch).where(Launch.tenant_id == job.tenant_id, Launch.id == job.launch_id)).one()


def run_of(job: Job) -> Run:
    """Return the run that carries a job."""
    return db.session.scalars(select(Run).where(Run.tenant_id == job.tenant_id, Run.id == job.run_id)).one()


def runs_of(launch: Launch) -> Sequence[Run]:
    """Return the runs of a launch, in order."""
    return db.session.scalars(
        select(Run).where(Run.tenant_id == launch.tenant_id, Run.launch_id == launch.id).order_by(Run.id)
    ).all()


def jobs_of(launch: Launch, *, after: int = 0, limit: int = 100, failed_first: bool = False) -> Sequence[Job]:
    """Return jobs of a launch behind the job id ``after``, by id; or its failed ones first (then no cursor)."""
    statement = select(Job).where(Job.tenant_id == launch.tenant_id, Job.launch_id == launch.id)
    if failed_first:
        statement = statement.order_by((Job.status == JobStatus.FAILED).desc(), Job.id)
    else:
        statement = statement.where(Job.id > after).order_by(Job.id)
    return db.session.scalars(statement.limit(limit)).all()


def count_open_jobs_of_run(run: Run) -> int:
    """Return how many jobs of a run are not final."""
    statement = (
        select(func.count())
        .select_from(Job)
        .where(Job.tenant_id == run.tenant_id, Job.run_id == run.id, Job.status.not_in(JOB_FINAL))
    )
    return db.session.scalar(statement) or 0


def user_names(tenant_id: int, user_ids: set[int]) -> dict[int, str]:
    """Return the usernames of people of a tenant, in one query."""
    if not user_ids:
        return {}
    rows = db.session.execute(select(User.id, User.username).where(User.tenant_id == tenant_id, User.id.in_(user_ids)))
    return {row.id: row.username for row in rows}
