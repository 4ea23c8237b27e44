"""The page of workers: what is seen, and the switches of the platform's administrator."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.accounts.models import User
from app.audit.models import AuditEntry
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import workers
from app.jobs.models import PlatformFlag, Worker
from app.jobs.status import WorkerState
from tests import factories
from tests.factories import PersonMade

pytestmark = pytest.mark.database
NAME = "worker@here"


@pytest.fixture
def chief(app: Flask) -> PersonMade:
    """The platform's administrator; one worker has announced itself."""
    person = factories.make_person(factories.make_tenant().id)
    factories.set_columns(User, person.id, is_platform_admin=True)
    with app.app_context():
        workers.register(NAME)
    return person


@pytest.fixture
def browser(app: Flask, chief: PersonMade) -> FlaskClient:
    """Their browser."""
    return factories.sign_in(app.test_client(), chief)


def worker_now(app: Flask) -> Worker:
    with app.app_context(), system_scope("test"), unit_of_work(writes=False) as session:
        found = session.query(Worker).one()
        session.expunge(found)
        return found


def events(app: Flask) -> list[str]:
    with app.app_context(), system_scope("test"), unit_of_work(writes=False) as session:
        return [event for (event,) in session.query(AuditEntry.event).order_by(AuditEntry.id)]


def test_a_drained_worker_stays_drained_over_a_restart_until_it_is_given_back(app: Flask, browser: FlaskClient) -> None:
    number = worker_now(app).id
    assert factories.post(browser, f"/workers/{number}/drain").status_code == 302
    assert worker_now(app).state is WorkerState.DRAINING
    with app.app_context():
        workers.register(NAME)  # it was started anew
        workers.beat(NAME)
    assert worker_now(app).state is WorkerState.DRAINING
    assert b"Give back" in browser.get("/workers").data
    assert factories.post(browser, f"/workers/{number}/give-back").status_code == 302
    again = worker_now(app)
    assert (again.state, again.message, again.drain_requested_at) == (WorkerState.ONLINE, None, None)
    assert events(app)[-2:] == ["worker:drain", "worker:give_back"]


def test_a_worker_that_stops_by_itself_is_not_brought_back_by_the_page(app: Flask, browser: FlaskClient) -> None:
    number = worker_now(app).id
    factories.post(browser, f"/workers/{number}/drain")
    with app.app_context():
        workers.stop_now(NAME)
    factories.post(browser, f"/workers/{number}/give-back")
    assert worker_now(app).state is WorkerState.DRAINING


def test_dispatch_is_paused_with_a_reason_that_everybody_reads_and_resumed(app: Flask, browser: FlaskClient) -> None:
    assert factories.post(browser, "/dispatch/pause", reason=" Upgrade until  04:00 ").status_code == 302
    assert b"Upgrade until 04:00" in browser.get("/workers").data
    with app.app_context(), unit_of_work(writes=False):
        flag = db.session.get(PlatformFlag, "dispatch_paused")
        assert flag is not None and flag.value == "Upgrade until 04:00"
    assert factories.post(browser, "/dispatch/pause", reason="again").status_code == 409
    assert factories.post(browser, "/dispatch/resume").status_code == 302
    assert factories.post(browser, "/dispatch/resume").status_code == 409
    assert events(app)[-2:] == ["dispatch:pause", "dispatch:resume"]


def test_a_pause_without_a_reason_is_refused_beside_the_field(browser: FlaskClient) -> None:
    answer = factories.post(browser, "/dispatch/pause", reason="x")
    assert answer.status_code == 422
    assert b"Say why" in answer.data and b'value="x"' in answer.data


def test_a_viewer_sees_the_workers_without_the_switches(app: Flask, chief: PersonMade) -> None:
    viewer = factories.make_person(chief.tenant_id, factories.Role.VIEWER)
    page = factories.sign_in(app.test_client(), viewer).get("/workers")
    assert NAME.encode() in page.data and b"Pause dispatch" not in page.data and b"Drain" not in page.data
    headers = factories.bearer(factories.make_key(viewer))
    answer = app.test_client().get("/api/v1/workers", headers=headers)
    assert [(row["name"], row["state"], row["running"]) for row in answer.json or []] == [(NAME, "online", 0)]
