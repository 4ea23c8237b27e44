"""What Terraform hears of others, and what it offers them: ends of runs, programs, tokens of runs, outputs."""

from __future__ import annotations

from app.accounts import authentication
from app.core import queue
from app.core.actor import Actor
from app.jobs import engine_list, references
from app.jobs.events import RunFinished, run_finished
from app.terraform import binaries, output_references, queries_executions, run_tokens
from app.terraform.follow_up import FOLLOW
from app.terraform.service_executions import KIND


@run_finished.connect
def follow_run(event: RunFinished, **_extra: object) -> None:
    """Ring for what follows the end of an execution, once that is committed."""
    if event.kind == KIND:
        system = Actor.system(event.tenant_id)
        for job in event.jobs:
            execution = queries_executions.of_job(system, job.id)
            queue.send_after_commit(FOLLOW, execution_id=execution.id)


engine_list.FURTHER_KINDS[binaries.ENGINE_KIND] = binaries.announce
authentication.RUN_TOKENS[run_tokens.PREFIX] = run_tokens.actor_of
references.sources[output_references.SCHEME] = output_references.OutputSource()
