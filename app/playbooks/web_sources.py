"""Pages of where projects come from: new project, source settings, sync and its history, found playbooks, archives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.audit import service as audit
from app.core.edit_version import typed_version
from app.core.errors import AppError, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.playbooks import queries, queries_sources, service_projects, service_sources, service_sync
from app.playbooks.models import PlaybookProject, ProjectSource
from app.playbooks.schemas import PageQuery
from app.playbooks.schemas_projects import ProjectEditSchema
from app.playbooks.schemas_sources import AcceptKeySchema, NewProjectSchema
from app.playbooks.source_page import sync_context
from app.playbooks.web_forms import errors_for_form, load
from app.sources.models import CredentialKind

blueprint = Blueprint("project_sources", __name__, url_prefix="/playbooks/projects")
_TEXTS = ("name", "description", "git_url", "git_branch", "git_subfolder", "credential_kind", "credential_user")
CREDENTIALS = [
    (CredentialKind.NONE.value, "none: anybody may read it"),
    (CredentialKind.TOKEN.value, "token, for https"),
    (CredentialKind.SSH_KEY.value, "deploy key, for ssh"),
]
_ARCHIVES = frozenset({"project_sources.new", "project_sources.archive"})


@blueprint.url_value_preprocessor
def _allow_archives(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Raise the limit of the body where archives come in, before anything reads the form."""
    if endpoint in _ARCHIVES and request.method == "POST":
        request.max_content_length = settings().archive_max_bytes + 65_536


def _typed() -> dict[str, Any]:
    form = request.form
    given: dict[str, Any] = {name: form[name].strip() for name in _TEXTS if name in form}
    for name in ("git_branch", "git_subfolder", "credential_user", "description"):
        if name in given:
            given[name] = given[name].replace("\r\n", "\n") or None
    if form.get("credential_secret", "").strip():
        given["credential_secret"] = form["credential_secret"]
    given["sync_on_launch"] = "sync_on_launch" in form
    return given


def _form(act: Callable[[], PlaybookProject], template: str, said: str, **context: Any) -> ResponseReturnValue:
    """Do it and show the project; or show the form again with what was typed, but for the secret."""
    try:
        with audit.savepoint():
            made = act()
            uuid = made.uuid
    except AppError as error:
        if error.status not in (409, 422):
            raise
        typed = {name: value for name, value in request.form.items() if name != "credential_secret"}
        typed.setdefault("sync_on_launch", "")
        return render_template(template, **context, form=typed, errors=errors_for_form(error)), error.status
    flash(said, "success")
    return redirect(url_for("playbooks.projects.project", project_uuid=uuid), 303)


def _back(project_uuid: Any, said: str) -> ResponseReturnValue:
    flash(said, "success")
    return redirect(url_for("playbooks.projects.project", project_uuid=project_uuid), 303)


@blueprint.route("/new", methods=["GET", "POST"])
def new() -> ResponseReturnValue:
    """Make a project: from git, or from an archive."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    source = request.values.get("source", ProjectSource.GIT.value)
    template = "projects/new_upload.html" if source == ProjectSource.UPLOAD.value else "projects/new.html"
    context = {"credentials": CREDENTIALS, "max_bytes": settings().archive_max_bytes, "project": None}
    if request.method == "GET":
        return render_template(template, **context)

    def from_git() -> PlaybookProject:
        data = load(NewProjectSchema(), {"source": "git", **_typed()})
        data.pop("source")
        return service_sources.create_git_project(actor, data)

    def from_archive() -> PlaybookProject:
        given = {name: value for name, value in _typed().items() if name in ("name", "description")}
        data = load(NewProjectSchema(), {"source": "upload", **given})
        made = service_sources.create_upload_project(actor, data["name"], data.get("description"))
        service_sources.upload_archive(
            actor, made.uuid, _file(), replace=True, strip_folder="strip_folder" in request.form
        )
        return made

    if source == ProjectSource.UPLOAD.value:
        return _form(from_archive, template, "Stored. Tick what is to become a playbook.", **context)
    return _form(from_git, template, "A worker reads it now.", **context)


def _file() -> bytes:
    file = request.files.get("file")
    if file is None or not file.filename:
        raise InvalidInput(file="Choose the archive: .zip, .tar or .tar.gz.")
    try:
        return file.stream.read()
    finally:
        file.close()  # a large one lies in a temporary file


@blueprint.route("/<uuid:project_uuid>/source", methods=["GET", "POST"])
def source(project_uuid: Any) -> ResponseReturnValue:
    """Change where a project from git is read from."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    found = queries.get_project(actor, str(project_uuid))
    context = {"credentials": CREDENTIALS, "project": found}
    if request.method == "GET":
        return render_template("projects/new.html", **context)

    def act() -> PlaybookProject:
        changes = load(ProjectEditSchema(), _typed())
        changes.pop("version", None)
        return service_projects.edit_project(actor, found.uuid, changes, version=typed_version())

    return _form(act, "projects/new.html", "Saved.", **context)


