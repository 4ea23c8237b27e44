"""New revisions of a project's files: the same for uploads, the editor and git."""

from __future__ import annotations

import re
from collections.abc import Mapping

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.sources import revision_files
from app.sources.git_tree import Commit
from app.sources.store import SourceFile, check_files, manifest_hash, sha256_hex
from app.terraform import branches, doorbells, plan_binding, queries_files
from app.terraform.models import TerraformProject
from app.terraform.models_files import RevisionSource, TerraformFile, TerraformRevision
from app.terraform.models_git import GitBranch
from app.terraform.trail import project_resource

_LEFT_OUT = re.compile(r"(^|/)(\.terraform/|\.git/|terraform\.tfstate(\.\d+)?(\.backup)?$|crash\.log$)")


def without_leftovers(files: Mapping[str, SourceFile]) -> dict[str, SourceFile]:
    """Return files without what terraform makes itself: states, plugins, crash logs."""
    return {path: file for path, file in files.items() if not _LEFT_OUT.search(path)}


def store_revision(
    actor: Actor,
    project: TerraformProject,
    files: Mapping[str, SourceFile],
    source: RevisionSource,
    note: str | None = None,
    *,
    commit: Commit | None = None,
    branch: GitBranch | None = None,
) -> TerraformRevision:
    """Store files as the revision in force, or as the newest of a ``branch``; the same ones make no new revision.

    With git another commit is a revision of its own even if its files are the same. Plans that were made of other
    files become void. Raises InvalidInput for files that cannot be a project.
    """
    if actor.user_id is None:
        raise InvalidInput("Files are changed by a person: sign in, or use a person's key.")
    check_files(files)
    whole = manifest_hash((path, file.executable, sha256_hex(file.data)) for path, file in files.items())
    current = queries_files.revision_of(actor, branch.revision_id if branch else project.revision_id)
    if (
        current is not None
        and current.manifest_hash == whole
        and (commit is None or current.commit_hash == commit.hash)
    ):
        revision = current
    else:
        revision = _add(actor, project, files, whole, source, note, commit, branch)
    if branch is not None and commit is not None:
        branches.note_commit(project, branch, revision, commit)
    else:
        project.revision_id = revision.id
    if revision is current:
        return revision
    plan_binding.void_moved(actor, project)
    db.session.flush()
    db.session.refresh(revision)
    doorbells.read_soon(revision)
    audit.record(
        actor,
        "terraform_project:files",
        project_resource(project),
        action="UPDATE",
        details={
            "name": project.name,
            "source": source.value,
            "files": len(files),
            "manifest_hash": [current.manifest_hash if current else None, whole],
            **({"note": note} if note else {}),
            **({"branch": branch.name} if branch else {}),
            **({"commit": [current.commit_hash if current else None, commit.hash]} if commit else {}),
        },
    )
    return revision


def _add(
    actor: Actor,
    project: TerraformProject,
    files: Mapping[str, SourceFile],
    whole: str,
    source: RevisionSource,
    note: str | None,
    commit: Commit | None,
    branch: GitBranch | None,
) -> TerraformRevision:
    revision = TerraformRevision(
        tenant_id=actor.tenant_id,
        project_id=project.id,
        source=source,
        manifest_hash=whole,
        file_count=len(files),
        total_bytes=sum(len(file.data) for file in files.values()),
        note=note[:500] if note else None,
        created_by=actor.user_id,
        branch_id=branch.id if branch else None,
    )
    if commit is not None:
        revision.commit_hash, revision.commit_author = commit.hash, commit.author
        revision.commit_date, revision.commit_message = commit.date, commit.message
    db.session.add(revision)
    db.session.flush()
    revision_files.store_files(actor, TerraformFile, revision.id, files)
    return revision
