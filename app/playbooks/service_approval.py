"""Commands on approval: who has the right read this exact content and lets it run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.yaml_gate import decode, load_plays
from app.playbooks import content, queries, queries_revisions
from app.playbooks.declarations import suggest
from app.playbooks.models import ApprovalKind, Playbook, PlaybookApproval, PlaybookProject, ProjectRevision
from app.playbooks.projects import approve_row
from app.sources.differences import FileChange, as_unified


@dataclass(frozen=True, slots=True)
class Source:
    """A playbook's present text and what changed since somebody last approved it."""

    text: str
    lines: list[str]
    revision: ProjectRevision
    files: list[tuple[str, int]]  # every file of the revision: path, bytes
    changes: list[FileChange]  # against the approved revision; empty when nothing changed or nothing was approved
    approved_before: PlaybookApproval | None
    approved_revision: ProjectRevision | None  # what ``changes`` compares with

    def unified(self, path: str) -> list[str]:
        """Return the change of one file as lines of a unified diff; nothing when it did not change."""
        return [line for change in self.changes if change.path == path for line in as_unified(change)]


def approve_playbook(actor: Actor, playbook_id: int, *, manifest_hash: str | None = None) -> Playbook:
    """Let the present content run. ``manifest_hash`` is what the person read: another one raises Conflict.

    Approving twice changes nothing. An inactive playbook raises Conflict, and so does content of one's own where
    the setting ``approve_own_content`` asks for a second person.
    """
    require(actor, Permission.PLAYBOOK_APPROVE)
    playbook = queries.get_playbook(actor, playbook_id)
    if not playbook.is_active:
        raise Conflict("This playbook is deactivated. Activate it first.", error="inactive")
    _same_as_read(manifest_hash, playbook.manifest_hash)
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    refuse_own_content(actor, revision)
    if approve_row(actor, playbook, commit_hash=revision.commit_hash if revision else None):
        audit.record(actor, "playbook:approve", Resource("playbook", playbook.id), details=_what(playbook))
    return playbook


def approve_revision(
    actor: Actor, project_uuid: str, *, manifest_hash: str | None = None
) -> tuple[PlaybookProject, list[Playbook]]:
    """Let every active playbook of the project's revision in force run; return the project and those playbooks.

    One entry per playbook and one of the project are recorded. ``manifest_hash`` as for ``approve_playbook``;
    Conflict when the project has no files yet, or no active playbook in this revision.
    """
    require(actor, Permission.PLAYBOOK_APPROVE)
    project = queries.get_project(actor, project_uuid)
    revision = content.revision_of(actor, project)
    if revision is None:
        raise Conflict("This project has no files yet. Sync it first.", error="no_revision")
    _same_as_read(manifest_hash, revision.manifest_hash)
    refuse_own_content(actor, revision)
    playbooks = [
        playbook
        for playbook in queries_revisions.playbooks_of(actor, project)
        if playbook.is_active and playbook.manifest_hash == revision.manifest_hash
    ]
    if not playbooks:
        raise Conflict("No active playbook lies in this revision. Add one first.", error="no_playbooks")
    approved = [
        playbook
        for playbook in playbooks
        if approve_row(actor, playbook, kind=ApprovalKind.COMMIT, commit_hash=revision.commit_hash)
    ]
    if approved:
        audit.record(
            actor,
            "playbook_project:approve",
            Resource("playbook_project", project.id, project.uuid),
            details={
                "name": project.name,
                "revision": revision.id,
                "commit": revision.commit_hash,
                "manifest_hash": revision.manifest_hash,
                "playbooks": [playbook.name for playbook in approved][:100],
            },
        )
    for playbook in approved:
        audit.record(actor, "playbook:approve", Resource("playbook", playbook.id), details=_what(playbook))
    return project, playbooks


def revoke_approval(actor: Actor, playbook_id: int) -> Playbook:
    """Withdraw the approval of the present content: nothing new starts, nor what still waits. Conflict without one."""
    require(actor, Permission.PLAYBOOK_APPROVE)
    playbook = queries.get_playbook(actor, playbook_id)
    approval = queries.approval_of(actor, playbook)
    if approval is None:
        raise Conflict("The present content is not approved; there is nothing to withdraw.", error="not_approved")
    approval.revoked_at, approval.revoked_by = utc_now(), actor.user_id
    audit.record(actor, "playbook:revoke", Resource("playbook", playbook.id), details=_what(playbook))
    return playbook


def read_source(actor: Actor, playbook_id: int) -> Source:
    """Return the text of a playbook's file, and the difference of all files to what was approved last."""
    require(actor, Permission.PLAYBOOK_VIEW)
    playbook = queries.get_playbook(actor, playbook_id)
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        raise Conflict(
            "The stored files of this playbook do not match its hashes. Upload its file again.", error="hash_mismatch"
        )
    text = decode(content.read_file(actor, revision.id, playbook.file_path))
    approval = queries.last_approval(actor, playbook)
    old: ProjectRevision | None = None
    changes: list[FileChange] = []
    if approval is not None and approval.manifest_hash != playbook.manifest_hash:
        old = content.find_revision(actor, playbook.project_id, approval.manifest_hash)
        if old is not None:
            changes = queries_revisions.compare_revisions(actor, old, revision)
    files = list(content.file_sizes(actor, revision.id))
    return Source(text, text.splitlines(), revision, files, changes, approval, old)


def suggest_variables(actor: Actor, playbook_id: int) -> list[dict[str, Any]]:
    """Propose declarations from the file's ``vars_prompt`` and play ``vars``, without those declared already."""
    require(actor, Permission.PLAYBOOK_VIEW)
    playbook = queries.get_playbook(actor, playbook_id)
    declared = {spec["name"] for spec in playbook.variable_specs or []}
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        return []
    plays = load_plays(content.read_file(actor, revision.id, playbook.file_path))
    return [entry for entry in suggest(plays) if entry["name"] not in declared]


def refuse_own_content(actor: Actor, revision: ProjectRevision | None) -> None:
    """Raise unless the actor may let this revision run: a person, and another one than its author where set so."""
    require(actor, Permission.PLAYBOOK_APPROVE)
    if actor.user_id is None:
        raise InvalidInput("An approval needs a person behind it.")
    if settings().approve_own_content or revision is None or revision.created_by != actor.user_id:
        return
    raise Conflict(
        "You brought this content in yourself, and approvals here need a second person. Ask another administrator.",
        error="own_content",
    )


def _same_as_read(read: str | None, now: str) -> None:
    if read is not None and read != now:
        raise Conflict(
            "The content changed after you read it. Read it again, then approve what it is now.",
            error="content_changed",
        )


def _what(playbook: Playbook) -> dict[str, str]:
    return {"name": playbook.name, "file_hash": playbook.file_hash, "manifest_hash": playbook.manifest_hash}
