"""Commands on the files of a project: an uploaded archive, and single files as the browser's editor saves them."""

from __future__ import annotations

import re

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.sources import revision_files
from app.sources.archive_files import archive_files
from app.sources.paths import check_path
from app.sources.store import SourceFile, check_files, manifest_hash, sha256_hex
from app.terraform import doorbells, plan_binding, queries, queries_files
from app.terraform.models import TerraformProject
from app.terraform.models_files import RevisionSource, TerraformFile, TerraformRevision
from app.terraform.trail import project_resource

MAX_EDIT_BYTES = 262_144  # of a file that the browser edits
_LEFT_OUT = re.compile(r"(^|/)(\.terraform/|\.git/|terraform\.tfstate(\.\d+)?(\.backup)?$|crash\.log$)")


def upload_archive(actor: Actor, uuid: str, data: bytes, *, strip_folder: bool = False) -> TerraformRevision:
    """Make the files of an archive the files in force; returns the revision. What terraform makes itself is left out.

    Raises InvalidInput for what cannot be used, NotFound, Conflict for a project out of use.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    files = {
        path: file
        for path, file in archive_files(data, strip_folder=strip_folder).items()
        if not _LEFT_OUT.search(path)
    }
    return _make(actor, project, files, RevisionSource.UPLOAD, None)


def save_file(
    actor: Actor, uuid: str, path: str, text: str, *, base: str | None = None, note: str | None = None
) -> TerraformRevision:
    """Write one file, new or changed, as a revision of its own; ``base`` is the revision that the editor showed.

    Raises InvalidInput, Conflict when somebody else changed this file since ``base``.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    check_path(path, field="path")
    data = text.replace("\r\n", "\n").encode()
    if len(data) > MAX_EDIT_BYTES:
        raise InvalidInput(content=f"A file that is edited here may have {MAX_EDIT_BYTES // 1024} KiB. Upload it.")
    files = _files(actor, project)
    if base is not None:
        _check_unchanged(actor, project, path, base, files)
    old = files.get(path)
    files[path] = SourceFile(data, old.executable if old else False)
    return _make(actor, project, files, RevisionSource.EDITOR, note or f"{'changed' if old else 'added'} {path}")


def remove_file(actor: Actor, uuid: str, path: str) -> TerraformRevision:
    """Take one file away; the revision before keeps it. Raises NotFound, Conflict for the last file."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    files = _files(actor, project)
    if path not in files:
        raise NotFound(f"The file {path[:100]}")
    if len(files) == 1:
        raise Conflict("This is the project's only file, and a project without files cannot be planned.")
    del files[path]
    return _make(actor, project, files, RevisionSource.EDITOR, f"removed {path}")


def restore_revision(actor: Actor, uuid: str, revision_uuid: str) -> TerraformRevision:
    """Put the files of an older revision in force again, as a new one."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    old = queries_files.get_revision(actor, project, revision_uuid)
    files = {
        file.path: SourceFile(file.data, file.executable)
        for file in revision_files.read_files(TerraformFile, actor.tenant_id, old.id)
    }
    return _make(actor, project, files, RevisionSource.EDITOR, f"restored revision {old.id}")


def _project(actor: Actor, uuid: str) -> TerraformProject:
    project = queries.get_project(actor, uuid)
    if not project.is_active:
        raise Conflict("This project is out of use. Take it back into use first.", error="inactive")
    db.session.refresh(project, with_for_update=True)  # two saves at once must not lose one
    return project


def _files(actor: Actor, project: TerraformProject) -> dict[str, SourceFile]:
    if project.revision_id is None:
        return {}
    stored = revision_files.read_files(TerraformFile, actor.tenant_id, project.revision_id)
    return {file.path: SourceFile(file.data, file.executable) for file in stored}


def _check_unchanged(
    actor: Actor, project: TerraformProject, path: str, base: str, files: dict[str, SourceFile]
) -> None:
    seen = queries_files.get_revision(actor, project, base)
    if seen.id == project.revision_id:
        return
    try:
        before: bytes | None = revision_files.read_file(actor, TerraformFile, seen.id, path)
    except NotFound:
        before = None
    now = files.get(path)
    if (now.data if now else None) != before:
        raise Conflict(
            f"Somebody else changed {path} since you opened it. Look at what it says now, and put your changes in "
            "again.",
            error="version_conflict",
        )


def _make(
    actor: Actor, project: TerraformProject, files: dict[str, SourceFile], source: RevisionSource, note: str | None
) -> TerraformRevision:
    """Store files as the revision in force; the same files make no new one."""
    if actor.user_id is None:
        raise InvalidInput("Files are changed by a person: sign in, or use a person's key.")
    check_files(files)
    whole = manifest_hash((path, file.executable, sha256_hex(file.data)) for path, file in files.items())
    current = queries_files.current_revision(actor, project)
    if current is not None and current.manifest_hash == whole:
        return current
    revision = TerraformRevision(
        tenant_id=actor.tenant_id,
        project_id=project.id,
        source=source,
        manifest_hash=whole,
        file_count=len(files),
        total_bytes=sum(len(file.data) for file in files.values()),
        note=note[:500] if note else None,
        created_by=actor.user_id,
    )
    db.session.add(revision)
    db.session.flush()
    revision_files.store_files(actor, TerraformFile, revision.id, files)
    project.revision_id = revision.id
    plan_binding.void_plans(actor.tenant_id, project.id, plan_binding.FILES_MOVED)
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
        },
    )
    return revision
