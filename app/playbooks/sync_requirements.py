"""The requirements of a project during its sync: what is pinned and known already stays, the rest is fetched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.runtime import settings
from app.core.tenancy import tenant_scope
from app.playbooks import content, requirements
from app.playbooks.requirements_install import Installer
from app.playbooks.sync_task import Pulse, SyncTask
from app.sources.git_address import parse_git_url
from app.sources.git_client import Credential, Git, GitError
from app.sources.store import SourceFile
from app.sources.sync_log import SyncLog


def resolve_requirements(
    task: SyncTask, folder: Path, files: Mapping[str, SourceFile], pulse: Pulse, said: SyncLog
) -> tuple[list[dict[str, Any]] | None, dict[str, bytes]]:
    """Return what the project's requirements became, and their packs; pinned ones of the revision in force stay."""
    wanted = requirements.find_requirements(files)
    if not wanted:
        return None, {}
    loose = [item.label for item in wanted if not requirements.is_pinned(item)]
    if loose and settings().requirements_pinned:
        raise GitError("requirements", f"Each requirement needs an exact version; without: {', '.join(loose)}.")
    if loose:
        said.add(f"warning: no exact version, so the next sync may bring another one: {', '.join(loose)}")

    def open_git(place: Path, url: str) -> Git:
        target = parse_git_url(url)
        is_home = (target.scheme, target.host, target.port) == (task.url.scheme, task.url.host, task.url.port)
        credential, keys = (task.credential, task.host_keys) if is_home else (Credential(), "")
        return Git(place, target, credential=credential, host_keys=keys, deadline_left=pulse.left, tick=pulse.beat)

    installer = Installer(folder, open_git, pulse.left, pulse.beat, said.add)
    shown: list[dict[str, Any]] = []
    packs: dict[str, bytes] = {}
    for item in wanted:
        kept = task.kept.get(item.key) if requirements.is_pinned(item) else None
        if kept is not None and task.revision_id is not None:
            with tenant_scope(task.tenant_id), unit_of_work(writes=False):
                data = content.read_file(Actor.system(task.tenant_id), task.revision_id, kept["path"])
            entry = {**kept, "file": item.file}
            said.add(f"{item.label}: as in the revision in force")
        else:
            entry, data = installer.install(item)
        shown.append(entry)
        packs[entry["path"]] = data
    return shown, packs
