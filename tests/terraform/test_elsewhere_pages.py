"""Pages of states that live elsewhere, as a person in a browser uses them."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.terraform.models_state import TerraformState
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import state_of
from tests.terraform.elsewhere import open_folders, where
from tests.terraform.house import Workshop
from tests.terraform.test_pages import text

pytestmark = pytest.mark.database


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


@pytest.fixture
def file(workshop: Workshop, tmp_path: Path) -> Path:
    """A state below a folder that is open to workers."""
    open_folders(tmp_path)
    (tmp_path / "shop.tfstate").write_bytes(state_of(4, "a", "b"))
    return tmp_path / "shop.tfstate"


def test_a_state_is_registered_read_changed_brought_here(workshop: Workshop, browser: FlaskClient, file: Path) -> None:
    project = f"/terraform/{workshop.uuid}"
    assert "A state that lives elsewhere" in text(browser, project)
    assert "A file on the workers" in text(browser, f"{project}/elsewhere")
    form = {"backend": "local", "workspace": "shop", "path": str(file)}
    answer = factories.post(browser, f"{project}/elsewhere", **form)
    page = answer.headers["Location"]
    assert page.endswith(f"{project}/workspaces/shop")
    assert "Not read yet" in text(browser, page) and str(file) in text(browser, project)
    asked = factories.post(browser, f"{page}/backend/read")
    assert "/terraform/executions/" in asked.headers["Location"]
    workshop.work()
    shown = text(browser, page)
    assert "read elsewhere" in shown and "Bring it here" in shown and "Put back" not in shown
    assert "is read-only here" in factories.post(browser, f"{project}/plan", purpose="plan", workspace="shop").get_data(
        as_text=True
    )
    file.unlink()
    factories.post(browser, f"{page}/backend/read")
    workshop.work()
    assert "No such file" in text(browser, page)
    assert "not read" in text(browser, project)
    factories.post(browser, f"{page}/backend/bring-here", confirmed="1")
    assert "The last reading failed" in text(browser, page)
    moved = file.with_name("moved.tfstate")
    moved.write_bytes(state_of(5, "a"))
    saved = {"version": "1", "path": str(moved), "read_every_minutes": "60"}
    assert factories.post(browser, f"{page}/backend", **saved).status_code == 303
    assert factories.post(browser, f"{page}/backend", **saved).status_code == 409
    assert where(workshop)["read_every_minutes"] == 60
    factories.post(browser, f"{page}/backend/read")
    workshop.work()
    assert f"Nothing changes in {moved}" in factories.post(browser, f"{page}/backend/bring-here").get_data(as_text=True)
    factories.post(browser, f"{page}/backend/bring-here", confirmed="1")
    assert "lives here now" in text(browser, page)
    (row,) = factories.rows(TerraformState)
    assert (row.backend, row.backend_location, row.read_every_minutes) == ("platform", None, None)


def test_what_was_typed_stays_beside_what_is_wrong_and_secrets_are_not_sent_back(
    workshop: Workshop, browser: FlaskClient
) -> None:
    project = f"/terraform/{workshop.uuid}"
    typed = {
        "backend": "s3", "workspace": "shop", "bucket": "acme", "key": "/wrong", "use_path_style": "1",
        "access_key": "planted-access-4711", "secret_key": "planted-secret-4711",
    }  # fmt: skip
    answer = factories.post(browser, f"{project}/elsewhere", **typed)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="key-error"' in page and 'value="acme"' in page and "planted" not in page
    made = factories.post(browser, f"{project}/elsewhere", **{**typed, "key": "right"}).headers["Location"]
    form = text(browser, f"{made}/backend")
    assert "One is stored; leave this empty to keep it." in form and "planted" not in form
    kept = {"version": "1", "bucket": "acme", "key": "other"}
    assert factories.post(browser, f"{made}/backend", **kept).status_code == 303
    found = where(workshop)
    assert found["secrets"] == ["access_key", "secret_key"]
    assert found["backend_config"] == {"bucket": "acme", "key": "other"}, "a switch that is off is off"


def test_letting_go_asks_first_and_leads_back(workshop: Workshop, browser: FlaskClient) -> None:
    project = f"/terraform/{workshop.uuid}"
    page = f"{project}/workspaces/shop"
    factories.post(browser, f"{project}/elsewhere", backend="s3", workspace="shop", bucket="acme", key="a")
    assert "Let go of the state of shop?" in factories.post(browser, f"{page}/backend/remove").get_data(as_text=True)
    answer = factories.post(browser, f"{page}/backend/remove", confirmed="1")
    assert answer.headers["Location"].endswith(project)
    assert browser.get(page).status_code == 404
