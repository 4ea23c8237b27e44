"""What a new revision means for the project's playbooks: moved hashes, vanished files, found entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.db import db
from app.core.tenancy import scoped
from app.playbooks import content
from app.playbooks.discovery import discover
from app.playbooks.models import Playbook, PlaybookProject, ProjectFile, ProjectRevision
from app.sources.models import FileContent
from app.sources.store import SourceFile


def install_revision(
    actor: Actor,
    project: PlaybookProject,
    files: Mapping[str, SourceFile],
    *,
    packs: Mapping[str, bytes] | None = None,
    **facts: Any,
) -> tuple[ProjectRevision, dict[str, int], list[str]]:
    """Store ``files`` as the revision in force and bring the project's playbooks to it.

    Returns the revision, counts (files, bytes, added, changed, removed, playbooks_changed, playbooks_missing, entries)
    and notes for the log. Old content stays for runs that were launched with it. Errors as ``content.make_revision``.
    """
    before = content.file_ids(actor, project.revision_id) if project.revision_id is not None else {}
    found = discover(files)
    entries = [entry.as_json() for entry in found.entries]
    revision = content.make_revision(actor, project, files, packs=packs, entries=entries, **facts)
    after = content.file_ids(actor, revision.id)
    counts = {
        "files": len(after),
        "bytes": revision.total_bytes or 0,
        "added": len(after.keys() - before.keys()),
        "removed": len(before.keys() - after.keys()),
        "changed": sum(1 for path in after.keys() & before.keys() if after[path] != before[path]),
        "entries": len(entries),
    }
    counts |= apply_revision(actor, project, revision)
    return revision, counts, found.notes


def apply_revision(actor: Actor, project: PlaybookProject, revision: ProjectRevision) -> dict[str, int]:
    """Point the project's playbooks at ``revision``: a changed manifest needs an approval of its own.

    A playbook whose file is gone keeps its old content and is marked with ``missing_since``; it cannot be launched.
    """
    hashes = dict(_hashes(actor, revision.id))
    changed = missing = 0
    for playbook in db.session.scalars(scoped(actor, Playbook).where(Playbook.project_id == project.id)):
        digest = hashes.get(playbook.file_path)
        if digest is None:
            missing += 1
            if playbook.missing_since is None:
                playbook.missing_since = utc_now()
            continue
        if playbook.missing_since is not None or playbook.manifest_hash != revision.manifest_hash:
            changed += 1
        playbook.missing_since = None
        playbook.file_hash, playbook.manifest_hash = digest, revision.manifest_hash
    db.session.flush()
    return {"playbooks_changed": changed, "playbooks_missing": missing}


def _hashes(actor: Actor, revision_id: int) -> Iterable[tuple[str, str]]:
    rows = db.session.execute(
        select(ProjectFile.path, FileContent.sha256)
        .join(FileContent, FileContent.id == ProjectFile.content_id)
        .where(
            ProjectFile.tenant_id == actor.tenant_id,
            FileContent.tenant_id == actor.tenant_id,
            ProjectFile.revision_id == revision_id,
        )
    )
    return [(row.path, row.sha256) for row in rows]


def entries_of(revision: ProjectRevision | None) -> Sequence[Mapping[str, Any]]:
    """Return the playbooks found in a revision (``discovery.Entry.as_json``)."""
    return (revision.entries or []) if revision is not None else []
