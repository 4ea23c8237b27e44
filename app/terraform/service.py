"""Commands on Terraform projects."""

from __future__ import annotations

import re
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.versioning import check_version
from app.sources.paths import is_storable
from app.terraform import binaries, branches, doorbells, git_source, out_of_use, queries, tag_policy
from app.terraform.models import ApplyPolicy, Binary, ProjectSource, TagPolicy, TerraformProject
from app.terraform.trail import project_resource

FIELDS = (
    "name",
    "description",
    "program",
    "terraform_version",
    "working_directory",
    "apply_policy",
    "is_destroy_protected",
    "timeout_seconds",
    "required_tags",
    "tag_policy",
)
_VERSION = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,4}(-[0-9A-Za-z.]{1,8})?\Z")


class ProjectInput(TypedDict, total=False):
    """What people set on a project."""

    name: str
    description: str | None
    program: Binary
    terraform_version: str
    working_directory: str
    apply_policy: ApplyPolicy
    is_destroy_protected: bool
    timeout_seconds: int | None
    required_tags: list[str] | None
    tag_policy: TagPolicy
    source: ProjectSource
    git_repository_url: str | None
    git_branch: str
    credential_kind: str
    credential_user: str | None
    credential_secret: str | None


def create_project(actor: Actor, given: ProjectInput) -> TerraformProject:
    """Add a project; it belongs to the actor. Raises InvalidInput by field, Conflict for a name that is taken."""
    require(actor, Permission.TERRAFORM_EDIT)
    if actor.user_id is None:
        raise InvalidInput("A project belongs to a person: sign in, or use a person's key.")
    if not given.get("name"):
        raise InvalidInput(name="This is needed.")
    wanted = _checked(given)
    if "terraform_version" not in wanted:  # the newest that somebody has; else the column's default
        versions = binaries.installed_versions(actor)[wanted.get("program", Binary.TERRAFORM)]
        wanted |= {"terraform_version": versions[0]} if versions else {}
    project = TerraformProject(tenant_id=actor.tenant_id, user_id=actor.user_id, **wanted)
    git_source.apply(project, given)
    _store(actor, project)
    details = wanted
    if project.source is ProjectSource.GIT:
        branches.settle(project, is_another_source=False)
        db.session.refresh(project)
        details = {**wanted, **git_source.facts(project)}
    audit.record(actor, "terraform_project:create", project_resource(project), details=details)
    return project


def update_project(actor: Actor, uuid: str, given: ProjectInput, *, version: int | None) -> TerraformProject:
    """Change the given fields; ``version`` is the one the edit was made from (None: do not compare).

    Errors as in ``create_project``, besides NotFound and VersionConflict. Nothing changed: nothing recorded.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, uuid)
    checked = _checked(given)
    check_version(project, version)
    names = (*checked, *git_source.SHOWN)
    before = {**{name: getattr(project, name) for name in checked}, **git_source.facts(project)}
    secret = project.credential_secret
    for name, value in checked.items():
        setattr(project, name, value)
    git_source.apply(project, given)
    after = {**checked, **git_source.facts(project)}
    changed = sorted(name for name in names if after[name] != before[name])
    is_another_secret = project.credential_secret != secret
    if not changed and not is_another_secret:
        project.version -= 1
        return project
    in_force = project.revision_id
    _store(actor, project)
    if set(git_source.SHOWN) & set(changed):
        branches.settle(project, is_another_source=bool({"source", git_source.ADDRESS} & set(changed)))
        db.session.refresh(project)
    if project.revision_id is not None and ("working_directory" in changed or project.revision_id != in_force):
        doorbells.read_again(actor.tenant_id, project.revision_id)
    details: dict[str, Any] = audit.changes(before, after, changed)
    if is_another_secret:
        details["git_access"] = "changed"
    audit.record(actor, "terraform_project:update", project_resource(project), details=details)
    return project


def set_active(actor: Actor, uuid: str, *, is_active: bool) -> TerraformProject:
    """Take a project out of use or back into it: its states stay, and nobody reads or writes them meanwhile.

    Raises NotFound, Conflict when another active project has its name, or while something is under way.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, uuid)
    if project.is_active is not is_active:
        if not is_active:
            out_of_use.check_idle(actor, project)
        project.is_active = is_active
        project.version += 1
        _store(actor, project)
        verb = "activate" if is_active else "deactivate"
        audit.record(actor, f"terraform_project:{verb}", project_resource(project), action="UPDATE")
    return project


def _checked(given: ProjectInput) -> dict[str, Any]:
    wanted: dict[str, Any] = {name: given[name] for name in FIELDS if name in given}  # type: ignore[literal-required]
    if "name" in wanted:
        wanted["name"] = wanted["name"].strip()
        if not 1 <= len(wanted["name"]) <= 200:
            raise InvalidInput(name="Give 1 to 200 characters.")
    if not _VERSION.match(wanted.get("terraform_version", "1.6.0")):
        raise InvalidInput(terraform_version="Give a version such as 1.11.4.")
    if folder := wanted.get("working_directory", "").strip("/"):
        if len(folder) > 255 or not is_storable(folder):
            raise InvalidInput(working_directory="Give the path of a folder inside the project, such as live/network.")
        wanted["working_directory"] = folder
    if wanted.get("required_tags") is not None:
        wanted["required_tags"] = tag_policy.checked_names(wanted["required_tags"])
    longest = settings().job_timeout_limit_seconds
    seconds = wanted.get("timeout_seconds")
    if seconds is not None and not 5 <= seconds <= longest:
        raise InvalidInput(timeout_seconds=f"Between 5 and {longest} seconds.")
    return wanted


def _store(actor: Actor, project: TerraformProject) -> None:
    taken = Conflict(
        f"There is already an active Terraform project named '{project.name}'. Choose another name.", error="name_taken"
    )
    try:
        with db.session.begin_nested():
            db.session.add(project)
    except IntegrityError:
        raise taken from None
    db.session.refresh(project)
