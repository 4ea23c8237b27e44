"""Commands on playbooks: upload, edit, replace the file, deactivate or delete."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.searching import begins
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.core.yaml_gate import load_plays
from app.playbooks import content, project_files, queries, queries_saved, revisions
from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.models import Playbook, PlaybookProject, ProjectSource
from app.playbooks.paths import check_playbook_path
from app.playbooks.projects import refuse_taken_name
from app.playbooks.sample_project import check_tags
from app.playbooks.variables import check_variables
from app.sources import store
from app.sources.store import SourceFile

_EDITABLE = ("name", "description", "tags", "variable_specs", "variables", "shares_servers", "timeout_seconds")


def upload_playbook(
    actor: Actor,
    *,
    name: str,
    file_name: str,
    data: bytes,
    description: str | None = None,
    tags: list[str] | None = None,
    variable_specs: list[dict[str, Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
    shares_servers: bool = False,
    timeout_seconds: int | None = None,
) -> Playbook:
    """Store a single-file playbook in a project of its own; it cannot run before somebody approves it.

    Raises InvalidInput for a path, file or declaration that cannot be used, Conflict for a taken name.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    check_playbook_path(file_name, field="file_name")
    load_plays(data)
    refuse_taken_name(actor, name)
    project = PlaybookProject(
        tenant_id=actor.tenant_id, name=_free_project_name(actor, name), source=ProjectSource.UPLOAD
    )
    db.session.add(project)
    db.session.flush()
    revision = content.make_revision(actor, project, {file_name: SourceFile(data)})
    playbook = Playbook(
        tenant_id=actor.tenant_id,
        project_id=project.id,
        name=name,
        file_path=file_name,
        file_hash=store.sha256_hex(data),
        manifest_hash=revision.manifest_hash,
    )
    _apply(
        playbook,
        {
            "description": description or None,
            "tags": tags,
            "variable_specs": variable_specs,
            "variables": variables,
            "shares_servers": shares_servers,
            "timeout_seconds": timeout_seconds,
        },
    )
    db.session.add(playbook)
    db.session.flush()
    audit.record(
        actor,
        "playbook:create",
        Resource("playbook", playbook.id),
        details={"name": name, "file": file_name, "file_hash": playbook.file_hash, "bytes": len(data)},
    )
    return playbook


def edit_playbook(
    actor: Actor, playbook_id: int, changes: Mapping[str, Any], *, version: int | None = None
) -> Playbook:
    """Change name, description, tags, declared variables, defaults, lock sharing, timeout or ``is_active``.

    ``changes`` holds only what is to change. The declarations of a sample playbook come from its project:
    Conflict. Raises VersionConflict when ``version`` is not the present one.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    playbook = queries.get_playbook(actor, playbook_id)
    unknown = sorted(changes.keys() - {*_EDITABLE, "is_active"})
    if unknown:
        raise InvalidInput(**{unknown[0]: "This cannot be changed here."})
    if changes.keys() - {"is_active"}:
        _refuse_read_only(actor, playbook)
    before = {key: getattr(playbook, key) for key in (*_EDITABLE, "is_active")}
    check_version(playbook, version)
    becomes_active = changes.get("is_active", playbook.is_active)
    if becomes_active and ("name" in changes or not playbook.is_active):
        refuse_taken_name(actor, changes.get("name", playbook.name), playbook.id)
    _apply(playbook, changes)
    db.session.flush()
    after = {key: getattr(playbook, key) for key in before}
    audit.record(
        actor,
        "playbook:update",
        Resource("playbook", playbook.id),
        details=audit.changes(before, after, before),
    )
    return playbook


def replace_file(actor: Actor, playbook_id: int, *, data: bytes, version: int | None = None) -> Playbook:
    """Give an uploaded playbook a new text: a new revision, which needs an approval of its own.

    The project's other files stay, and so do its other playbooks, which need a new approval too. Runs that were
    launched before keep the revision they were launched with.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    playbook = queries.get_playbook(actor, playbook_id)
    project = _refuse_read_only(actor, playbook, ProjectSource.UPLOAD)
    load_plays(data)
    check_version(playbook, version)
    old = playbook.file_hash
    files = project_files.current_files(actor, project)
    was = files.get(playbook.file_path)
    files[playbook.file_path] = SourceFile(data, was.executable if was else False)
    revisions.install_revision(actor, project, files)
    audit.record(
        actor,
        "playbook:replace",
        Resource("playbook", playbook.id),
        action="UPDATE",
        details={"name": playbook.name, "file_hash": [old, playbook.file_hash], "bytes": len(data)},
    )
    return playbook


