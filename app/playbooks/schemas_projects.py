"""Shapes of projects, revisions, differences and approvals, shared by pages and REST."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.actor import Actor
from app.core.schemas import Schema, Strict
from app.playbooks import queries
from app.playbooks.branch_rule import rule_of
from app.playbooks.dependencies import Kind, State
from app.playbooks.models import ApprovalKind, PlaybookApproval, PlaybookProject, ProjectSource
from app.playbooks.queries_revisions import MAX_PAGE
from app.playbooks.schemas import MAX_ID, PageQuery, text
from app.sources.differences import FileChange, as_unified
from app.sources.git_fields import MAX_SECRET, offered_keys
from app.sources.models import CredentialKind

HASH = validate.Regexp(r"[0-9a-f]{64}\Z")


class ProjectQuery(PageQuery):
    """Filters of the list of projects."""

    q = text(0, 100, load_default=None, metadata={"description": "Part of the name."})
    source = fields.String(load_default=None, validate=validate.OneOf([source.value for source in ProjectSource]))
    engine = text(0, 50, load_default=None)


class RevisionQuery(Strict):
    """Paging of a project's revisions."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, MAX_ID))
    page_size = fields.Integer(load_default=MAX_PAGE, validate=validate.Range(1, MAX_PAGE))
    after = fields.Integer(load_default=None, validate=validate.Range(0, 2**63 - 1))


class FileQuery(Strict):
    """Which file of a revision."""

    path = text(1, 500, required=True, metadata={"example": "site.yml"})


class DiffQuery(Strict):
    """Which two revisions to compare; ``old`` missing: with the one before ``new``."""

    old = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    new = fields.Integer(required=True, validate=validate.Range(1, MAX_ID))
    path = text(1, 500, load_default=None)


class ApprovalQuery(PageQuery):
    """Filters of the list of approvals."""

    playbook_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    project_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    kind = fields.String(load_default=None, validate=validate.OneOf([kind.value for kind in ApprovalKind]))
    revoked = fields.Boolean(load_default=None, allow_none=True)


class GitFields(Strict):
    """Where a project from git is read from, and how one signs in there."""

    git_url = text(1, 500, metadata={"example": "https://git.example.org/ops/plays.git", "description": "https or ssh"})
    git_branch = text(
        0, 200, allow_none=True, metadata={"description": "null: the remote's default branch", "example": "main"}
    )
    git_subfolder = text(
        0, 255, allow_none=True, metadata={"description": "Only what lies below this folder.", "example": None}
    )
    credential_kind = fields.String(
        validate=validate.OneOf([kind.value for kind in CredentialKind]), metadata={"example": "none"}
    )
    credential_user = text(0, 100, allow_none=True, metadata={"description": "User beside a token.", "example": None})
    credential_secret = text(
        0,
        MAX_SECRET,
        allow_none=True,
        load_only=True,
        metadata={
            "description": "Private ssh key or token. Write-only: stored encrypted, never given out.",
            "example": None,
        },
    )
    sync_on_launch = fields.Boolean(metadata={"description": "Read the source again before each launch."})


class ProjectEditSchema(GitFields):
    """What PATCH /playbook-projects/{uuid} and the settings form may change; only what is given changes."""

    name = text(1, 191, metadata={"example": "Web servers"})
    description = text(0, 5000, allow_none=True)
    engine = text(1, 50, metadata={"description": "Name of an engine, see GET /engines.", "example": "default"})
    approved_branch = text(
        0,
        255,
        allow_none=True,
        metadata={
            "description": "The project's branch: what a sync brings from it is approved at once. null ends the rule.",
            "example": None,
        },
    )
    is_active = fields.Boolean(metadata={"description": "false: nothing of it is synced any more."})
    version = fields.Integer(strict=True, load_default=None, metadata={"description": "The version you read."})


class RevisionApproveSchema(Strict):
    """POST /playbook-projects/{uuid}/approve: which content was read."""

    manifest_hash = fields.String(
        load_default=None,
        validate=HASH,
        metadata={"description": "Of the revision you read.", "example": "9f" * 32},
    )


class ProjectSchema(Schema):
    """A project as the API shows it."""

    id = fields.Integer()
    uuid = fields.UUID()
    name = fields.String()
    description = fields.String(allow_none=True)
    source = fields.Enum(ProjectSource, by_value=True)
    git_url = fields.String(allow_none=True)
    git_branch = fields.String(allow_none=True)
    git_subfolder = fields.String(allow_none=True)
    credential_kind = fields.String(metadata={"description": "none, ssh_key or token; the secret is never shown"})
    credential_user = fields.String(allow_none=True)
    offered_host_keys = fields.Method(
        "_offered", metadata={"type": "array", "description": "Shown by the ssh host, accepted by nobody yet."}
    )
    sync_on_launch = fields.Boolean()
    synced_at = fields.AwareDateTime(format="iso", allow_none=True)
    sync_error = fields.String(allow_none=True, metadata={"description": "Why the newest sync failed."})
    engine = fields.String()
    revision_id = fields.Integer(allow_none=True, metadata={"description": "The revision in force."})
    approved_branch = fields.Function(
        lambda project: rule_of(project),
        metadata={"type": "string", "nullable": True, "description": "The branch rule in force, null without one."},
    )
    is_active = fields.Boolean()
    version = fields.Integer()
    created_at = fields.AwareDateTime(format="iso")
    updated_at = fields.AwareDateTime(format="iso")

    def _offered(self, project: PlaybookProject) -> list[dict[str, str]]:
        return [{"key_type": key.key_type, "fingerprint": key.fingerprint} for key in offered_keys(project)]


