"""The job kind ``ansible``: from a claimed run to everything one ansible-playbook process needs.

What runs is byte-equal to what was approved: every stored file is hashed again, and the hashes of the launch
must be those of an approval that still stands. A play on ``localhost`` that no selected server answers to runs
on the worker's own machine by Ansible's implicit localhost; approving a playbook approves that too.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.runtime import settings
from app.jobs import engine_list, kinds
from app.jobs.kinds import PreparationError, PreparedRun, RunRequest
from app.jobs.models import Launch
from app.playbooks import content, service
from app.playbooks.content import StoredFile
from app.playbooks.models import PlaybookApproval
from app.playbooks.queries import KIND
from app.playbooks.run_hosts import RunHosts, hosts_for_run
from app.runners.base import FailureCode, RunFile, RunSpec
from app.runners.installations import mentioned_collections, playbook_command, read_manifest

_MANIFEST = re.compile(r"(collections/)?ansible_collections/[^/]+/[^/]+/MANIFEST\.json\Z")


class AnsibleKind:
    """Builds the RunSpec of a playbook launch."""

    name = KIND

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Launch the same again; see ``service.relaunch``."""
        return service.relaunch(actor, launch_uuid, only=only)

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec; raises PreparationError for changed files, lost approval, unusable servers."""
        files = _verified_files(request)
        servers = {target.server_id: target.job_id for target in request.targets if target.server_id is not None}
        hosts = hosts_for_run(request.tenant_id, list(servers))
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="ansible",
            timeout_seconds=request.timeout_seconds,
            parameters=_parameters(request, hosts),
            files=(
                *(RunFile(file.path, file.data, 0o500 if file.executable else 0o400) for file in files),
                *hosts.files,
            ),
            secrets=tuple(str(value) for value in request.secret_inputs.values()),
            environment={name: os.environ[name] for name in settings().environment_allow if name in os.environ},
        )
        jobs_by_host = {name: servers[server_id] for name, server_id in hosts.server_ids.items()}
        return PreparedRun(spec, jobs_by_host, collections_of_run(request.engine, files))


def _mismatch(message: str) -> PreparationError:
    return PreparationError(FailureCode.HASH_MISMATCH, message)


def _verified_files(request: RunRequest) -> Sequence[StoredFile]:
    inputs = request.inputs
    files = content.read_revision(request.tenant_id, int(inputs["revision_id"]))
    for file in files:
        if content.sha256_hex(file.data) != file.sha256:
            raise _mismatch(
                f"The stored file {file.path} is not the one that was approved: its SHA-256 differs. Nothing was run. "
                "Find out who changed the database, then upload the file again and approve it."
            )
    entry = next((file for file in files if file.path == inputs["file_path"]), None)
    if entry is None or entry.sha256 != inputs["file_hash"]:
        raise _mismatch(
            f"The playbook file {inputs['file_path']} is not the one that was launched. Nothing was run. "
            "Check the playbook's source, approve it and launch again."
        )
    whole = content.manifest_hash((file.path, file.executable, file.sha256) for file in files)
    if whole != inputs["manifest_hash"]:
        raise _mismatch(
            "The files of the project are not those that were launched. Nothing was run. "
            "Check the project, approve the playbook and launch again."
        )
    approved = db.session.scalar(
        select(PlaybookApproval.id).where(
            PlaybookApproval.tenant_id == request.tenant_id,
            PlaybookApproval.playbook_id == request.subject_id,
            PlaybookApproval.manifest_hash == whole,
            PlaybookApproval.file_hash == entry.sha256,
            PlaybookApproval.revoked_at.is_(None),
        )
    )
    if approved is None:
        raise _mismatch(
            "The approval of this content was withdrawn after the launch. Nothing was run. "
            "Approve the playbook and launch again."
        )
    return files


def _parameters(request: RunRequest, hosts: RunHosts) -> dict[str, Any]:
    inputs = request.inputs
    parameters: dict[str, Any] = {
        "playbook": inputs["file_path"],
        **hosts.parameters,
        "extra_vars": {**inputs.get("extra_vars", {}), **request.secret_inputs},
        "forks": inputs.get("forks", 5),
        "check": request.is_check,
        "diff": bool(inputs.get("diff")),
        "tags": inputs.get("tags", []),
        "skip_tags": inputs.get("skip_tags", []),
        "verbosity": inputs.get("verbosity", 0),
        "max_log_bytes": settings().max_job_log_bytes,
    }
    parameters |= engine_parameters(request.engine)
    return parameters


def engine_parameters(name: str) -> dict[str, Any]:
    """Return the runner's parameters for a named engine; PreparationError when this worker cannot use it."""
    found = engine_list.installation(name)
    if found is None or found.problem:
        raise PreparationError(
            FailureCode.ENGINE_ERROR,
            f"This worker has no usable engine '{name}'{': ' + found.problem if found else ''}. "
            "Correct MILLWRIGHT_ENGINES ('flask engines check' says what is wrong), or choose another engine.",
        )
    return {"ansible_playbook": str(playbook_command(found.folder))}


def collections_of_run(engine: str, files: Sequence[StoredFile]) -> dict[str, str]:
    """Return name -> version of the project's own collections, and of those of the engine that its files mention."""
    found = engine_list.installation(engine)
    mentioned = mentioned_collections(file.data for file in files if file.path.endswith((".yml", ".yaml")))
    used = {name: version for name, version in (found.collections if found else {}).items() if name in mentioned}
    for file in files:
        if _MANIFEST.match(file.path):
            try:
                name, version = read_manifest(file.data)
            except ValueError:
                continue
            used[name] = version
    return dict(sorted(used.items()))


kinds.register(AnsibleKind())