def delete_playbook(actor: Actor, playbook_id: int, *, version: int | None = None) -> bool:
    """Remove a playbook without jobs and saved launches (True), else deactivate it: its history stays (False)."""
    require(actor, Permission.PLAYBOOK_EDIT)
    playbook = queries.get_playbook(actor, playbook_id)
    check_version(playbook, version)
    project = queries.project_of(actor, playbook)
    used = queries.has_jobs(actor, playbook) or queries_saved.is_named_by_saved(actor, playbook)
    keep = used or project.source is ProjectSource.SAMPLE
    audit.record(
        actor,
        "playbook:deactivate" if keep else "playbook:delete",
        Resource("playbook", playbook.id),
        action="UPDATE" if keep else "DELETE",
        details={"name": playbook.name, "file_hash": playbook.file_hash},
    )
    if keep:
        playbook.is_active = False
        db.session.flush()
        return False
    if project_files.is_only_playbook(actor, project, playbook):
        project_files.remove_project(actor, project)
    else:
        db.session.delete(playbook)
        db.session.flush()
    return True


def _refuse_read_only(actor: Actor, playbook: Playbook, *sources: ProjectSource) -> PlaybookProject:
    """Refuse to change what comes from elsewhere: the samples entirely, files of git projects."""
    project = queries.project_of(actor, playbook)
    if project.source not in (sources or (ProjectSource.UPLOAD, ProjectSource.GIT)):
        raise Conflict(
            f"'{playbook.name}' belongs to the read-only project '{project.name}'. "
            "Upload a copy of its file under another name and change that.",
            error="read_only",
        )
    return project


def _free_project_name(actor: Actor, name: str) -> str:
    taken = set(
        db.session.scalars(
            scoped(actor, PlaybookProject)
            .with_only_columns(PlaybookProject.name)
            .where(begins(PlaybookProject.name, name[:180]))
        )
    )
    folded = {item.casefold() for item in taken}
    wanted, number = name[:191], 1
    while wanted.casefold() in folded:
        number += 1
        wanted = f"{name[:180]} ({number})"
    return wanted


def _apply(playbook: Playbook, changes: Mapping[str, Any]) -> None:
    """Set checked values; declarations and defaults are checked against each other."""
    for key in ("name", "description", "is_active", "shares_servers"):
        if key in changes:
            setattr(playbook, key, changes[key])
    if "tags" in changes:
        playbook.tags = list(check_tags(changes["tags"]))
    if "timeout_seconds" in changes:
        playbook.timeout_seconds = _check_timeout(changes["timeout_seconds"])
    if "variable_specs" not in changes and "variables" not in changes:
        return
    specs = parse_specs(changes.get("variable_specs", playbook.variable_specs))
    given = changes.get("variables", playbook.variables if "variable_specs" not in changes else None) or {}
    if not isinstance(given, Mapping):
        raise InvalidInput(variables="Give an object of variable names and default values.")
    secret = [spec.name for spec in specs if spec.type is VariableType.SECRET and spec.name in given]
    if secret:
        raise InvalidInput(variables=f"{secret[0]} is a secret and has no default: it would be stored in clear.")
    optional = parse_specs([{**spec.as_json(), "required": False} for spec in specs])
    extra = {name: value for name, value in given.items() if name not in {spec.name for spec in specs}}
    checked = check_variables(optional, extra, given, field="variables")
    playbook.variable_specs = [spec.as_json() for spec in specs]
    playbook.variables = checked.extra_vars


def _check_timeout(value: int | None) -> int | None:
    limit = settings().job_timeout_limit_seconds
    if value is not None and not 5 <= value <= limit:
        raise InvalidInput(timeout_seconds=f"Between 5 and {limit} seconds, or nothing for the default.")
    return value
