"""A tenant with servers, and a job kind that runs real playbooks given as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, has_app_context

from app.accounts.models import Tenant, User
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.inventory.models import Connection, Server
from app.jobs import kinds, service
from app.jobs.kinds import JobKind, PreparedRun, RunRequest
from app.jobs.models import Job, Launch
from app.playbooks.models import Playbook, PlaybookProject, ProjectSource
from app.runners.base import RunFile, RunSpec


@dataclass
class House:
    """One tenant with an admin, a playbook row and servers, and short ways to act in it."""

    app: Flask
    actor: Actor
    playbook_id: int
    servers: dict[str, int]
    playbook: str = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: msg=hello\n"
    host_vars: dict[str, dict[str, Any]] = field(default_factory=dict)

    def launch(self, *names: str, **changes: Any) -> str:
        """Submit a launch on the named servers; return its UUID."""
        submission = service.Submission(
            kind="test",
            subject_type="playbook",
            subject_id=self.playbook_id,
            title="Test playbook",
            inputs={},
            targets=[self.servers[name] for name in names or list(self.servers)[:1]],
            timeout_seconds=changes.pop("timeout_seconds", 60),
            playbook_id=self.playbook_id,
            **changes,
        )
        return str(self.write(lambda: service.submit(self.actor, submission).uuid))

    @contextmanager
    def context(self) -> Iterator[None]:
        """An application context, unless the test has pushed one."""
        if has_app_context():
            yield
            return
        with self.app.app_context():
            yield

    def read(self, work: Callable[[], Any]) -> Any:
        """Call ``work`` in a reading unit of this tenant."""
        with self.context(), tenant_scope(self.actor.tenant_id), unit_of_work(writes=False):
            return work()

    def write(self, work: Callable[[], Any]) -> Any:
        """Call ``work`` in a writing unit of this tenant."""
        with self.context(), tenant_scope(self.actor.tenant_id), unit_of_work():
            return work()

    def run_id(self, launch_uuid: str) -> int:
        """Return the id of a launch's only run."""
        from app.jobs.models import Run

        statement = db.select(Run.id).join(Launch, Launch.id == Run.launch_id).where(Launch.uuid == launch_uuid)
        return int(self.read(lambda: db.session.scalar(statement)))

    def jobs(self, launch_uuid: str) -> dict[str, Job]:
        """Return the jobs of a launch by server name, detached."""

        def work() -> dict[str, Job]:
            rows = db.session.execute(
                db.select(Job, Server.hostname)
                .join(Launch, Launch.id == Job.launch_id)
                .join(Server, Server.id == Job.server_id)
                .where(Launch.uuid == launch_uuid)
            ).all()
            return {hostname: job for job, hostname in rows}

        return self.read(work)


class PlaybookText(JobKind):
    """The job kind of these tests: real ansible, connection local, the playbook's text from the house."""

    name = "test"

    def __init__(self, house: House) -> None:
        self.house = house

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Not used here."""
        raise NotImplementedError

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Run the house's playbook on the run's servers."""
        names = {server_id: name for name, server_id in self.house.servers.items()}
        hosts = [names[target.server_id] for target in request.targets if target.server_id is not None]
        base = {"ansible_connection": "local"}
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="ansible",
            timeout_seconds=request.timeout_seconds,
            parameters={
                "playbook": "site.yml",
                "hosts": [{"name": name, "vars": {**base, **self.house.host_vars.get(name, {})}} for name in hosts],
                "grace_seconds": 2,
            },
            files=(RunFile("site.yml", self.house.playbook.encode()),),
        )
        jobs = {names[t.server_id]: t.job_id for t in request.targets if t.server_id is not None}
        return PreparedRun(spec, jobs)


@pytest.fixture
def house(app: Flask) -> Iterator[House]:
    """A tenant with four servers a, b, c, d on this machine's interpreter."""
    with app.app_context(), system_scope("test"), unit_of_work():
        tenant = Tenant(name="One", slug="one")
        db.session.add(tenant)
        db.session.flush()
        user = User(tenant_id=tenant.id, username="ada", email="ada@example.org", password_hash="!", role=Role.ADMIN)
        project = PlaybookProject(tenant_id=tenant.id, name="Project", source=ProjectSource.UPLOAD)
        db.session.add_all([user, project])
        db.session.flush()
        playbook = Playbook(
            tenant_id=tenant.id,
            project_id=project.id,
            name="Test playbook",
            file_path="site.yml",
            file_hash="0" * 64,
            manifest_hash="0" * 64,
        )
        servers = [
            Server(tenant_id=tenant.id, hostname=name, ip_address="127.0.0.1", connection=Connection.LOCAL)
            for name in "abcd"
        ]
        db.session.add_all([playbook, *servers])
        db.session.flush()
        made = House(
            app=app,
            actor=Actor(tenant.id, user.id, Role.ADMIN, "ada", Via.SESSION),
            playbook_id=playbook.id,
            servers={server.hostname: server.id for server in servers},
        )
    kinds.register(PlaybookText(made))
    yield made


@pytest.fixture
def spool_root(settings: Any) -> Path:
    """The folder of spools."""
    return Path(settings.spool_root)
