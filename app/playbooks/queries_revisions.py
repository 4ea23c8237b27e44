"""Reads of revisions: history, files, and what differs between two of them. Every one starts from ``scoped``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.engine_list import installed_collections
from app.playbooks.content import find_revision, read_file
from app.playbooks.dependencies import Dependencies, find_dependencies
from app.playbooks.models import Playbook, PlaybookProject, ProjectFile, ProjectRevision
from app.playbooks.queries import MAXIMUM_ID, project_of
from app.sources.differences import (
    MAX_FILE_BYTES,
    FileChange,
    FileState,
    Size,
    changed_files,
    compare_lines,
    size_of,
    wanted_contents,
)
from app.sources.models import FileContent

MAX_PAGE = 20  # revisions shown at once: each brings the list of its files
MAX_COUNTED = 20_000  # files that are looked at to say how large changes are


def list_revisions(
    actor: Actor, project: PlaybookProject, *, page: int = 1, page_size: int = MAX_PAGE, after: int | None = None
) -> Page[ProjectRevision]:
    """Return a project's revisions, newest first, at most MAX_PAGE at once."""
    require(actor, Permission.PLAYBOOK_VIEW)
    statement = scoped(actor, ProjectRevision).where(ProjectRevision.project_id == project.id)
    return paginate(statement, ProjectRevision.id, page=page, page_size=min(page_size, MAX_PAGE), after=after)


def get_revision(actor: Actor, project: PlaybookProject, revision_id: int) -> ProjectRevision:
    """Return one revision of a project; NotFound when the project has no such one."""
    require(actor, Permission.PLAYBOOK_VIEW)
    known = 0 < revision_id <= MAXIMUM_ID
    find = scoped(actor, ProjectRevision).where(
        ProjectRevision.id == revision_id, ProjectRevision.project_id == project.id
    )
    found = db.session.scalar(find) if known else None
    if found is None:
        raise NotFound("The revision")
    return found


def revision_before(actor: Actor, revision: ProjectRevision) -> ProjectRevision | None:
    """Return the revision that this one followed, None for the first."""
    return db.session.scalar(
        scoped(actor, ProjectRevision)
        .where(ProjectRevision.project_id == revision.project_id, ProjectRevision.id < revision.id)
        .order_by(ProjectRevision.id.desc())
        .limit(1)
    )


def files_by_revision(actor: Actor, revision_ids: Iterable[int]) -> dict[int, list[FileState]]:
    """Return the files of some revisions by path, without their bytes (one query)."""
    rows = db.session.execute(
        select(
            ProjectFile.revision_id,
            ProjectFile.path,
            ProjectFile.executable,
            FileContent.sha256,
            FileContent.size,
        )
        .join(FileContent, FileContent.id == ProjectFile.content_id)
        .where(
            ProjectFile.tenant_id == actor.tenant_id,
            FileContent.tenant_id == actor.tenant_id,
            ProjectFile.revision_id.in_(list(revision_ids)),
        )
        .order_by(ProjectFile.revision_id, ProjectFile.path)
    ).all()
    found: dict[int, list[FileState]] = defaultdict(list)
    for row in rows:
        found[row.revision_id].append(FileState(row.path, row.sha256, row.size, row.executable))
    return found


def files_of(actor: Actor, revision: ProjectRevision) -> list[FileState]:
    """Return the files of one revision by path."""
    return files_by_revision(actor, [revision.id])[revision.id]


def sizes_of_changes(actor: Actor, revisions: Sequence[ProjectRevision]) -> dict[int, Size]:
    """Return what each of some neighbouring revisions (newest first) changed, by id; two queries.

    Of very large projects only the newest are looked at: the others are missing.
    """
    if not revisions:
        return {}
    oldest = revision_before(actor, revisions[-1])
    chain: list[ProjectRevision] = []
    counted = 0
    for revision in (*revisions, *([oldest] if oldest else [])):
        counted += revision.file_count or 0
        if counted > MAX_COUNTED:
            break
        chain.append(revision)
    # The last one has nothing to be compared with, unless it is the project's first.
    revisions = chain if oldest is None and len(chain) == len(revisions) else chain[:-1]
    files = files_by_revision(actor, [revision.id for revision in chain])
    before = {newer.id: files.get(older.id, []) for newer, older in pairwise(chain)}
    return {
        revision.id: size_of(changed_files(before.get(revision.id, []), files.get(revision.id, [])))
        for revision in revisions
    }


