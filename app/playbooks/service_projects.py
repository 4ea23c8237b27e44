"""Commands on projects: name, description, engine, and the rule that approves a branch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.versioning import check_version
from app.jobs.engine_list import known_engines
from app.playbooks import project_source, queries, service_sync
from app.playbooks.models import PlaybookProject, ProjectSource
from app.playbooks.projects import refuse_taken_project_name

EDITABLE = ("name", "description", "engine", "approved_branch", "is_active", *project_source.SHOWN)


def edit_project(
    actor: Actor, project_uuid: str, changes: Mapping[str, Any], *, version: int | None = None
) -> PlaybookProject:
    """Change a project's name, description, engine, source or branch rule; ``changes`` holds only what is to change.

    A changed source is synced. Another host drops the credential unless one is given with it, and the accepted host
    keys: what was entered for one machine is not sent to another.

    ``approved_branch`` is the branch that the project reads, or None to end the rule; it needs the right to approve.
    Raises InvalidInput for an engine that nobody has, Conflict for the sample project's name and for a rule where
    there is no branch, VersionConflict when ``version`` is not the present one.
    """
    require(actor, Permission.PLAYBOOK_EDIT)
    project = queries.get_project(actor, project_uuid)
    unknown = sorted(changes.keys() - {*EDITABLE, *project_source.FIELDS})
    if unknown:
        raise InvalidInput(**{unknown[0]: "This cannot be changed here."})
    before = {key: getattr(project, key) for key in EDITABLE}
    check_version(project, version)
    if changes.get("name", project.name) != project.name:
        _rename(actor, project, changes["name"])
    if "description" in changes:
        if project.source is ProjectSource.SAMPLE and changes["description"] != project.description:
            raise Conflict("The sample project's description comes with the installation.", error="read_only")
        project.description = changes["description"] or None
    if "engine" in changes:
        project.engine = _known(actor, project, changes["engine"])
    is_moved = _set_source(project, changes)
    if "approved_branch" in changes:
        _set_rule(actor, project, changes["approved_branch"] or None)
    db.session.flush()
    after = {key: getattr(project, key) for key in EDITABLE}
    audit.record(
        actor,
        "playbook_project:update",
        Resource("playbook_project", project.id, project.uuid),
        details={
            **audit.changes(before, after, EDITABLE),
            **({"credential": "replaced"} if changes.get("credential_secret") else {}),
        },
    )
    if is_moved and project.is_active:
        service_sync.queue_sync(actor, project, reason="change")
    return project


def _set_source(project: PlaybookProject, changes: Mapping[str, Any]) -> bool:
    """Set where a git project is read from; return whether that moved it."""
    if "is_active" in changes:
        project.is_active = changes["is_active"]
    given = {name: changes[name] for name in project_source.FIELDS if name in changes}
    if given and project.source is not ProjectSource.GIT:
        raise InvalidInput(**{next(iter(given)): "Only a project from git has this."})
    return project_source.apply(project, given)


def _rename(actor: Actor, project: PlaybookProject, name: str) -> None:
    if project.source is ProjectSource.SAMPLE:
        raise Conflict("The sample project's name comes with the installation.", error="read_only")
    if name.casefold() != project.name.casefold():
        refuse_taken_project_name(actor, name)
    project.name = name


def _known(actor: Actor, project: PlaybookProject, name: str) -> str:
    names = [engine.name for engine in known_engines(actor)]
    if name != project.engine and name not in names:
        raise InvalidInput(
            engine=f"There is no engine '{name[:50]}'. Known: {', '.join(names)}. "
            "An administrator of the platform adds one with MILLWRIGHT_ENGINES on the workers."
        )
    return name


def _set_rule(actor: Actor, project: PlaybookProject, branch: str | None) -> None:
    now = project.approved_branch
    if branch is None:
        project.approved_branch = project.approved_branch_url = project.approved_branch_by = None
        if now is not None:
            _record_rule(actor, project, None)
        return
    require(actor, Permission.PLAYBOOK_APPROVE)
    if project.source is not ProjectSource.GIT or not project.git_branch:
        raise Conflict("Only a project from git has a branch whose commits can be approved.", error="no_branch")
    if branch != project.git_branch:
        raise InvalidInput(approved_branch=f"The project reads the branch '{project.git_branch}'; a rule is for that.")
    if actor.user_id is None:
        raise InvalidInput("A rule needs a person behind it.")
    if (now, project.approved_branch_url, project.approved_branch_by) == (branch, project.git_url, actor.user_id):
        return
    project.approved_branch, project.approved_branch_url = branch, project.git_url
    project.approved_branch_by = actor.user_id
    _record_rule(actor, project, branch)


def _record_rule(actor: Actor, project: PlaybookProject, branch: str | None) -> None:
    audit.record(
        actor,
        "playbook_project:set_rule" if branch else "playbook_project:end_rule",
        Resource("playbook_project", project.id, project.uuid),
        action="UPDATE",
        details={"name": project.name, "branch": branch, "url": project.git_url if branch else None},
    )
