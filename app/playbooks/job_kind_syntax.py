"""The job kind ``ansible_syntax``: ``ansible-playbook --syntax-check`` through the same runner, without servers."""

from __future__ import annotations

from app.core.actor import Actor
from app.jobs import engine_list, kinds
from app.jobs.kinds import JobKind, PreparedRun, RunRequest
from app.jobs.models import Launch
from app.playbooks import service_syntax
from app.playbooks.run_content import collections_of_run, engine_parameters, run_files, verified_files
from app.playbooks.service_syntax import KIND
from app.runners.base import RunSpec

HOST = "syntax-check"  # stands in the inventory, because ansible wants one; nothing connects to it


class SyntaxKind(JobKind):
    """Builds the RunSpec of a syntax check."""

    name = KIND

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Check the playbook as it is now; there are no servers to choose from."""
        return service_syntax.check_again(actor, launch_uuid)

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec; raises PreparationError for changed files or a missing engine."""
        files = run_files(verified_files(request))
        found = engine_list.installation(request.engine)
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="ansible",
            timeout_seconds=request.timeout_seconds,
            parameters={
                "playbook": request.inputs["file_path"],
                "hosts": [{"name": HOST, "vars": {"ansible_connection": "local"}}],
                "syntax_check": True,
                "engine_version": found.version if found else "",
                **engine_parameters(request.engine),
            },
            files=files,
        )
        jobs_by_host = dict.fromkeys([HOST], request.targets[0].job_id) if request.targets else {}
        return PreparedRun(spec, jobs_by_host, collections_of_run(request.engine, files))


kinds.register(SyntaxKind())
