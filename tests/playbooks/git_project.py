"""A project from git as an administrator sees it, in tests: made, synced as a worker would, looked into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core import runtime
from app.core.db import db
from app.core.runtime import settings
from app.playbooks import content, queries, queries_sources, service_sources, service_sync, sync_work
from app.playbooks.models import PlaybookProject, ProjectSync, SyncStatus
from tests.playbooks.conftest import House
from tests.support.git_repositories import Repository


class Project:
    """A project from git as an administrator sees it; syncs are carried out here, as a worker would."""

    def __init__(self, house: House, **values: Any) -> None:
        self.house = house
        with house.unit():
            made = service_sources.create_git_project(house.admin, {"name": "Plays", **values})
            self.uuid, self.id = made.uuid, made.id

    def work(self) -> ProjectSync:
        """Answer the open sync, return its row."""
        with self.house.unit():
            sync = queries_sources.last_sync(self.house.admin, self.row)
            assert sync is not None
        sync_work.sync_project(sync.id)
        return self.last

    def sync(self) -> ProjectSync:
        """Ask for a sync and answer it."""
        with self.house.unit():
            service_sync.request_sync(self.house.admin, self.uuid)
        return self.work()

    @property
    def last(self) -> ProjectSync:
        with self.house.unit():
            found = db.session.scalars(
                select(ProjectSync)
                .where(ProjectSync.project_id == self.id)
                .order_by(ProjectSync.id.desc())
                .options(undefer(ProjectSync.log))
            ).first()
            assert found is not None
            return found

    @property
    def row(self) -> PlaybookProject:
        return queries.get_project(self.house.admin, self.uuid)

    def project(self) -> PlaybookProject:
        with self.house.unit():
            return self.row

    def paths(self) -> set[str]:
        with self.house.unit():
            return set(content.file_ids(self.house.admin, self.row.revision_id or 0))

    def read(self, path: str) -> bytes:
        with self.house.unit():
            return content.read_file(self.house.admin, self.row.revision_id or 0, path)

    def adopt(self, *paths: str) -> list[int]:
        with self.house.unit():
            return [made.id for made in service_sources.adopt_playbooks(self.house.admin, self.uuid, paths)]


MakeProject = Callable[..., Project]


@pytest.fixture
def configure(app_context: Flask) -> Callable[..., None]:
    """Change settings of this test's process."""

    def change(**values: Any) -> None:
        runtime.configure(settings().model_copy(update=values))

    return change


@pytest.fixture
def make_project(house: House, git_root: Path, configure: Callable[..., None]) -> MakeProject:
    configure(git_local_root=git_root)
    return lambda **values: Project(house, **values)


@pytest.fixture
def project(make_project: MakeProject, repository: Repository) -> Project:
    """A project that has been synced once."""
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    return made
