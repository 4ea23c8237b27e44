"""Reads the configuration of each new revision, once: the tables say what its files declare.

Rung for when a revision is committed, and found by the keeper when nobody heard. ``read_at`` is set in the same
transaction as everything that a reading changes, and only while the revision is the one in force.

Each reading counts itself before it begins, so that one which takes its process along counts too; the next one waits
twice as long. After MAX_READINGS the revision has a problem that says so, until somebody asks to read again.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, or_, select, update
from sqlalchemy.exc import DataError

from app.core import queue
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope, tenant_scope
from app.sources import revision_files
from app.terraform import configuration_tables, doorbells, infrastructure_sync, queries
from app.terraform.configuration.bounded import read_bounded
from app.terraform.configuration.shapes import Problem
from app.terraform.doorbells import READ
from app.terraform.models import TerraformProject
from app.terraform.models_files import TerraformFile, TerraformRevision

log = logging.getLogger(__name__)

OVERDUE_SECONDS = 10.0
MAX_READINGS = 6
PAUSE_SECONDS = 10  # after the first reading; twice as long after each further one
_UNKEPT = "What the files declare could not be stored: a value is larger than the database takes."
_GIVEN_UP = (
    f"What the files declare could not be read: {MAX_READINGS} attempts ended by an error of the platform itself. The "
    "files are as you saved them, and can be planned. Read them again; if that ends the same way, give your "
    "administrator this sentence: the workers' logs name revision {revision}."
)


def read_configuration(revision_id: int) -> bool:
    """Read a revision's configuration if that is due; False when there is nothing to do (now, or any more).

    Raises whatever a reading may end by; it is then due again after a pause, or given up.
    """
    with system_scope("configurations"), unit_of_work(writes=False):
        found = db.session.execute(
            select(TerraformRevision.tenant_id, TerraformRevision.read_attempts).where(
                TerraformRevision.id == revision_id, TerraformRevision.read_at.is_(None)
            )
        ).one_or_none()
    if found is None or not _begin(found.tenant_id, revision_id, found.read_attempts):
        return False
    if found.read_attempts >= MAX_READINGS:
        return _give_up(found.tenant_id, revision_id)
    return _read(found.tenant_id, revision_id)


def _begin(tenant_id: int, revision_id: int, attempts: int) -> bool:
    """Count a reading before it begins, by compare-and-set; False while the one before has its time."""
    with tenant_scope(tenant_id), unit_of_work():
        now = database_now()
        begun = db.session.execute(
            update(TerraformRevision)
            .where(
                TerraformRevision.tenant_id == tenant_id,
                TerraformRevision.id == revision_id,
                TerraformRevision.read_at.is_(None),
                TerraformRevision.read_attempts == attempts,
                or_(TerraformRevision.read_after.is_(None), TerraformRevision.read_after <= now),
            )
            .values(read_attempts=attempts + 1, read_after=now + timedelta(seconds=PAUSE_SECONDS * 2**attempts))
            .execution_options(synchronize_session=False)
        )
        return cast(CursorResult[Any], begun).rowcount == 1


def _give_up(tenant_id: int, revision_id: int) -> bool:
    log.error("terraform.configuration_given_up", extra={"revision_id": revision_id})
    problem = asdict(Problem("", None, _GIVEN_UP.format(revision=revision_id)))
    with tenant_scope(tenant_id), unit_of_work():
        return _take(tenant_id, revision_id, [problem], given_up=True)


def _read(tenant_id: int, revision_id: int) -> bool:
    with tenant_scope(tenant_id), unit_of_work(writes=False):
        project = _project_of(tenant_id, revision_id)
        in_force, folder = project.revision_id == revision_id, project.working_directory
        stored = revision_files.read_files(TerraformFile, tenant_id, revision_id) if in_force else []
        files = {file.path: file.data for file in stored}
    if not in_force:
        with tenant_scope(tenant_id), unit_of_work():
            project = _project_of(tenant_id, revision_id)
            return project.revision_id != revision_id and _take(tenant_id, revision_id, None)
    found = read_bounded(files, folder)
    problems = [asdict(problem) for problem in found.problems]
    try:
        with tenant_scope(tenant_id), unit_of_work():
            project = _project_of(tenant_id, revision_id)
            db.session.refresh(project, with_for_update=True)
            if project.revision_id != revision_id or project.working_directory != folder:
                doorbells.read_again(tenant_id, revision_id)  # it has moved on while the files were read: still due
                return False
            if not _take(tenant_id, revision_id, problems):
                return False
            configuration_tables.apply(Actor.system(tenant_id), project, found)
            infrastructure_sync.follow_project(tenant_id, project.id)
    except DataError:
        log.exception("terraform.configuration_not_kept", extra={"revision_id": revision_id})
        with tenant_scope(tenant_id), unit_of_work():
            _take(tenant_id, revision_id, [*problems, asdict(Problem("", None, _UNKEPT))])
    return True


def _project_of(tenant_id: int, revision_id: int) -> TerraformProject:
    project_id = db.session.scalar(
        select(TerraformRevision.project_id).where(
            TerraformRevision.tenant_id == tenant_id, TerraformRevision.id == revision_id
        )
    )
    assert project_id is not None
    return queries.project_by_id(Actor.system(tenant_id), project_id)


def _take(tenant_id: int, revision_id: int, problems: list[dict[str, Any]] | None, *, given_up: bool = False) -> bool:
    attempts = {} if given_up else {"read_attempts": 0}
    taken = db.session.execute(
        update(TerraformRevision)
        .where(
            TerraformRevision.tenant_id == tenant_id,
            TerraformRevision.id == revision_id,
            TerraformRevision.read_at.is_(None),
        )
        .values(read_at=database_now(), problems=problems, read_after=None, **attempts)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], taken).rowcount == 1


def ring_overdue(limit: int = 50) -> int:
    """The keeper's chore: ring again for revisions that nobody has read, and whose pause is over."""
    with system_scope("keeper: configurations"), unit_of_work(writes=False):
        now = database_now()
        since = now - timedelta(seconds=OVERDUE_SECONDS)
        ids = db.session.scalars(
            select(TerraformRevision.id)
            .where(
                TerraformRevision.read_at.is_(None),
                TerraformRevision.created_at < since,
                or_(TerraformRevision.read_after.is_(None), TerraformRevision.read_after <= now),
            )
            .order_by(TerraformRevision.id)
            .limit(limit)
        ).all()
    return sum(queue.send(READ, revision_id=revision_id) for revision_id in ids)
