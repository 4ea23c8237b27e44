"""Commands on the files of a project: an uploaded archive, and single files as the browser's editor saves them."""

from __future__ import annotations

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.sources import revision_files
from app.sources.archive_files import archive_files
from app.sources.paths import check_path
from app.sources.store import SourceFile
from app.terraform import doorbells, queries, queries_files
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_files import RevisionSource, TerraformFile, TerraformRevision
from app.terraform.revisions import store_revision, without_leftovers
from app.terraform.trail import project_resource

MAX_EDIT_BYTES = 262_144  # of a file that the browser edits


def upload_archive(actor: Actor, uuid: str, data: bytes, *, strip_folder: bool = False) -> TerraformRevision:
    """Make the files of an archive the files in force; returns the revision. What terraform makes itself is left out.

    Raises InvalidInput for what cannot be used, NotFound, Conflict for a project that is out of use or read from git.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    files = without_leftovers(archive_files(data, strip_folder=strip_folder))
    return store_revision(actor, project, files, RevisionSource.UPLOAD)


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
    return store_revision(
        actor, project, files, RevisionSource.EDITOR, note or f"{'changed' if old else 'added'} {path}"
    )


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
    return store_revision(actor, project, files, RevisionSource.EDITOR, f"removed {path}")


def restore_revision(actor: Actor, uuid: str, revision_uuid: str) -> TerraformRevision:
    """Put the files of an older revision in force again, as a new one."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = _project(actor, uuid)
    old = queries_files.get_revision(actor, project, revision_uuid)
    files = {
        file.path: SourceFile(file.data, file.executable)
        for file in revision_files.read_files(TerraformFile, actor.tenant_id, old.id)
    }
    return store_revision(actor, project, files, RevisionSource.EDITOR, f"restored revision {old.id}")


def read_again(actor: Actor, uuid: str) -> TerraformRevision:
    """Have what the files in force declare read anew, a moment later. Raises NotFound, Conflict without files."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, uuid)
    revision = queries_files.revision_of(actor, project.revision_id)
    if revision is None:
        raise Conflict("This project has no files yet. Add some; they are read by themselves.", error="no_files")
    doorbells.read_again(actor.tenant_id, revision.id)
    db.session.refresh(revision)
    audit.record(
        actor,
        "terraform_project:read_again",
        project_resource(project),
        action="UPDATE",
        details={"name": project.name, "revision": revision.id},
    )
    return revision


def _project(actor: Actor, uuid: str) -> TerraformProject:
    project = queries.get_project(actor, uuid)
    if not project.is_active:
        raise Conflict("This project is out of use. Take it back into use first.", error="inactive")
    if project.source is ProjectSource.GIT:
        raise Conflict("This project is read from git: change it there.", error="read_only")
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
