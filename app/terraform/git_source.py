"""Where a project's files come from: the checked fields of one that is read from git."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.core.errors import InvalidInput
from app.sources.git_address import check_branch, parse_git_url
from app.sources.git_fields import CREDENTIAL_FIELDS, checked_address, forget_remote, set_credential
from app.sources.models import CredentialKind
from app.terraform.models import ProjectSource, TerraformProject

ADDRESS = "git_repository_url"
SHOWN = ("source", ADDRESS, "git_branch", "credential_kind", "credential_user")
_NEEDED = "Give the address of the repository."
_EMPTY = (None, "", CredentialKind.NONE.value)


def apply(project: TerraformProject, given: Mapping[str, Any]) -> None:
    """Set what is given of a project's source; an address says that it is git. Raises InvalidInput naming the field."""
    source = given.get("source")
    if source is None:
        source = ProjectSource.GIT if given.get(ADDRESS) else project.source or ProjectSource.FILES
    if source is ProjectSource.FILES:
        _set_files(project, given)
        return
    if ADDRESS in given or not project.git_repository_url:
        if not given.get(ADDRESS):
            raise InvalidInput(**{ADDRESS: _NEEDED})
        project.git_repository_url = checked_address(project, project.git_repository_url, given[ADDRESS], field=ADDRESS)
    project.source = ProjectSource.GIT
    if "git_branch" in given:
        project.git_branch = check_branch(given["git_branch"])
    if given.keys() & set(CREDENTIAL_FIELDS):
        set_credential(project, parse_git_url(project.git_repository_url or "", field=ADDRESS), given)


def _set_files(project: TerraformProject, given: Mapping[str, Any]) -> None:
    for name in (ADDRESS, "git_branch", *CREDENTIAL_FIELDS):
        if given.get(name) not in _EMPTY:
            raise InvalidInput(**{name: "Only a project from git has this: choose git as its source."})
    if project.source is ProjectSource.GIT:
        project.git_repository_url, project.git_branch = None, "main"
        forget_remote(project)
    project.source = ProjectSource.FILES


def facts(project: TerraformProject) -> dict[str, Any]:
    """Return what the audit log may say of a project's source."""
    found = {name: getattr(project, name) for name in SHOWN}
    return {**found, "source": (project.source or ProjectSource.FILES).value}
