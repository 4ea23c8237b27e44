"""The source of a playbook project from git: its checked fields. Credential and host keys: ``sources.git_fields``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.playbooks.models import PlaybookProject
from app.sources.git_address import check_branch, parse_git_url
from app.sources.git_fields import CREDENTIAL_FIELDS, check_subfolder, checked_address, set_credential

SHOWN = ("git_url", "git_branch", "git_subfolder", "credential_kind", "credential_user", "sync_on_launch")
FIELDS = (*SHOWN, "credential_secret")


def apply(project: PlaybookProject, changes: Mapping[str, Any]) -> bool:
    """Set checked values; return whether the source itself (address, branch, folder, credential) is another now.

    Raises InvalidInput naming the field.
    """
    before = _source(project)
    if "sync_on_launch" in changes:
        project.sync_on_launch = changes["sync_on_launch"]
    if "git_url" in changes:
        project.git_url = checked_address(project, project.git_url, changes["git_url"], field="git_url")
    if "git_branch" in changes:
        project.git_branch = check_branch(changes["git_branch"]) if changes["git_branch"] else None
    if "git_subfolder" in changes:
        project.git_subfolder = check_subfolder(changes["git_subfolder"])
    if changes.keys() & set(CREDENTIAL_FIELDS):
        set_credential(project, parse_git_url(project.git_url or ""), changes)
    return _source(project) != before


def _source(project: PlaybookProject) -> tuple[Any, ...]:
    return tuple(getattr(project, name) for name in ("git_url", "git_branch", "git_subfolder", *CREDENTIAL_FIELDS))
