"""A tenant with people, servers, a playbook and finished runs, written straight into the tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.accounts.models import Tenant, User
from app.core.actor import Actor, Role, Via
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.inventory.models import Server
from app.jobs.events import RunFinished
from app.jobs.log_models import RunTask, TaskResult
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JobStatus, LockMode, RunStatus
from app.playbooks.models import Playbook, PlaybookProject, ProjectSource
from app.runners.base import TaskStatus
from app.tickets.keeping import finished_event

TASK = "Start the web server"
MODULE = "ansible.builtin.service"
ERROR = "Unable to start service nginx: job 4711 failed"


@dataclass(frozen=True)
class Outcome:
    """How one job of a run ends; ``tasks`` are the results of the run's tasks on it, by name."""

    status: JobStatus = JobStatus.FAILED
    code: str | None = "task_failed"
    error: str | None = ERROR
    task: str | None = TASK
    module: str | None = MODULE
    tasks: dict[str, TaskStatus] = field(default_factory=dict)


FAILED = Outcome(tasks={TASK: TaskStatus.FAILED})
GREEN = Outcome(JobStatus.SUCCESS, None, None, None, None, {TASK: TaskStatus.OK})
UNREACHABLE = Outcome(code="unreachable", error="Failed to connect to the host via ssh: Connection refused", task="")
NOT_REACHED = Outcome(code="not_reached", error="The play stopped before this server.", task=None, module=None)
WAITING = Outcome(JobStatus.PENDING, None, None, None, None)
CANCELLED = Outcome(JobStatus.CANCELLED, "cancelled", "Cancelled.", None, None)


def coded(code: str) -> Outcome:
    return Outcome(code=code, error=f"ended as {code} on host 10.1.2.3", task=None, module=None)


class World:
    """One tenant. ``run`` stores a finished run and returns its event; nothing listens yet."""

    def __init__(self, slug: str = "alpha", *, system: bool = True) -> None:
        self.slug = slug
        with unit_of_work(), system_scope("test"):
            tenant = Tenant(name=slug, slug=slug)
            db.session.add(tenant)
            db.session.flush()
            self.tenant_id = tenant.id
            self.people = {role: self._user(f"{slug}-{role.value}", role) for role in Role}
            self.system_id = self._user(f"{slug}-system", Role.ADMIN, is_system=True) if system else 0
            project = PlaybookProject(tenant_id=tenant.id, name="site", source=ProjectSource.UPLOAD)
            db.session.add(project)
            db.session.flush()
            self.project_id = project.id
        self.playbook_id = self.playbook("web.yml")

    def _user(self, name: str, role: Role, **more: Any) -> int:
        user = User(
            tenant_id=self.tenant_id, username=name, email=f"{name}@example.org", password_hash="x", role=role, **more
        )
        db.session.add(user)
        db.session.flush()
        return user.id

    def actor(self, role: Role = Role.OPERATOR) -> Actor:
        return Actor(self.tenant_id, self.people[role], role, f"{self.slug}-{role.value}", Via.SESSION)

    def playbook(self, name: str) -> int:
        with unit_of_work(), system_scope("test"):
            playbook = Playbook(
                tenant_id=self.tenant_id,
                project_id=self.project_id,
                name=name,
                file_path=name,
                file_hash="0" * 64,
                manifest_hash="0" * 64,
            )
            db.session.add(playbook)
            db.session.flush()
            return playbook.id

    def servers(self, *names: str, environment: str | None = None) -> list[int]:
        with unit_of_work(), system_scope("test"):
            rows = [
                Server(tenant_id=self.tenant_id, hostname=name, ip_address=f"10.0.0.{n}", environment=environment)
                for n, name in enumerate(names, 1)
            ]
            db.session.add_all(rows)
            db.session.flush()
            return [row.id for row in rows]

    def run(
        self,
        outcomes: dict[int, Outcome],
        *,
        playbook_id: int | None = None,
        is_check: bool = False,
        inputs: dict[str, Any] | None = None,
        at: datetime | None = None,
        due: bool = True,
    ) -> RunFinished:
        at = at or utc_now()
        failed = any(outcome.status is JobStatus.FAILED for outcome in outcomes.values())
        ended = JobStatus.FAILED if failed else JobStatus.SUCCESS
        if any(outcome.status is JobStatus.PENDING for outcome in outcomes.values()):
            ended = JobStatus.PENDING
        with unit_of_work(), system_scope("test"):
            playbook = db.session.get_one(Playbook, playbook_id or self.playbook_id)
            launch = Launch(
                tenant_id=self.tenant_id,
                kind="ansible",
                subject_type="playbook",
                subject_id=playbook.id,
                title=playbook.name,
                user_id=self.people[Role.OPERATOR],
                source="web",
                inputs=inputs or {},
                status=ended,
                is_check=is_check,
                open_runs=0,
                jobs_total=len(outcomes),
                started_at=at,
                completed_at=at,
            )
            db.session.add(launch)
            db.session.flush()
            run = Run(
                tenant_id=self.tenant_id,
                launch_id=launch.id,
                kind="ansible",
                lock_mode=LockMode.EXCLUSIVE,
                timeout_seconds=60,
                status=RunStatus(ended.value),
                completed_at=at,
                failure_code="task_failed" if failed else None,
            )
            db.session.add(run)
            db.session.flush()
            names = list(dict.fromkeys(name for outcome in outcomes.values() for name in outcome.tasks))
            for seq, name in enumerate(names, 1):
                db.session.add(
                    RunTask(
                        tenant_id=self.tenant_id,
                        run_id=run.id,
                        task_seq=seq,
                        run_seq=seq,
                        play="all",
                        task=name,
                        module=MODULE,
                        started_at=at,
                    )
                )
            for server_id, outcome in outcomes.items():
                job = Job(
                    tenant_id=self.tenant_id,
                    kind="ansible",
                    launch_id=launch.id,
                    run_id=run.id,
                    playbook_id=playbook.id,
                    server_id=server_id,
                    user_id=launch.user_id,
                    status=outcome.status,
                    failure_code=outcome.code,
                    error_message=outcome.error,
                    failed_task=outcome.task,
                    failed_module=outcome.module,
                    ticket_due=due and outcome.status is JobStatus.FAILED,
                    first_failure_line=7,
                    started_at=at,
                    completed_at=at,
                )
                db.session.add(job)
                db.session.flush()
                for name, status in outcome.tasks.items():
                    db.session.add(
                        TaskResult(
                            tenant_id=self.tenant_id, job_id=job.id, task_seq=names.index(name) + 1, status=status
                        )
                    )
            db.session.flush()
            return finished_event(run.id)