def compare_revisions(
    actor: Actor, old: ProjectRevision | None, new: ProjectRevision, *, path: str | None = None
) -> list[FileChange]:
    """Return what differs between two revisions of one project, line by line; ``path`` narrows it to one file.

    ``old`` None: against nothing. At most two queries; size and time are bounded (``differences``).
    """
    require(actor, Permission.PLAYBOOK_VIEW)
    files = files_by_revision(actor, [new.id, *([old.id] if old else [])])
    changes = changed_files(files.get(old.id, []) if old else [], files.get(new.id, []))
    if path is not None:
        changes = [change for change in changes if change.path == path]
    return compare_lines(changes, _contents(actor, wanted_contents(changes)))


def _contents(actor: Actor, hashes: set[str]) -> dict[str, bytes]:
    if not hashes:
        return {}
    rows = db.session.execute(
        select(FileContent.sha256, FileContent.data).where(
            FileContent.tenant_id == actor.tenant_id, FileContent.sha256.in_(hashes)
        )
    ).all()
    return {row.sha256: row.data for row in rows}


def read_files(actor: Actor, revision: ProjectRevision, paths: Iterable[str]) -> dict[str, bytes]:
    """Return the bytes of some files of a revision by path, without those over MAX_FILE_BYTES (one query)."""
    wanted = [path for path in paths if path.isascii()]  # no other is kept, and MySQL refuses to compare
    if not wanted:
        return {}
    rows = db.session.execute(
        select(ProjectFile.path, FileContent.data)
        .join(FileContent, FileContent.id == ProjectFile.content_id)
        .where(
            ProjectFile.tenant_id == actor.tenant_id,
            FileContent.tenant_id == actor.tenant_id,
            ProjectFile.revision_id == revision.id,
            ProjectFile.path.in_(wanted),
            FileContent.size <= MAX_FILE_BYTES,
        )
    ).all()
    return {row.path: row.data for row in rows}


def needs_of(actor: Actor, playbook: Playbook) -> Dependencies:
    """Return what a playbook's present content needs; bounded in files and queries (``dependencies``)."""
    require(actor, Permission.PLAYBOOK_VIEW)
    revision = find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        return Dependencies(notes=["The stored files of this playbook do not match its hashes."])
    project = project_of(actor, playbook)
    return find_dependencies(
        playbook.file_path,
        [file.path for file in files_of(actor, revision)],
        lambda paths: read_files(actor, revision, paths),
        supplied={str(item.get("name")) for item in revision.requirements or () if isinstance(item, Mapping)},
        installed=installed_collections(project.engine),
    )


def file_of(actor: Actor, revision: ProjectRevision, path: str) -> tuple[FileState, bytes]:
    """Return one file of a revision with its bytes; NotFound when it has no such file."""
    require(actor, Permission.PLAYBOOK_VIEW)
    state = next((file for file in files_of(actor, revision) if file.path == path), None)
    if state is None:
        raise NotFound("The file")
    return state, read_file(actor, revision.id, path)


def playbooks_of(actor: Actor, project: PlaybookProject) -> Sequence[Playbook]:
    """Return the playbooks of a project, active ones first, by name (at most 500, as a project has files)."""
    require(actor, Permission.PLAYBOOK_VIEW)
    return db.session.scalars(
        scoped(actor, Playbook)
        .where(Playbook.project_id == project.id)
        .order_by(Playbook.is_active.desc(), Playbook.name)
        .limit(500)
    ).all()


def revisions_by_id(actor: Actor, ids: Iterable[int]) -> dict[int, ProjectRevision]:
    """Return revisions by id."""
    wanted = set(ids)
    if not wanted:
        return {}
    return {
        row.id: row for row in db.session.scalars(scoped(actor, ProjectRevision).where(ProjectRevision.id.in_(wanted)))
    }
