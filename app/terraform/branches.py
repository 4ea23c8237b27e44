"""Branches of a project from git: which one is its default, and what the newest reading of each brought."""

from __future__ import annotations

from sqlalchemy import select, update

from app.core.db import db
from app.sources.git_tree import Commit
from app.terraform import plan_binding
from app.terraform.models import ProjectSource, TerraformProject
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_files import TerraformRevision
from app.terraform.models_git import GitBranch


def find_branch(project: TerraformProject, name: str) -> GitBranch | None:
    """Return a branch of a project that was read or is its default; None for another."""
    return db.session.scalar(
        select(GitBranch).where(
            GitBranch.tenant_id == project.tenant_id, GitBranch.project_id == project.id, GitBranch.name == name
        )
    )


def branch_of_run(tenant_id: int, run_uuid: str | None) -> int | None:
    """Return the number of the branch that a run's execution was of; None without a branch."""
    if run_uuid is None:
        return None
    return db.session.scalar(
        select(TerraformExecution.branch_id).where(
            TerraformExecution.tenant_id == tenant_id, TerraformExecution.run_uuid == run_uuid
        )
    )


def take_branch(project: TerraformProject, name: str) -> GitBranch:
    """Return a branch of a project, made if it is not there yet (flushed)."""
    found = find_branch(project, name)
    if found is None:
        found = GitBranch(tenant_id=project.tenant_id, project_id=project.id, name=name, is_default=False)
        db.session.add(found)
        db.session.flush()
    return found


def settle(project: TerraformProject, *, is_another_source: bool) -> None:
    """Bring the branches in line with a project whose source was just set (flushed).

    Another source makes every plan that waits void: none of them is of it.
    """
    if is_another_source:
        _start_over(project)
    db.session.execute(
        update(GitBranch)
        .where(
            GitBranch.tenant_id == project.tenant_id,
            GitBranch.project_id == project.id,
            GitBranch.name != project.git_branch,
        )
        .values(is_default=False)
        .execution_options(synchronize_session="fetch")
    )
    if project.source is not ProjectSource.GIT:
        return
    branch = take_branch(project, project.git_branch)
    branch.is_default = True
    project.git_commit_hash = branch.last_commit_hash
    if branch.revision_id is not None:
        project.revision_id = branch.revision_id
    db.session.flush()


def _start_over(project: TerraformProject) -> None:
    project.git_commit_hash = None
    db.session.execute(
        update(GitBranch)
        .where(GitBranch.tenant_id == project.tenant_id, GitBranch.project_id == project.id)
        .values(
            revision_id=None,
            last_commit_hash=None,
            last_commit_message=None,
            last_commit_author=None,
            last_commit_date=None,
        )
        .execution_options(synchronize_session="fetch")
    )
    plan_binding.void_plans(project.tenant_id, project.id, plan_binding.SOURCE_MOVED)


def note_commit(project: TerraformProject, branch: GitBranch, revision: TerraformRevision, commit: Commit) -> None:
    """Write down what the newest reading of a branch brought; that of the default branch is in force."""
    branch.revision_id = revision.id
    branch.last_commit_hash, branch.last_commit_message = commit.hash, commit.message
    branch.last_commit_author, branch.last_commit_date = commit.author[:200], commit.date
    if branch.is_default:
        project.git_commit_hash, project.revision_id = commit.hash, revision.id
    db.session.flush()
