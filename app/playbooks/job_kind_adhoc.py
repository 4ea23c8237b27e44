"""The job kind ``adhoc``: from a claimed run of one module to a one-task playbook that the ansible engine runs."""

from __future__ import annotations

import os

from app.core.actor import Actor
from app.core.runtime import settings
from app.jobs import kinds
from app.jobs.kinds import JobKind, PreparationError, PreparedRun, RunRequest
from app.jobs.models import Launch
from app.playbooks import adhoc, service_adhoc
from app.playbooks.run_hosts import hosts_for_run
from app.runners.base import FailureCode, RunFile, RunSpec

SHOWS_ITSELF = frozenset({adhoc.BUILTIN + "setup"})  # facts have a page of their own; the log need not hold them


class AdhocKind(JobKind):
    """Builds the RunSpec of a module's launch."""

    name = service_adhoc.KIND

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Run the same module again; see ``service_adhoc.relaunch``."""
        return service_adhoc.relaunch(actor, launch_uuid, only=only)

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec. Raises PreparationError for a module taken off the list, and for unusable servers."""
        inputs = request.inputs
        module = str(inputs.get("module"))
        if not adhoc.is_allowed(module):
            raise PreparationError(
                FailureCode.ENGINE_ERROR,
                f"{module} is not on this worker's list of modules (MILLWRIGHT_ADHOC_MODULES). Nothing was run.",
            )
        try:
            adhoc.check_arguments(module, inputs["arguments"])
            book = adhoc.play(module, inputs["arguments"], become=bool(inputs.get("become")))
        except ValueError as error:
            raise PreparationError(FailureCode.ENGINE_ERROR, f"The module cannot be run: {error}") from error
        servers = {target.server_id: target.job_id for target in request.targets if target.server_id is not None}
        hosts = hosts_for_run(request.tenant_id, list(servers))
        shown = int(inputs.get("verbosity") or 0)
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="ansible",
            timeout_seconds=request.timeout_seconds,
            parameters={
                "playbook": adhoc.FILE_NAME,
                **hosts.parameters,
                "forks": inputs.get("forks", 5),
                "check": request.is_check,
                "diff": bool(inputs.get("diff")),
                # Without it ansible-playbook says "ok" and keeps to itself what the module answered.
                "verbosity": shown if module in SHOWS_ITSELF else max(1, shown),
                "result_format": "yaml",
                "max_log_bytes": settings().max_job_log_bytes,
            },
            files=(RunFile(adhoc.FILE_NAME, book), *hosts.files),
            environment={name: os.environ[name] for name in settings().environment_allow if name in os.environ},
        )
        return PreparedRun(spec, {name: servers[server_id] for name, server_id in hosts.server_ids.items()})


kinds.register(AdhocKind())
