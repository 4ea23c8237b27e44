"""After an apply that was killed: two clicks on its page, Unlock and Refresh the state."""

from __future__ import annotations

import re
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.core.actor import Actor, Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.jobs.database_port import DatabasePort
from app.jobs.models import Job, Run
from app.jobs.port import Carrier, Claim
from app.jobs.workers import this_process
from app.runners.base import FailureCode, RunResult
from app.terraform import state_locks
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop

pytestmark = pytest.mark.database
REFRESH = "Refresh the state</button>"
LOCK = {"ID": "11111111-2222-3333-4444-555555555555", "Operation": "OperationTypeApply", "Who": "run@worker-1"}


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def begin(workshop: Workshop, admin: PersonMade, execution: Any) -> Claim:
    """Take the execution's run as a worker does, begin it, and hold the state as its terraform does."""
    with system_scope("test"), unit_of_work(writes=False):
        found = db.session.scalars(
            select(Run).join(Job, Job.run_id == Run.id).where(Job.job_id == execution["job_id"])
        ).one()
        run_id, run_uuid = found.id, found.uuid
    port = DatabasePort()
    claim = port.claim(run_id, Carrier(this_process(), workshop.settings.host_name, None))
    assert claim is not None
    assert port.begin(claim, port.plan(claim))
    actor = Actor.system(admin.tenant_id, admin.id)
    with tenant_scope(admin.tenant_id), unit_of_work():
        state_locks.lock_state(actor, workshop.uuid, "default", LOCK, run_uuid=run_uuid)
    return claim


def end(claim: Claim, code: FailureCode) -> None:
    """The run ends without a word of its terraform."""
    result = RunResult(None, code, "The worker died while it ran.")
    assert DatabasePort().finish(claim, result, hosts_by_job={}, log_complete=False)


@pytest.fixture
def lost(workshop: Workshop, admin: PersonMade) -> Any:
    """An apply that was lost in the middle, and holds the state."""
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})
    end(begin(workshop, admin, made), FailureCode.LOST)
    workshop.follow()
    return made


def button(page: str, label: str) -> dict[str, str]:
    """Return where a button without a question leads, and what it sends; there is exactly one of that name."""
    forms = [form for form in re.findall(r"<form.*?</form>", page, re.S) if f">{label}</button>" in strip_icons(form)]
    assert len(forms) == 1, label
    assert "data-confirm" not in forms[0], "a click is a click"
    sent = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', forms[0]))
    sent.pop("csrf_token", None)
    found = re.search(r'action="([^"]+)"', forms[0])
    assert found is not None
    return {"": found[1], **sent}


def strip_icons(form: str) -> str:
    return re.sub(r"<svg.*?</svg>", "", form, flags=re.S)


def click(browser: FlaskClient, page: str, label: str) -> str:
    """Click a button; return the page that follows."""
    found = button(page, label)
    answer = factories.post(browser, found.pop(""), **found)
    assert answer.status_code == 303, answer.get_data(as_text=True)[:500]
    return browser.get(answer.headers["Location"]).get_data(as_text=True)


def shown(browser: FlaskClient, execution: Any) -> str:
    return browser.get(f"/terraform/executions/{execution['id']}").get_data(as_text=True)


def test_a_lost_apply_is_recovered_in_two_clicks_on_its_page(
    workshop: Workshop, browser: FlaskClient, lost: Any
) -> None:
    page = shown(browser, lost)
    assert "still locked by this run (system (run@worker-1) for apply" in " ".join(page.split())
    assert "up to 20 seconds behind" in page and REFRESH not in page
    page = click(browser, page, "Unlock")
    assert "The lock of this run was taken away" in page
    page = click(browser, page, "Refresh the state")
    assert "Refresh network" in page
    workshop.work()
    (newest, *_older) = workshop.of_project("GET", "/executions")
    assert (newest["execution_type"], newest["status"]) == ("refresh", "success"), newest["error_message"]
    assert REFRESH not in shown(browser, lost), "it has been done"
    assert workshop.apply(workshop.plan())["status"] == "success"


def test_the_lock_of_somebody_else_is_not_taken_away_from_there(
    workshop: Workshop, browser: FlaskClient, backend: Backend, lost: Any
) -> None:
    page = shown(browser, lost)
    workshop.of_project("POST", "/workspaces/default/unlock", 204)
    assert backend.lock("another").status_code == 200
    page = click(browser, page, "Unlock")
    assert "locked by ada (ada@laptop)" in page
    assert workshop.of_project("GET", "/workspaces/default")["lock"]["lock_id"] == "another"
    assert "The state is still locked by this run" not in page and REFRESH not in page


def test_a_run_that_is_under_way_keeps_its_lock(workshop: Workshop, browser: FlaskClient, admin: PersonMade) -> None:
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})
    claim = begin(workshop, admin, made)
    assert "The state is still locked by this run" not in shown(browser, made)
    answer = factories.post(browser, f"/terraform/executions/{made['id']}/unlock")
    page = browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert "still under way" in page
    assert workshop.of_project("GET", "/workspaces/default")["lock"] is not None
    end(claim, FailureCode.LOST)


def test_what_was_stopped_at_once_is_recovered_the_same_way_and_a_plain_failure_is_not(
    workshop: Workshop, browser: FlaskClient, admin: PersonMade
) -> None:
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})
    end(begin(workshop, admin, made), FailureCode.CANCELLED)
    page = click(browser, shown(browser, made), "Unlock")
    assert REFRESH in page
    workshop.follow()
    failing = 'resource "terraform_data" "x" {\n  provisioner "local-exec" { command = "false" }\n}\n'
    workshop.write(failing)
    failed = workshop.apply(workshop.plan())
    assert failed["status"] == "failed"
    assert REFRESH not in shown(browser, failed)


def test_who_may_not_unlock_is_told_who_can(app: Flask, workshop: Workshop, admin: PersonMade, lost: Any) -> None:
    operator = factories.make_person(admin.tenant_id, Role.OPERATOR)
    browser = factories.sign_in(app.test_client(), operator)
    assert "Somebody with the right to unlock states can do that" in shown(browser, lost)
    assert factories.post(browser, f"/terraform/executions/{lost['id']}/unlock").status_code == 403
