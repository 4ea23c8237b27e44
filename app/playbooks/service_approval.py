"""Commands on approval: who has the right read this exact content and lets it run."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.yaml_gate import decode, load_plays
from app.playbooks import content, queries
from app.playbooks.declarations import suggest
from app.playbooks.models import Playbook, PlaybookApproval
from app.playbooks.projects import approve_row

MAX_DIFF_LINES = 5000


@dataclass(frozen=True, slots=True)
class Source:
    """A playbook's present text and what changed since somebody last approved it.

    ``diff`` holds unified-diff lines without line ends; empty when nothing changed or nothing was approved.
    """

    text: str
    lines: list[str]
    files: list[tuple[str, int]]  # every file of the revision: path, bytes
    diff: list[str]
    changed_files: list[str]  # other files of the project that differ from the approved revision
    approved_before: PlaybookApproval | None


def approve_playbook(actor: Actor, playbook_id: int, *, manifest_hash: str | None = None) -> Playbook:
    """Let the present content run. ``manifest_hash`` is what the person read: another one raises Conflict.

    Approving twice changes nothing. An inactive playbook raises Conflict.
    """
    require(actor, Permission.PLAYBOOK_APPROVE)
    playbook = queries.get_playbook(actor, playbook_id)
    if actor.user_id is None:
        raise InvalidInput("An approval needs a person behind it.")
    if not playbook.is_active:
        raise Conflict("This playbook is deactivated. Activate it first.", error="inactive")
    if manifest_hash is not None and manifest_hash != playbook.manifest_hash:
        raise Conflict(
            "The content changed after you read it. Read it again, then approve what it is now.",
            error="content_changed",
        )
    if approve_row(actor, playbook):
        audit.record(actor, "playbook:approve", Resource("playbook", playbook.id), details=_what(playbook))
    return playbook


def revoke_approval(actor: Actor, playbook_id: int) -> Playbook:
    """Withdraw the approval of the present content: nothing new starts, nor what still waits. Conflict without one."""
    require(actor, Permission.PLAYBOOK_APPROVE)
    playbook = queries.get_playbook(actor, playbook_id)
    approval = queries.approval_of(actor, playbook)
    if approval is None:
        raise Conflict("The present content is not approved; there is nothing to withdraw.", error="not_approved")
    approval.revoked_at = utc_now()
    audit.record(actor, "playbook:revoke", Resource("playbook", playbook.id), details=_what(playbook))
    return playbook


def read_source(actor: Actor, playbook_id: int) -> Source:
    """Return the text of a playbook's file, and the difference to what was approved last."""
    require(actor, Permission.PLAYBOOK_VIEW)
    playbook = queries.get_playbook(actor, playbook_id)
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        raise Conflict(
            "The stored files of this playbook do not match its hashes. Upload its file again.", error="hash_mismatch"
        )
    text = decode(content.read_file(actor, revision.id, playbook.file_path))
    approval = queries.last_approval(actor, playbook)
    diff: list[str] = []
    others: list[str] = []
    if approval is not None and approval.manifest_hash != playbook.manifest_hash:
        diff, others = _difference(actor, playbook, approval, revision.id, text)
    return Source(text, text.splitlines(), list(content.file_sizes(actor, revision.id)), diff, others, approval)


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


def _difference(
    actor: Actor, playbook: Playbook, approval: PlaybookApproval, revision_id: int, text: str
) -> tuple[list[str], list[str]]:
    old = content.find_revision(actor, playbook.project_id, approval.manifest_hash)
    if old is None:
        return [], []
    before = {file.path: file for file in content.read_revision(actor.tenant_id, old.id)}
    after = {file.path: file for file in content.read_revision(actor.tenant_id, revision_id)}
    changed = sorted(
        path
        for path in before.keys() | after.keys()
        if path != playbook.file_path
        and getattr(before.get(path), "sha256", None) != getattr(after.get(path), "sha256", None)
    )
    old_text = decode(before[playbook.file_path].data) if playbook.file_path in before else ""
    lines = difflib.unified_diff(old_text.splitlines(), text.splitlines(), "approved", "now", lineterm="", n=3)
    return [line for line, _ in zip(lines, range(MAX_DIFF_LINES), strict=False)], changed


def _what(playbook: Playbook) -> dict[str, str]:
    return {"name": playbook.name, "file_hash": playbook.file_hash, "manifest_hash": playbook.manifest_hash}