@blueprint.get("/<uuid:project_uuid>/sync")
def sync_state(project_uuid: Any) -> str:
    """Show how the newest sync stands; the page asks for this part while one is open."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    return render_template("projects/_sync.html", project=found, **sync_context(actor, found))


@blueprint.post("/<uuid:project_uuid>/sync")
def sync(project_uuid: Any) -> ResponseReturnValue:
    """Ask a worker to read the source again."""
    service_sync.request_sync(current_actor(), str(project_uuid))
    return _back(project_uuid, "A worker reads it now.")


@blueprint.get("/<uuid:project_uuid>/syncs")
def syncs(project_uuid: Any) -> str:
    """List the syncs of a project with what they brought, or why they failed."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    given = {name: value for name, value in request.args.items() if value}
    page = queries_sources.list_syncs(actor, found, **load(PageQuery(), given))
    names = queries.user_names(actor, sorted({row.requested_by for row in page.items if row.requested_by}))
    return render_template("projects/syncs.html", project=found, page=page, names=names)


@blueprint.get("/<uuid:project_uuid>/syncs/<uuid:sync_uuid>")
def sync_log(project_uuid: Any, sync_uuid: Any) -> str:
    """Show what one sync said."""
    actor = current_actor()
    found = queries.get_project(actor, str(project_uuid))
    row = queries_sources.get_sync(actor, str(sync_uuid), found)
    return render_template("projects/sync.html", project=found, sync=row)


@blueprint.post("/<uuid:project_uuid>/host-key")
def host_key(project_uuid: Any) -> ResponseReturnValue:
    """Accept the ssh host key that was shown."""
    fingerprint = load(AcceptKeySchema(), {"fingerprint": request.form.get("fingerprint", "")})["fingerprint"]
    service_sources.accept_host_key(current_actor(), str(project_uuid), fingerprint)
    return _back(project_uuid, "The host key is accepted. A worker reads the repository now.")


@blueprint.post("/<uuid:project_uuid>/playbooks")
def adopt(project_uuid: Any) -> ResponseReturnValue:
    """Make playbooks of the ticked files."""
    made = service_sources.adopt_playbooks(current_actor(), str(project_uuid), request.form.getlist("paths")[:500])
    word = "playbook" if len(made) == 1 else "playbooks"
    return _back(project_uuid, f"{len(made)} {word} made. Read and approve before the first launch.")


@blueprint.route("/<uuid:project_uuid>/archive", methods=["GET", "POST"])
def archive(project_uuid: Any) -> ResponseReturnValue:
    """Upload an archive as a new revision."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_EDIT)
    found = queries.get_project(actor, str(project_uuid))
    context = {"project": found, "max_bytes": settings().archive_max_bytes}
    if request.method == "GET":
        return render_template("projects/archive.html", **context)

    def act() -> PlaybookProject:
        service_sources.upload_archive(
            actor,
            found.uuid,
            _file(),
            replace=request.form.get("mode") != "add",
            strip_folder="strip_folder" in request.form,
            version=typed_version(),
        )
        return found

    return _form(act, "projects/archive.html", "Stored as a new revision. Its playbooks need an approval.", **context)


@blueprint.post("/<uuid:project_uuid>/delete")
def delete(project_uuid: Any) -> ResponseReturnValue:
    """Delete a project, or take it out of use if its playbooks ever ran."""
    gone = service_sources.delete_project(current_actor(), str(project_uuid), version=typed_version())
    flash(
        "Deleted." if gone else "Its playbooks have run, so their history stays. Nothing of it can be launched.",
        "success",
    )
    return redirect(url_for("playbooks.projects.index"), 303)
