"""Executions of a project from git: the worker that carries one reads the branch first, and runs what it found.

Nothing is asked for twice: with the revision the execution gets its files, and no later commit reaches it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select

from app.audit import service as audit
from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.db import db, unit_of_work
from app.core.errors import AppError
from app.core.runtime import settings
from app.core.tenancy import tenant_scope
from app.jobs.kinds import PREPARE, PreparationError
from app.jobs.models import Launch
from app.runners.base import FailureCode
from app.runners.masking import Masker
from app.sources.git_address import AddressRefused, parse_git_url
from app.sources.git_client import GitError
from app.sources.git_fields import credential_of
from app.sources.git_tree import TreeLimits
from app.sources.remote import HostKeysOffered, Place, Remote, private_folder, read_remote
from app.sources.sync_log import SyncLog
from app.terraform import branches, queries, queries_executions, revisions
from app.terraform.git_source import ADDRESS
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_files import RevisionSource
from app.terraform.trail import project_resource

log = logging.getLogger(__name__)

WAIT_SECONDS = 120.0  # well below the lease of a claimed run
MAX_MESSAGE = 900
_AGAIN = "start it again"


@dataclass(frozen=True, slots=True)
class _Task:
    """What one reading needs, apart from its rows."""

    tenant_id: int
    launch_id: int
    user_id: int
    execution_uuid: str
    project_id: int
    place: Place


def read_first(tenant_id: int, launch_id: int) -> None:
    """Read the branch that a launch is of, and give its execution the files that were found.

    Raises PreparationError, saying what to do, when the repository cannot be read.
    """
    task = _take(tenant_id, launch_id)
    if task is None:
        return
    secret = task.place.credential.secret
    said = SyncLog(Masker([secret] if secret else []))
    try:
        with private_folder() as folder:
            remote = read_remote(folder, task.place, said, deadline_left=_countdown(), tick=lambda: None)
        with tenant_scope(tenant_id), unit_of_work():
            _store(task, remote)
    except (GitError, AddressRefused) as error:
        detail = getattr(error, "detail", "")
        is_git = error.code == "git_failed" and detail  # there is no log beside the message
        text = f"git could not read the repository, and says: {detail.strip().rstrip('.')}." if is_git else str(error)
        raise _failed(task, said, error.code, text, error) from None
    except AppError as error:
        words = [text for texts in error.errors.values() for text in texts] or [error.message]
        raise _failed(task, said, error.error, " ".join(words), error) from None


def _countdown() -> Callable[[], float]:
    deadline = time.monotonic() + min(settings().project_sync_seconds, WAIT_SECONDS)

    def left() -> float:
        seconds = deadline - time.monotonic()
        if seconds <= 0:
            raise GitError("timeout", "It took too long. Make the repository smaller, or try again.")
        return seconds

    return left


def _take(tenant_id: int, launch_id: int) -> _Task | None:
    with tenant_scope(tenant_id), unit_of_work(writes=False):
        launch = _launch(tenant_id, launch_id)
        if launch.inputs.get(PREPARE) is None:
            return None
        actor = Actor.system(tenant_id, launch.user_id)
        execution = queries_executions.get_execution(actor, str(launch.inputs["execution"]))
        project = queries_executions.project_of(actor, execution)
        if project.source is not ProjectSource.GIT:
            raise _stop("The project is not read from git any more. Nothing was run. Start it again.")
        try:
            place = Place(
                parse_git_url(project.git_repository_url or "", field=ADDRESS),
                execution.branch or project.git_branch,
                host_keys=project.git_host_keys or "",
                credential=credential_of(project),
                again=_AGAIN,
                limits=_limits(),
            )
        except DecryptionError:
            raise _unread("The stored credential can no longer be opened. Enter it again.") from None
        except AppError as error:  # what may be cloned from has been narrowed since
            raise _unread(" ".join(text for texts in error.errors.values() for text in texts)) from None
        return _Task(tenant_id, launch_id, launch.user_id, execution.uuid, project.id, place)


def _limits() -> TreeLimits:
    return TreeLimits(
        "The repository",
        settings().project_max_files,
        settings().project_max_bytes,
        "Keep less in it, or raise MILLWRIGHT_PROJECT_MAX_FILES.",
        "Keep less in it, or raise MILLWRIGHT_PROJECT_MAX_BYTES.",
    )


def _launch(tenant_id: int, launch_id: int) -> Launch:
    return db.session.scalars(select(Launch).where(Launch.tenant_id == tenant_id, Launch.id == launch_id)).one()


def _project(task: _Task) -> TerraformProject:
    """Return the project, locked: readings of one project are stored one after the other."""
    project = queries.project_by_id(Actor.system(task.tenant_id), task.project_id)
    db.session.refresh(project, with_for_update=True)
    return project


def _store(task: _Task, remote: Remote) -> None:
    project = _project(task)
    launch = _launch(task.tenant_id, task.launch_id)
    if launch.inputs.get(PREPARE) is None:
        return
    if project.source is not ProjectSource.GIT or project.git_repository_url != task.place.url.text:
        raise _stop("The project's source was changed while it was read. Nothing was run. Start it again.")
    actor = Actor.system(task.tenant_id, task.user_id)
    branch = branches.take_branch(project, remote.branch)
    revision = revisions.store_revision(
        actor,
        project,
        revisions.without_leftovers(remote.files),
        RevisionSource.GIT,
        "; ".join(remote.notes) or None,
        commit=remote.commit,
        branch=branch,
    )
    project.git_offered_keys = None
    execution = queries_executions.get_execution(actor, task.execution_uuid)
    execution.revision_id, execution.branch_id = revision.id, branch.id
    launch.inputs = {key: value for key, value in launch.inputs.items() if key != PREPARE}


def _failed(task: _Task, said: SyncLog, code: str, text: str, error: Exception) -> PreparationError:
    """Write down that a repository could not be read, with the keys that were shown; return what ends the run."""
    message = " ".join(said.mask(text).split())[:MAX_MESSAGE]
    with tenant_scope(task.tenant_id), unit_of_work():
        project = _project(task)
        if isinstance(error, HostKeysOffered) and project.git_repository_url == task.place.url.text:
            project.git_offered_keys = error.lines
        audit.record(
            Actor.system(task.tenant_id, task.user_id),
            "terraform_project:read",
            project_resource(project),
            action="ALERT" if code == "host_key_changed" else "SYNC",
            details={"name": project.name, "branch": task.place.branch, "error": code, "message": message},
            outcome="failed",
        )
    log.info("terraform.read_failed", extra={"execution": task.execution_uuid, "code": code})
    return _unread(message)


def _unread(message: str) -> PreparationError:
    return _stop(f"The project could not be read from git: {message} Nothing was run.")


def _stop(message: str) -> PreparationError:
    return PreparationError(FailureCode.ENGINE_ERROR, message)
