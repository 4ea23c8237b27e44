"""Pages of projects and states, as a person in a browser uses them."""

from __future__ import annotations

import io

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.actor import Role
from app.terraform.models_state import TerraformStateFile
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend, state_of

pytestmark = pytest.mark.database
SECRET = "a-password-that-nobody-may-see"


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def text(client: FlaskClient, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, answer.get_data(as_text=True)[:500]
    return answer.get_data(as_text=True)


def test_a_project_is_added_found_edited_and_taken_out_of_use(app: Flask, browser: FlaskClient) -> None:
    assert "No Terraform project yet" in text(browser, "/terraform")
    made = factories.post(browser, "/terraform/new", name="network")
    where = made.headers["Location"]
    page = text(browser, where)
    assert "Connect a command line" in page
    assert f"/api/v1/terraform/state/{where.rsplit('/', 1)[1]}/default" in page
    assert "network" in text(browser, "/terraform?q=net")
    assert "No project matches" in text(browser, "/terraform?q=another")
    factories.post(browser, f"{where}/edit", name="shop", description="Of the shop", version="1")
    page = text(browser, where)
    assert "Of the shop" in page
    asked = factories.post(browser, f"{where}/active", is_active="0")
    assert "Nothing is destroyed and nothing is deleted" in asked.get_data(as_text=True)
    factories.post(browser, f"{where}/active", is_active="0", confirmed="1")
    assert ">shop</a>" not in text(browser, "/terraform")
    assert ">shop</a>" in text(browser, "/terraform?is_active=false")
    factories.post(browser, f"{where}/active", is_active="1")
    assert ">shop</a>" in text(browser, "/terraform")


def test_what_was_typed_stays_in_the_form_beside_what_is_wrong(browser: FlaskClient, backend: Backend) -> None:
    answer = factories.post(browser, "/terraform/new", name="x" * 201, description="kept")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert 'id="name-error"' in page and "kept" in page
    taken = factories.post(browser, "/terraform/new", name="network")
    assert taken.status_code == 409
    assert "Choose another name" in taken.get_data(as_text=True)
    edit = f"/terraform/{backend.project}/edit"
    assert factories.post(browser, edit, name="network", description="first", version="1").status_code == 302
    assert factories.post(browser, edit, name="network", description="second", version="1").status_code == 409


def test_a_state_shows_its_holder_its_versions_and_what_changed(browser: FlaskClient, backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a", password=SECRET))
    backend.ask("POST", state_of(2, "a", "b", password=SECRET))
    backend.lock("lock-1", "eve@desk")
    where = f"/terraform/{backend.project}/workspaces/default"
    page = text(browser, where)
    assert "Locked by ada (eve@desk)" in page and "for apply" in page and "lock-1" in page
    assert "ada (eve@desk)" in text(browser, f"/terraform/{backend.project}")
    assert SECRET not in page
    assert "terraform_data.b" in text(browser, f"{where}?before=1&after=2")
    assert browser.get(f"{where}?before=1&after=9").status_code == 404
    asked = factories.post(browser, f"{where}/unlock")
    assert "Take the lock of default from ada (eve@desk)?" in asked.get_data(as_text=True)
    factories.post(browser, f"{where}/unlock", confirmed="1")
    assert "Locked by" not in text(browser, where)
    factories.post(browser, f"{where}/unlock")
    assert "It is not locked any more." in text(browser, where)


def test_a_version_is_downloaded_and_put_back(browser: FlaskClient, backend: Backend) -> None:
    first = state_of(1, "a")
    backend.ask("POST", first)
    backend.ask("POST", state_of(2, "b"))
    where = f"/terraform/{backend.project}/workspaces/default"
    file = browser.get(f"{where}/versions/1/download")
    assert file.data == first
    assert file.headers["Content-Disposition"] == 'attachment; filename="default-1.tfstate"'
    assert "becomes a new version" in factories.post(browser, f"{where}/versions/1/restore").get_data(as_text=True)
    factories.post(browser, f"{where}/versions/1/restore", confirmed="1")
    assert "Version 1 is the newest again, as version 3." in text(browser, where)
    backend.lock("x")
    factories.post(browser, f"{where}/versions/1/restore", confirmed="1")
    assert "The state is locked by ada" in text(browser, where)


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"nothing", "This is no state"), (b"", "This is no state"), (None, "Choose a state file")],
)
def test_a_state_file_is_taken_over_or_refused_with_the_reason(
    browser: FlaskClient, backend: Backend, data: bytes | None, said: str
) -> None:
    where = f"/terraform/{backend.project}"
    good = {"workspace": "staging", "file": (io.BytesIO(state_of(5, "a")), "terraform.tfstate")}
    token = factories.csrf_token(browser)
    answer = browser.post(f"{where}/import", data={**good, "csrf_token": token})
    assert answer.headers["Location"].endswith("/workspaces/staging")
    bad: dict[str, object] = {"workspace": "staging", "csrf_token": token}
    if data is not None:
        bad["file"] = (io.BytesIO(data), "terraform.tfstate")
    browser.post(f"{where}/import", data=bad)
    assert said in text(browser, where)


def test_others_see_no_button_that_they_may_not_press(app: Flask, admin: PersonMade, backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    backend.ask("POST", state_of(2, "a"))
    backend.lock("x")
    viewer = factories.sign_in(app.test_client(), factories.make_person(admin.tenant_id, Role.VIEWER))
    page = text(viewer, f"/terraform/{backend.project}/workspaces/default")
    assert "Locked by" in page
    for word in ("Unlock", "Put back", "Download"):
        assert word not in page
    assert viewer.get(f"/terraform/{backend.project}/workspaces/default/versions/1/download").status_code == 403


def test_the_page_of_a_workspace_whose_state_cannot_be_opened_says_so(browser: FlaskClient, backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    (row,) = factories.rows(TerraformStateFile)
    factories.set_columns(TerraformStateFile, row.id, state_data="v1.nobody.has.this.key")
    assert "cannot be opened" in text(browser, f"/terraform/{backend.project}/workspaces/default")
