"""One sync as its worker carries it: what it needs, how long it may take, and the sign that it lives."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import CursorResult, update

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import tenant_scope
from app.playbooks.models import ProjectSync, SyncStatus
from app.sources.git_address import GitUrl
from app.sources.git_client import Credential, GitError

BEAT_SECONDS = 5.0


class Fenced(Exception):
    """The sync is no longer this worker's: somebody declared it dead."""


@dataclass(frozen=True, slots=True)
class SyncTask:
    """Everything that one sync needs, apart from its rows."""

    sync_id: int
    tenant_id: int
    project_id: int
    requested_by: int | None
    url: GitUrl
    branch: str | None
    subfolder: str | None
    host_keys: str
    credential: Credential = field(repr=False)
    revision_id: int | None = None  # the one in force ...
    kept: Mapping[str, dict[str, Any]] = field(default_factory=dict)  # ... and its requirements by key


class Pulse:
    """Renews the sync's row about every BEAT_SECONDS and counts down the time for all of it."""

    def __init__(self, task: SyncTask, seconds: float | None = None) -> None:
        self._task = task
        self._deadline = time.monotonic() + min(settings().project_sync_seconds, seconds or 1e9)
        self._next = time.monotonic() + BEAT_SECONDS

    def left(self) -> float:
        """Return the seconds that are left; GitError once there are none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise GitError(
                "timeout", "The sync took too long. Make it smaller, or raise MILLWRIGHT_PROJECT_SYNC_SECONDS."
            )
        return left

    def beat(self) -> None:
        """Say that this worker lives; raises Fenced when the row is no longer its own."""
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + BEAT_SECONDS
        with tenant_scope(self._task.tenant_id), unit_of_work():
            done = db.session.execute(
                update(ProjectSync)
                .where(ProjectSync.id == self._task.sync_id, ProjectSync.status == SyncStatus.RUNNING)
                .values(beat_at=database_now())
                .execution_options(synchronize_session=False)
            )
            if cast(CursorResult[Any], done).rowcount != 1:
                raise Fenced
