"""Pages of executions, files and variables, as a person in a browser uses them."""

from __future__ import annotations

import io
import zipfile

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.actor import Role
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend
from tests.terraform.house import MAIN, Workshop
from tests.terraform.test_pages import text

pytestmark = pytest.mark.database
SECRET = "a-password-that-nobody-may-see"


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def test_a_plan_is_asked_for_reviewed_and_applied_in_the_browser(browser: FlaskClient, workshop: Workshop) -> None:
    where = f"/terraform/{workshop.uuid}"
    asked = factories.post(browser, f"{where}/plan", purpose="plan", workspace="default", note="for the shop")
    assert asked.status_code == 303
    plan = asked.headers["Location"]
    assert "Cancel" in text(browser, plan)
    workshop.work()
    page = text(browser, plan)
    assert "Apply this plan" in page and "terraform_data.second" in page and "2 to add" in page
    assert "waits for its review" in text(browser, where)
    question = factories.post(browser, f"{plan}/apply").get_data(as_text=True)
    assert "adds 2, changes 0, destroys 0" in question
    applied = factories.post(browser, f"{plan}/apply", confirmed="1")
    assert applied.status_code == 303
    workshop.work()
    assert "success" in text(browser, applied.headers["Location"])
    listed = text(browser, f"{where}/executions?execution_type=apply")
    assert "apply #" in listed and "plan #" not in listed
    assert "No execution matches" in text(browser, f"{where}/executions?review=void")


def test_destroying_wants_the_projects_name_and_a_discarded_plan_is_not_applied(
    browser: FlaskClient, workshop: Workshop
) -> None:
    workshop.apply(workshop.plan())
    asked = factories.post(browser, f"/terraform/{workshop.uuid}/plan", purpose="destroy", workspace="default")
    plan = asked.headers["Location"]
    workshop.work()
    refused = factories.post(browser, f"{plan}/apply", confirmed="1", confirm_name="wrong")
    assert refused.status_code == 200 and "network" in refused.get_data(as_text=True)
    factories.post(browser, f"{plan}/discard", note="kept after all")
    page = text(browser, plan)
    assert "kept after all" in page and "Apply this plan" not in page
    said = factories.post(browser, f"{plan}/apply", confirmed="1", confirm_name="network")
    assert said.status_code == 303
    assert "was discarded" in text(browser, plan)


def test_what_was_typed_stays_beside_what_is_wrong(browser: FlaskClient, workshop: Workshop) -> None:
    where = f"/terraform/{workshop.uuid}"
    wrong = factories.post(browser, f"{where}/plan", purpose="plan", workspace="no/such", targets="kept.address")
    page = wrong.get_data(as_text=True)
    assert wrong.status_code == 422 and 'id="workspace-error"' in page and "kept.address" in page
    base = workshop.of_project("GET", "/files")["revision"]
    workshop.write("# somebody else\n")
    conflict = factories.post(
        browser, f"{where}/edit-file?path=main.tf", path="main.tf", content="# my words", base=base
    )
    assert conflict.status_code == 409 and "# my words" in conflict.get_data(as_text=True)
    wrong = factories.post(browser, f"{where}/variables", name="1x", value=SECRET, sensitive="1")
    page = wrong.get_data(as_text=True)
    assert wrong.status_code == 422 and 'id="name-error"' in page and SECRET not in page


def test_files_are_written_uploaded_removed_and_restored(browser: FlaskClient, backend: Backend) -> None:
    where = f"/terraform/{backend.project}"
    assert "No files yet" in text(browser, f"{where}/files")
    factories.post(browser, f"{where}/edit-file", path="main.tf", content=MAIN)
    assert "variable &#34;size&#34;" in text(browser, f"{where}/edit-file?path=main.tf")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("network/a.tf", "# a")
        archive.writestr("network/b.bin", b"\0\1")
    factories.post(browser, f"{where}/archive", file=(io.BytesIO(packed.getvalue()), "network.zip"), strip_folder="1")
    page = text(browser, f"{where}/files")
    assert "a.tf" in page and ">main.tf<" not in page.partition("Revisions")[0]
    assert "no text" in text(browser, f"{where}/edit-file?path=b.bin")
    assert "The revision before keeps it" in factories.post(browser, f"{where}/remove-file", path="b.bin").get_data(
        as_text=True
    )
    factories.post(browser, f"{where}/remove-file", path="b.bin", confirmed="1")
    assert ">b.bin<" not in text(browser, f"{where}/files").partition("Revisions")[0]
    first = backend.api("GET", "/revisions").json[-1]["id"]
    factories.post(browser, f"{where}/revisions/{first}/restore")
    assert ">main.tf<" in text(browser, f"{where}/files").partition("Revisions")[0]


