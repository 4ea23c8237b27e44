"""The job kind ``ansible``: from a claimed run to everything one ansible-playbook process needs.

What runs is byte-equal to what was approved: every stored file is hashed again, and the hashes of the launch
must be those of an approval that still stands. A play on ``localhost`` that no selected server answers to runs
on the worker's own machine by Ansible's implicit localhost; approving a playbook approves that too.
"""

from __future__ import annotations

import os
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.runtime import settings
from app.jobs import kinds
from app.jobs.kinds import JobKind, PreparedRun, RunRequest
from app.jobs.models import Launch
from app.playbooks import service
from app.playbooks.launch_sync import sync_first
from app.playbooks.models import PlaybookApproval
from app.playbooks.queries import KIND
from app.playbooks.run_content import collections_of_run, engine_parameters, mismatch, run_files, verified_files
from app.playbooks.run_hosts import RunHosts, hosts_for_run
from app.playbooks.run_values import RunValues, values_of_run
from app.runners.base import RunSpec


class AnsibleKind(JobKind):
    """Builds the RunSpec of a playbook launch."""

    name = KIND

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Launch the same again; see ``service.relaunch``."""
        return service.relaunch(actor, launch_uuid, only=only)

    def prepare_launch(self, tenant_id: int, launch_id: int) -> None:
        """Read the project's source first; see ``sync_first``."""
        sync_first(tenant_id, launch_id)

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec; raises PreparationError for changed files, lost approval, unusable servers."""
        files = run_files(verified_files(request))
        _check_approved(request)
        servers = {target.server_id: target.job_id for target in request.targets if target.server_id is not None}
        hosts = hosts_for_run(request.tenant_id, list(servers))
        values = values_of_run(request)
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="ansible",
            timeout_seconds=request.timeout_seconds,
            parameters=_parameters(request, hosts, values),
            files=(*files, *hosts.files),
            secrets=values.secrets,
            environment={name: os.environ[name] for name in settings().environment_allow if name in os.environ},
        )
        jobs_by_host = {name: servers[server_id] for name, server_id in hosts.server_ids.items()}
        return PreparedRun(spec, jobs_by_host, collections_of_run(request.engine, files))


def _check_approved(request: RunRequest) -> None:
    approved = db.session.scalar(
        select(PlaybookApproval.id).where(
            PlaybookApproval.tenant_id == request.tenant_id,
            PlaybookApproval.playbook_id == request.subject_id,
            PlaybookApproval.manifest_hash == request.inputs["manifest_hash"],
            PlaybookApproval.file_hash == request.inputs["file_hash"],
            PlaybookApproval.revoked_at.is_(None),
        )
    )
    if approved is None:
        raise mismatch(
            "The approval of this content was withdrawn after the launch. Nothing was run. "
            "Approve the playbook and launch again."
        )


def _parameters(request: RunRequest, hosts: RunHosts, values: RunValues) -> dict[str, Any]:
    inputs = request.inputs
    parameters: dict[str, Any] = {
        "playbook": inputs["file_path"],
        **hosts.parameters,
        "extra_vars": values.extra_vars,
        "forks": inputs.get("forks", 5),
        "check": request.is_check,
        "diff": bool(inputs.get("diff")),
        "tags": inputs.get("tags", []),
        "skip_tags": inputs.get("skip_tags", []),
        "verbosity": inputs.get("verbosity", 0),
        "inject_facts": settings().inject_facts,
        "max_log_bytes": settings().max_job_log_bytes,
    }
    parameters |= engine_parameters(request.engine)
    return parameters


kinds.register(AnsibleKind())
