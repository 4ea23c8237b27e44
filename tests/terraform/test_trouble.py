"""Trouble, and the words for it: what the execution says, what its ticket says, and what to do next."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core import runtime
from app.jobs import workers
from app.jobs.closing import MESSAGES
from app.jobs.database_port import DatabasePort
from app.runners.base import FailureCode, RunResult
from app.tickets.models import Ticket
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop
from tests.terraform.test_recovery import begin, browser, shown

__all__ = ["browser"]
pytestmark = pytest.mark.database
NO_PROVIDER = """
terraform {
  required_providers {
    nowhere = { source = "%s" }
  }
}
resource "nowhere_thing" "x" {}
"""
REFUSED = """<ErrorResponse><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>
<Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>"""


@pytest.fixture
def configure() -> Iterator[Callable[..., None]]:
    """Return a function that changes settings until the test's end."""
    before = runtime.settings()
    yield lambda **changed: runtime.configure(runtime.settings().model_copy(update=changed))
    runtime.configure(before)


def ticket() -> str:
    """Return title and text of the one ticket."""
    (found,) = factories.rows(Ticket)
    return f"{found.title}\n{found.description}"


def said(browser: FlaskClient, execution: Any, *words: str) -> None:
    """The execution, its page and its ticket all say these words."""
    page = shown(browser, execution).replace("&#39;", "'").replace("&#34;", '"')
    for word in words:
        assert word in execution["error_message"], execution["error_message"]
        assert word in page, word
        assert word in ticket(), ticket()


def test_invalid_hcl_is_named_with_file_line_reason_and_what_to_do(workshop: Workshop, browser: FlaskClient) -> None:
    workshop.write('resource "terraform_data" "first" {\n  input =\n}\n')
    failed = workshop.plan()
    assert failed["error_message"].startswith("terraform init: Invalid expression on main.tf line 2"), failed
    said(browser, failed, "Expected the start of an expression", "Correct the file, then plan again.")
    assert ticket().startswith("plan network: terraform init failed")


@pytest.mark.parametrize(
    ("source", "has_mirror", "words"),
    [
        ("example/nowhere", True, "not found in any of the search locations"),
        ("localhost:1/example/nowhere", False, "could not connect to localhost:1"),
    ],
)
def test_a_provider_that_neither_mirror_nor_registry_has_is_named_with_where_it_is_looked_for(
    workshop: Workshop,
    browser: FlaskClient,
    configure: Callable[..., None],
    tmp_path: Path,
    source: str,
    has_mirror: bool,
    words: str,
) -> None:
    (tmp_path / "mirror").mkdir()
    configure(terraform_mirror=str(tmp_path / "mirror") if has_mirror else None)
    workshop.write(NO_PROVIDER % source)
    failed = workshop.plan()
    assert failed["status"] == "failed"
    assert failed["error_message"].startswith("terraform init: Failed to query available provider packages")
    said(browser, failed, words, "MILLWRIGHT_TERRAFORM_MIRROR", "correct required_providers")
    job = workshop.app.test_client().get(
        f"/api/v1/jobs/{failed['job_id']}/logs", headers=factories.bearer(workshop.key)
    )
    assert job.json
    errors = [line["x"].lstrip("│ ") for line in job.json["lines"] if line["v"] == "ERROR"]
    assert errors and errors[0].startswith("Error: Failed to query"), job.json["lines"]


class _Refusing(BaseHTTPRequestHandler):
    """A cloud that takes no credentials."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(403)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(REFUSED.encode())))  # else the end of it is a closed connection
        self.end_headers()
        self.wfile.write(REFUSED.encode())

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture
def refusing_cloud() -> Iterator[str]:
    """The address of a cloud that takes no credentials."""
    server = HTTPServer(("127.0.0.1", 0), _Refusing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A folder with a short path."""
    with tempfile.TemporaryDirectory(prefix="mw-") as folder:
        yield Path(folder)


