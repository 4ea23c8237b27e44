"""Reads the configuration of each new revision, once: the tables say what its files declare.

Rung for when a revision is committed, and found by the keeper when nobody heard. ``read_at`` is set in the same
transaction as everything that a reading changes, and only while the revision is the one in force.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import CursorResult, select, update
from sqlalchemy.exc import DataError

from app.core import queue
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope, tenant_scope
from app.sources import revision_files
from app.terraform import configuration_tables, infrastructure_sync, queries
from app.terraform.configuration.bounded import read_bounded
from app.terraform.configuration.shapes import Problem
from app.terraform.doorbells import READ
from app.terraform.models import TerraformProject
from app.terraform.models_files import TerraformFile, TerraformRevision

log = logging.getLogger(__name__)

OVERDUE_SECONDS = 10.0
_UNKEPT = "What the files declare could not be stored: a value is larger than the database takes."


def read_configuration(revision_id: int) -> bool:
    """Read a revision's configuration if that is due; False when there is nothing to do (any more)."""
    with system_scope("configurations"), unit_of_work(writes=False):
        tenant_id = db.session.scalar(
            select(TerraformRevision.tenant_id).where(
                TerraformRevision.id == revision_id, TerraformRevision.read_at.is_(None)
            )
        )
    return tenant_id is not None and _read(tenant_id, revision_id)


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
                return False  # it has moved on while the files were read: still due, and looked at again
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


def _take(tenant_id: int, revision_id: int, problems: list[dict[str, Any]] | None) -> bool:
    taken = db.session.execute(
        update(TerraformRevision)
        .where(
            TerraformRevision.tenant_id == tenant_id,
            TerraformRevision.id == revision_id,
            TerraformRevision.read_at.is_(None),
        )
        .values(read_at=database_now(), problems=problems)
        .execution_options(synchronize_session=False)
    )
    return cast(CursorResult[Any], taken).rowcount == 1


def ring_overdue(limit: int = 50) -> int:
    """The keeper's chore: ring again for revisions that nobody has read."""
    with system_scope("keeper: configurations"), unit_of_work(writes=False):
        since = database_now() - timedelta(seconds=OVERDUE_SECONDS)
        ids = db.session.scalars(
            select(TerraformRevision.id)
            .where(TerraformRevision.read_at.is_(None), TerraformRevision.created_at < since)
            .order_by(TerraformRevision.id)
            .limit(limit)
        ).all()
    return sum(queue.send(READ, revision_id=revision_id) for revision_id in ids)
