"""A project with files, and workers that carry its executions: the real terraform against the platform's backend."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Flask
from sqlalchemy import select
from werkzeug.serving import make_server
from werkzeug.test import TestResponse

from app.core import runtime
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.log_models import JobLogLine
from app.jobs.models import Job, Run
from app.jobs.port import Carrier
from app.jobs.status import RunStatus
from app.jobs.workers import this_process
from app.terraform.follow_up import follow_up
from app.terraform.models_executions import TerraformExecution
from config import Settings
from tests.factories import bearer

MAIN = """
variable "size" {
  type    = number
  default = 1
}
variable "secret" {
  type      = string
  default   = "nothing"
  sensitive = true
}
resource "terraform_data" "first" {
  input = var.size
}
resource "terraform_data" "second" {
  input      = var.secret
  depends_on = [terraform_data.first]
}
output "size" {
  value = terraform_data.first.output
}
"""


@dataclass
class Workshop:
    """One project as one person uses it over REST; ``work`` is what workers do meanwhile."""

    app: Flask
    settings: Settings
    key: str
    uuid: str
    close: Callable[[], None] = lambda: None  # takes the web face away from workers

    def call(self, method: str, path: str, code: int | tuple[int, ...] = 200, **options: Any) -> Any:
        """Call the API below /terraform; return the JSON of the answer."""
        found: TestResponse = self.app.test_client().open(
            f"/api/v1/terraform{path}", method=method, headers=bearer(self.key), **options
        )
        codes = (code,) if isinstance(code, int) else code
        assert found.status_code in codes, f"{method} {path}: {found.status_code} {found.get_data(as_text=True)[:1000]}"
        return found.json if found.is_json and found.get_data() else found.get_data()

    def of_project(self, method: str, path: str = "", code: int | tuple[int, ...] = 200, **options: Any) -> Any:
        """Call the API below the project."""
        return self.call(method, f"/projects/{self.uuid}{path}", code, **options)

    def write(self, text: str = MAIN, path: str = "main.tf", code: int = 200) -> Any:
        """Save a file."""
        return self.of_project("PUT", f"/files/{path}", code, json={"content": text})

    def ask(self, code: int = 202, **wanted: Any) -> Any:
        """Ask for an execution, a plan unless said otherwise."""
        return self.of_project("POST", "/executions", code, json=wanted)

    def plan(self, **wanted: Any) -> Any:
        """Plan, have it carried out, return the execution."""
        return self.ended(self.ask(**wanted))

    def apply(self, plan: Any, code: int = 202) -> Any:
        """Apply a plan, have it carried out, return the execution."""
        made = self.call("POST", f"/executions/{plan['id']}/apply", code, json={})
        return self.ended(made) if code == 202 else made

    def ended(self, execution: Any) -> Any:
        """Let workers work, then read an execution again."""
        self.work()
        return self.call("GET", f"/executions/{execution['id']}")

    def work(self) -> None:
        """Carry what waits until nothing does, each end followed up."""
        while self.carry_next() or self.follow():
            pass

    def carry_next(self) -> bool:
        """Carry the oldest run that is to be had."""
        with system_scope("test"), unit_of_work(writes=False):
            ids = db.session.scalars(select(Run.id).where(Run.status == RunStatus.PENDING).order_by(Run.id)).all()
        carrier = Carrier(this_process(), self.settings.host_name, None, "task")
        return any(execute_run(DatabasePort(), run_id, carrier) for run_id in ids)

    def follow(self) -> bool:
        """Follow up what has ended."""
        with system_scope("test"), unit_of_work(writes=False):
            due = select(TerraformExecution.id).where(TerraformExecution.followed_at.is_(None))
            ids = db.session.scalars(due).all()
        return sum(follow_up(execution_id) for execution_id in ids) > 0

    def log(self, execution: Any) -> str:
        """Return an execution's log."""
        with system_scope("test"), unit_of_work(writes=False):
            lines = db.session.scalars(
                select(JobLogLine.content)
                .join(Job, Job.id == JobLogLine.job_id)
                .where(Job.job_id == execution["job_id"])
                .order_by(JobLogLine.line_number)
            ).all()
        return "\n".join(lines)


@contextmanager
def served(app: Flask, settings: Settings) -> Iterator[tuple[Settings, Callable[[], None]]]:
    """The platform's web face on a port of its own, and settings that name it for workers."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    before = runtime.settings()
    told = before.model_copy(update={"internal_url": f"http://127.0.0.1:{server.server_port}"})
    runtime.configure(told)

    def close() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    yield told, close
    runtime.configure(before)
    close()