def test_wrong_credentials_are_said_to_be_that_and_shown_to_nobody(
    workshop: Workshop,
    browser: FlaskClient,
    configure: Callable[..., None],
    refusing_cloud: str,
    short_folder: Path,
    aws_mirror: Path,
) -> None:
    configure(terraform_mirror=str(aws_mirror), data_dir=short_folder)  # providers listen on sockets in there
    secret = "planted-secret-of-a-cloud-4711"
    workshop.of_project("PUT", "/environment/AWS_ACCESS_KEY_ID", json={"value": "AKIAPLANTED4711"})
    workshop.of_project("PUT", "/environment/AWS_SECRET_ACCESS_KEY", json={"value": secret})
    workshop.write(
        f"""
provider "aws" {{
  region                  = "eu-central-1"
  skip_metadata_api_check = true
  max_retries             = 1
  endpoints {{ sts = "{refusing_cloud}" }}
}}
data "aws_caller_identity" "me" {{}}
"""
    )
    failed = workshop.plan()
    said(browser, failed, "InvalidClientTokenId", "see the environment of providers on the page Variables")
    assert secret not in workshop.log(failed) + ticket() + json.dumps(failed)


def test_a_lock_that_is_held_is_said_with_its_holder_and_how_to_go_on(
    workshop: Workshop, browser: FlaskClient, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.terraform.job_kind.LOCK_SECONDS", 1)
    backend.lock("theirs", who="grace@laptop")
    failed = workshop.plan()
    assert failed["error_message"].startswith(
        "Error acquiring the state lock. The state is locked by ada (grace@laptop)"
    )
    said(browser, failed, "locked by ada (grace@laptop) for apply since", "unlock it on the project's page")


def test_a_worker_that_died_leads_to_the_two_clicks(
    workshop: Workshop, browser: FlaskClient, admin: PersonMade
) -> None:
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})
    claim = begin(workshop, admin, made)
    result = RunResult(None, FailureCode.LOST, MESSAGES[FailureCode.LOST])  # as the watchdog ends it
    assert DatabasePort().finish(claim, result, hosts_by_job={}, log_complete=False)
    lost = workshop.call("GET", f"/executions/{made['id']}")
    said(browser, lost, "its end is unknown", "up to 20 seconds behind", "Unlock, then Refresh the state")
    assert ticket().startswith("apply network: run lost, its end is unknown")
    assert "playbook" not in ticket()


def test_of_two_applies_at_once_one_is_done_and_the_other_says_why_not(
    workshop: Workshop, browser: FlaskClient
) -> None:
    first, second = workshop.plan(), workshop.plan(note="the same again")
    made = workshop.call("POST", f"/executions/{first['id']}/apply", 202, json={})
    again = workshop.call("POST", f"/executions/{first['id']}/apply", 409, json={})
    assert "applied once" in again["message"]
    workers.register("one@here", ("terraform",))
    other = workshop.call("POST", f"/executions/{second['id']}/apply", 202, json={})
    assert "goes first" in shown(browser, other), "it waits, and says for what"
    workshop.work()
    assert workshop.call("GET", f"/executions/{made['id']}")["status"] == "success"
    late = workshop.call("GET", f"/executions/{other['id']}")
    assert late["status"] == "failed"
    said(browser, late, "Saved plan is stale", "The state was changed after this plan was made. Plan again.")
    (state,) = workshop.of_project("GET", "/workspaces")
    assert (state["resources_count"], state["lock"]) == (2, None)


def test_a_program_that_no_worker_has_is_said_while_it_waits_and_when_one_has_lost_it(
    app: Flask, workshop: Workshop, browser: FlaskClient
) -> None:
    workshop.of_project("PATCH", json={"terraform_version": "9.9.9"})
    waiting = workshop.ask()
    workers.register("one@here", ("terraform",))
    page = shown(browser, waiting)
    assert "No worker that is online has the engine &#39;terraform-9.9.9&#39;" in page
    assert "Install it on a worker" in page
    failed = workshop.ended(waiting)
    said(browser, failed, "This worker has no terraform-9.9.9", "choose another version on the project's page")
    assert "syntax error in the playbook" not in ticket()