def test_a_secret_value_is_written_and_never_read_back(browser: FlaskClient, backend: Backend) -> None:
    where = f"/terraform/{backend.project}/variables"
    factories.post(browser, where, name="token", value=SECRET, sensitive="1")
    factories.post(browser, where, name="sizes", value="[1, 2]", as_json="1")
    page = text(browser, where)
    assert "sensitive" in page and SECRET not in page and "[1, 2]" in page
    (sizes, token) = backend.api("GET", "/variables").json
    assert sizes["value"] == [1, 2] and token["value"] is None
    assert SECRET not in text(browser, f"{where}/{token['id']}")
    keep = {"name": "token", "keep": "1", "sensitive": "1", "description": "Of the provider", "version": "1"}
    assert factories.post(browser, f"{where}/{token['id']}", **keep).status_code == 303
    stale = factories.post(browser, f"{where}/{token['id']}", **keep)
    assert stale.status_code == 409
    plain = factories.post(browser, f"{where}/{token['id']}", name="token", keep="1", version="2")
    assert plain.status_code == 422 and "stays secret" in plain.get_data(as_text=True)
    assert "Remove the value" in factories.post(browser, f"{where}/{sizes['id']}/remove").get_data(as_text=True)
    factories.post(browser, f"{where}/{sizes['id']}/remove", confirmed="1")
    assert ">sizes<" not in text(browser, where)


def test_the_environment_of_providers_is_set_and_a_secret_one_never_shown(
    browser: FlaskClient, backend: Backend
) -> None:
    where = f"/terraform/{backend.project}"
    assert "Credentials of providers belong here" in text(browser, f"{where}/variables")
    wrong = factories.post(browser, f"{where}/environment", name="TF_LOG", value=SECRET, sensitive="1")
    assert wrong.status_code == 422 and SECRET not in wrong.get_data(as_text=True)
    factories.post(browser, f"{where}/environment", name="AWS_SECRET_ACCESS_KEY", value=SECRET, sensitive="1")
    factories.post(browser, f"{where}/environment", name="AWS_REGION", value="eu-central-1")
    page = text(browser, f"{where}/variables")
    assert "AWS_SECRET_ACCESS_KEY" in page and "eu-central-1" in page and SECRET not in page
    assert SECRET not in text(browser, f"{where}/environment?name=AWS_SECRET_ACCESS_KEY")
    assert "Remove AWS_REGION" in factories.post(browser, f"{where}/environment/remove", name="AWS_REGION").text
    factories.post(browser, f"{where}/environment/remove", name="AWS_REGION", confirmed="1")
    assert ">AWS_REGION<" not in text(browser, f"{where}/variables")


def test_viewers_read_and_operators_plan_and_nobody_else_edits(
    app: Flask, admin: PersonMade, workshop: Workshop
) -> None:
    viewer = factories.sign_in(app.test_client(), factories.make_person(admin.tenant_id, Role.VIEWER))
    operator = factories.sign_in(app.test_client(), factories.make_person(admin.tenant_id, Role.OPERATOR))
    where = f"/terraform/{workshop.uuid}"
    assert "Plan…" not in text(viewer, where) and "Plan…" in text(operator, where)
    assert viewer.get(f"{where}/plan").status_code == 403
    assert "Upload an archive" not in text(operator, f"{where}/files")
    assert "Save</button>" not in text(operator, f"{where}/edit-file?path=main.tf")
    plan = workshop.plan()
    page = f"/terraform/executions/{plan['id']}"
    assert "Apply this plan" in text(operator, page) and "Apply this plan" not in text(viewer, page)
