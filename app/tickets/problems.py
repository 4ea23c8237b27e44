"""What failed in a run: its failed jobs, grouped into problems by fingerprint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from app.jobs.events import FinishedJob, RunFinished
from app.jobs.status import JobStatus
from app.runners.base import FailureCode
from app.tickets import queries
from app.tickets.fingerprint import fingerprint, similar_keys

# A rehearsal changes nothing and somebody reads its answer, so failing tasks and silent servers open no ticket.
# What is wrong with the platform or the content is wrong without a rehearsal too.
OPENS_IN_CHECK_MODE = frozenset(
    {FailureCode.LOST, FailureCode.HASH_MISMATCH, FailureCode.DISK_FULL, FailureCode.POISON}
)
# A module that somebody runs by hand: they look at its answer, as at a rehearsal's.
WATCHED_KINDS = frozenset({"adhoc"})
ServerNames = Mapping[int, queries.ServerName]


@dataclass
class Problem:
    """One thing that failed and the run's jobs that show it; ``stopped`` are those that the play never finished."""

    fingerprint: str
    code: str
    task: str
    module: str
    error: str  # of the first job
    jobs: list[FinishedJob]
    stopped: list[FinishedJob] = field(default_factory=list)
    task_key: str | None = None  # see fingerprint.similar_keys
    message_key: str | None = None

    @property
    def all_jobs(self) -> list[FinishedJob]:
        """The jobs that failed, then those that were stopped."""
        return [*self.jobs, *self.stopped]


def find_problems(event: RunFinished, servers: ServerNames) -> list[Problem]:
    """Return the run's problems ordered by fingerprint, so that two transactions lock tickets alike.

    Cancelled jobs are no problem; in check mode only OPENS_IN_CHECK_MODE are. Jobs on which the play stopped
    belong to the failure that came last in the run; if no job shows a cause (localhost failed), they are the
    problem themselves.
    """
    failed = [job for job in event.jobs if job.status is JobStatus.FAILED and _opens(event, job)]
    causes = [job for job in failed if job.failure_code not in queries.FOLLOWING]
    stopped = [job for job in failed if job.failure_code in queries.FOLLOWING]
    if not causes:
        causes, stopped = stopped, []
    hosts = [name for server in servers.values() for name in (server.hostname, server.ip_address)]
    problems: dict[str, Problem] = {}
    for job in causes:
        problem = _problem(event, job, hosts)
        problems.setdefault(problem.fingerprint, problem).jobs.append(job)
    if stopped:
        _stopper(problems).stopped = stopped
    return [problems[name] for name in sorted(problems)]


def _opens(event: RunFinished, job: FinishedJob) -> bool:
    if job.failure_code == FailureCode.CANCELLED:
        return False
    tried_out = event.is_check or event.kind in WATCHED_KINDS
    return not tried_out or job.failure_code in OPENS_IN_CHECK_MODE


def _problem(event: RunFinished, job: FinishedJob, hosts: Sequence[str]) -> Problem:
    code = job.failure_code or FailureCode.TASK_FAILED.value
    task, module, error = job.failed_task or "", job.failed_module or "", job.error_message or ""
    subject = f"{event.subject_type}:{event.subject_id}"
    names = {"subject": subject, "task": task, "module": module, "code": code, "message": error}
    task_key, message_key = similar_keys(**names, hosts=hosts)
    digest = fingerprint(**names, hosts=hosts)
    return Problem(digest, code, task, module, error, [], task_key=task_key, message_key=message_key)


def _stopper(problems: Mapping[str, Problem]) -> Problem:
    first = next(iter(problems.values()))
    if len(problems) == 1:
        return first
    last = queries.last_failing_job([job.id for problem in problems.values() for job in problem.jobs])
    return next((p for p in problems.values() if any(job.id == last for job in p.jobs)), first)


def follow_merges(problems: Sequence[Problem], leads_to: Mapping[str, str]) -> list[Problem]:
    """Return the problems under the fingerprints that they count as, ordered by them; those that meet are one."""
    found: dict[str, Problem] = {}
    for problem in problems:
        problem.fingerprint = leads_to.get(problem.fingerprint, problem.fingerprint)
        first = found.setdefault(problem.fingerprint, problem)
        if first is not problem:
            first.jobs += problem.jobs
            first.stopped += problem.stopped
    return [found[name] for name in sorted(found)]


def host_names(jobs: Iterable[FinishedJob], servers: ServerNames) -> list[str]:
    """Return the host names of the jobs, in their order; those without a server are left out."""
    found = (servers.get(job.server_id) for job in jobs if job.server_id is not None)
    return [server.hostname for server in found if server is not None]