class RevisionSchema(Schema):
    """A revision, and in files what it changed against the one before."""

    id = fields.Integer()
    manifest_hash = fields.String()
    commit_hash = fields.String(allow_none=True)
    commit_author = fields.String(allow_none=True)
    commit_date = fields.AwareDateTime(format="iso", allow_none=True)
    commit_message = fields.String(allow_none=True)
    file_count = fields.Integer(allow_none=True)
    total_bytes = fields.Integer(allow_none=True)
    requirements = fields.List(
        fields.Dict(keys=fields.String()),
        allow_none=True,
        metadata={"description": "Roles and collections that came with it."},
    )
    created_by = fields.Integer(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    in_force = fields.Boolean()
    files_added = fields.Integer(allow_none=True, metadata={"description": "null: too many files to look at."})
    files_removed = fields.Integer(allow_none=True)
    files_changed = fields.Integer(allow_none=True)


class FileSchema(Schema):
    """A file of a revision."""

    path = fields.String()
    size = fields.Integer(metadata={"description": "Bytes"})
    sha256 = fields.String()
    executable = fields.Boolean()


class ChangeSchema(Schema):
    """A file that differs between two revisions."""

    path = fields.String()
    kind = fields.String(metadata={"enum": ["added", "removed", "changed", "mode"]})
    mode_changed = fields.Boolean()
    size_before = fields.Integer(allow_none=True)
    size_after = fields.Integer(allow_none=True)
    lines_added = fields.Integer()
    lines_removed = fields.Integer()
    note = fields.String(metadata={"description": "Why lines are missing; empty when all are there."})
    diff = fields.List(fields.String(), metadata={"description": "Unified diff."})


class DiffSchema(Schema):
    """What differs between two revisions."""

    old = fields.Integer(allow_none=True)
    new = fields.Integer()
    changes = fields.List(fields.Nested(ChangeSchema))


class DependencySchema(Schema):
    """One thing that a playbook needs."""

    kind = fields.Enum(Kind, by_value=True)
    name = fields.String()
    state = fields.Enum(State, by_value=True)
    path = fields.String(metadata={"description": "Where it lies in the project; empty when it does not."})
    used_in = fields.String(metadata={"description": "The file that names it."})


class DependenciesSchema(Schema):
    """What a playbook needs."""

    items = fields.List(fields.Nested(DependencySchema))
    notes = fields.List(fields.String(), metadata={"description": "What could not be read, in words."})
    parsed = fields.Integer(metadata={"description": "Files that were read."})


class ApprovalSchema(Schema):
    """Who let which content run, when and how."""

    id = fields.Integer()
    playbook_id = fields.Integer()
    playbook_name = fields.String()
    kind = fields.String(metadata={"enum": [kind.value for kind in ApprovalKind]})
    branch = fields.String(allow_none=True)
    commit_hash = fields.String(allow_none=True)
    file_hash = fields.String()
    manifest_hash = fields.String()
    is_current = fields.Boolean(metadata={"description": "Of the playbook's present content."})
    approved_by = fields.String(metadata={"description": "User name."})
    approved_at = fields.AwareDateTime(format="iso")
    revoked_by = fields.String(allow_none=True)
    revoked_at = fields.AwareDateTime(format="iso", allow_none=True)


class ApprovedSchema(Schema):
    """What POST /playbook-projects/{uuid}/approve let run."""

    manifest_hash = fields.String()
    playbook_ids = fields.List(fields.Integer())


class EngineSchema(Schema):
    """An engine that projects can choose."""

    name = fields.String()
    label = fields.String()
    versions = fields.Dict(keys=fields.String(), values=fields.String())
    problems = fields.Dict(keys=fields.String(), values=fields.String())


def change_json(change: FileChange) -> dict[str, Any]:
    """Return what ChangeSchema dumps."""
    return {
        "path": change.path,
        "kind": change.kind.value,
        "mode_changed": change.mode_changed,
        "size_before": change.before.size if change.before else None,
        "size_after": change.after.size if change.after else None,
        "lines_added": change.added,
        "lines_removed": change.removed,
        "note": change.note,
        "diff": as_unified(change) if change.hunks else [],
    }


def approval_rows(actor: Actor, approvals: list[PlaybookApproval]) -> list[dict[str, Any]]:
    """Return what ApprovalSchema dumps, with names (two queries)."""
    playbooks = queries.playbooks_by_id(actor, {row.playbook_id for row in approvals})
    people = {row.approved_by for row in approvals} | {row.revoked_by for row in approvals if row.revoked_by}
    names = queries.user_names(actor, sorted(people))
    rows = []
    for row in approvals:
        playbook = playbooks.get(row.playbook_id)
        rows.append(
            {
                "id": row.id,
                "playbook_id": row.playbook_id,
                "playbook_name": playbook.name if playbook else "",
                "kind": str(row.kind),
                "branch": row.branch,
                "commit_hash": row.commit_hash,
                "file_hash": row.file_hash,
                "manifest_hash": row.manifest_hash,
                "is_current": playbook is not None and playbook.manifest_hash == row.manifest_hash,
                "approved_by": names.get(row.approved_by, "somebody"),
                "approved_at": row.created_at,
                "revoked_by": names.get(row.revoked_by, "somebody") if row.revoked_by else None,
                "revoked_at": row.revoked_at,
            }
        )
    return rows


def revision_facts(project: PlaybookProject, revision: Any, size: Any) -> dict[str, Any]:
    """Return what RevisionSchema dumps."""
    names = (
        *("id", "manifest_hash", "commit_hash", "commit_author", "commit_date", "commit_message"),
        *("file_count", "total_bytes", "requirements", "created_by", "created_at"),
    )
    return {
        **{name: getattr(revision, name) for name in names},
        "in_force": revision.id == project.revision_id,
        "files_added": size.added if size else None,
        "files_removed": size.removed if size else None,
        "files_changed": size.changed if size else None,
    }
