"""A project that is taken out of use, and one that somebody deletes past the platform: no state vanishes silently."""

from __future__ import annotations

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import ForeignKey, Table, func, select, text
from sqlalchemy.exc import IntegrityError

from app.core.db import Model, db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform.models import TerraformProject
from app.terraform.models_files import TerraformRevision
from app.terraform.models_state import TerraformStateFile
from tests import factories
from tests.factories import PersonMade
from tests.holdings import make_holdings
from tests.support.databases import TestDatabase
from tests.terraform.conftest import Backend, state_of
from tests.terraform.house import Workshop
from tests.terraform.test_servers import RULE, machines, servers

pytestmark = pytest.mark.database


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def counted(model: type) -> int:
    with system_scope("test"), unit_of_work(writes=False):
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_nothing_of_it_is_deleted_and_the_question_says_so_with_numbers(
    workshop: Workshop, browser: FlaskClient, backend: Backend
) -> None:
    assert workshop.apply(workshop.plan())["status"] == "success"
    versions, revisions = counted(TerraformStateFile), counted(TerraformRevision)
    where = f"/terraform/{workshop.uuid}"
    said = "Nothing is destroyed and nothing is deleted: 1 state with 2 resources, 2 executions and no servers"
    asked = factories.post(browser, f"{where}/active", is_active="0").get_data(as_text=True)
    assert said in asked and "destroy them first" in asked
    assert said in browser.get(where).get_data(as_text=True), "the dialog of the page says the same"
    workshop.of_project("PATCH", json={"is_active": False})
    assert (counted(TerraformStateFile), counted(TerraformRevision)) == (versions, revisions)
    assert backend.ask("GET").status_code == 404
    workshop.of_project("PATCH", json={"is_active": True})
    assert backend.ask("GET").status_code == 200
    assert workshop.plan()["status"] == "success"


def test_servers_of_a_project_out_of_use_stay_in_use(workshop: Workshop, browser: FlaskClient) -> None:
    workshop.of_project("POST", "/server-rules", 201, json=RULE)
    machines(workshop, a="192.0.2.1")
    assert workshop.apply(workshop.plan())["status"] == "success"
    asked = factories.post(browser, f"/terraform/{workshop.uuid}/active", is_active="0").get_data(as_text=True)
    assert "and 1 server that came from it stay" in asked
    workshop.of_project("PATCH", json={"is_active": False})
    assert servers()["a.example.org"].is_active


def test_while_an_execution_is_under_way_it_stays_in_use(workshop: Workshop, browser: FlaskClient) -> None:
    made = workshop.ask()
    refused = workshop.of_project("PATCH", "", 409, json={"is_active": False})
    assert refused["error"] == "under_way"
    assert f"Execution #{made['number']} (plan) is under way" in refused["message"]
    assert "Wait for its end or cancel it" in refused["message"]
    answer = factories.post(browser, f"/terraform/{workshop.uuid}/active", is_active="0", confirmed="1")
    assert "is under way" in browser.get(answer.headers["Location"]).get_data(as_text=True)
    assert workshop.ended(made)["status"] == "success"
    workshop.of_project("PATCH", json={"is_active": False})


def test_while_a_command_line_holds_a_state_it_stays_in_use(workshop: Workshop, backend: Backend) -> None:
    assert backend.lock("mine").status_code == 200
    refused = workshop.of_project("PATCH", "", 409, json={"is_active": False})
    assert refused["error"] == "state_locked"
    assert "locked by ada (ada@laptop)" in refused["message"] and "unlock it if nothing" in refused["message"]
    assert backend.ask("POST", state_of(1, "a"), ID="mine").status_code == 200
    assert backend.unlock("mine").status_code == 200
    workshop.of_project("PATCH", json={"is_active": False})


def test_an_execution_that_was_asked_for_before_says_why_it_does_not_run(workshop: Workshop) -> None:
    made = workshop.ask()
    with system_scope("test"), unit_of_work() as session:
        session.execute(text("UPDATE terraform_projects SET is_active = 0"))
    db.session.remove()
    workshop.work()
    ended = workshop.call("GET", f"/executions/{made['id']}")
    assert ended["status"] == "failed"
    assert "taken out of use meanwhile. Nothing was run" in ended["error_message"]


def test_no_face_deletes_a_project(workshop: Workshop) -> None:
    workshop.of_project("DELETE", "", 405)


def rows_of(database: TestDatabase, project_id: int) -> dict[str, int]:
    """Return how many rows of the project there are in each table."""
    engine = database.root()
    with engine.connect() as connection:
        tables = [table for table in Model.metadata.sorted_tables if "project_id" in table.c]
        tables = [
            table for table in tables if any("terraform_projects" in str(key.target_fullname) for key in keys(table))
        ]
        found = {
            table.name: connection.scalar(
                select(func.count()).select_from(table).where(table.c.project_id == project_id)
            )
            or 0
            for table in tables
        }
    engine.dispose()
    return found


def keys(table: Table) -> list[ForeignKey]:
    return [key for column in table.c for key in column.foreign_keys]


def test_a_deletion_past_the_platform_takes_everything_of_the_project_or_nothing(
    app: Flask, admin: PersonMade, database: TestDatabase
) -> None:
    held = make_holdings(app, admin)
    backend = Backend(app, factories.make_key(admin), held.terraform_uuid)
    assert backend.ask("POST", state_of(1, "a")).status_code == 200
    with app.app_context(), system_scope("test"), unit_of_work(writes=False):
        number = db.session.scalar(select(TerraformProject.id).where(TerraformProject.uuid == held.terraform_uuid))
    assert number is not None
    before = rows_of(database, number)
    assert {name for name, count in before.items() if count} >= {
        "terraform_executions",
        "terraform_revisions",
        "terraform_server_rules",
        "terraform_state_files",
        "terraform_variables",
    }
    engine = database.root()
    try:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM terraform_projects WHERE id = :id"), {"id": number})
        assert set(rows_of(database, number).values()) == {0}
    except IntegrityError:
        assert rows_of(database, number) == before
    with engine.connect() as connection:
        left = connection.scalar(text("SELECT COUNT(*) FROM servers"))
        assert left, "servers stay, whatever made them"
    engine.dispose()
