"""Pages of what there is: the list with its filters and download, one instance, prices, required tags."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.core.actor import Role
from app.terraform.models_infrastructure import ResourcePrice
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop
from tests.terraform.test_infrastructure import WEB, follow_all, instance, listed, push, state
from tests.terraform.test_tag_policy import tagged

PRICE = {"type": "aws_instance", "attribute": "instance_type", "value": "t3.micro", "price_per_hour": "0.0104"}
PRICE |= {"currency": "eur", "region": ""}


@pytest.fixture
def backend(backend: Backend, app_context: Any) -> Backend:
    """The backend, with workers in this process."""
    return backend


@pytest.fixture
def browser(backend: Backend, admin: PersonMade) -> FlaskClient:
    """The administrator, signed in."""
    return factories.sign_in(backend.app.test_client(), admin)


def text_of(answer: TestResponse, code: int = 200) -> str:
    assert answer.status_code == code, answer.get_data(as_text=True)[:2000]
    return answer.get_data(as_text=True)


def post(browser: FlaskClient, path: str, code: int, **form: str) -> str:
    """Post a form as the page does."""
    return text_of(factories.post(browser, path, **form), code)


@pytest.mark.database
def test_the_list_one_instance_and_the_download_say_the_same(backend: Backend, browser: FlaskClient) -> None:
    odd = instance(id="=cmd()", region="eu-nowhere-9", name="<script>")
    push(backend, state(1, aws_instance__web=[WEB], aws_s3_bucket__x=[odd]))
    page = text_of(browser.get("/infrastructure"))
    assert "aws_s3_bucket.x" in page and "not on the list" in page and "192.0.2.7" in page
    page = text_of(browser.get(f"/infrastructure?project={backend.project}&tag=Project%3Dshop"))
    assert "i-1" in page and "aws_s3_bucket.x" not in page
    (web,) = listed(backend, q="web")
    page = text_of(browser.get(f"/infrastructure/{web['id']}"))
    assert "t3.micro" in page and "eu-central-1" in page and "a command line" in page
    rows = text_of(browser.get("/infrastructure/download?format=jsonl&sort=address")).splitlines()
    assert [json.loads(row)["address"] for row in rows] == ['aws_instance.web["a"]', "aws_s3_bucket.x"]
    assert json.loads(rows[0])["standing"] == "running" and json.loads(rows[0])["status"] == "created"
    table = text_of(browser.get("/infrastructure/download"))
    assert "'=cmd()" in table, "a spreadsheet runs nothing"
    for bad in ("sort=tags", "status=gone", "project=7", "nothing=1", "page=99999"):
        text_of(browser.get(f"/infrastructure?{bad}"), 422)
    text_of(browser.get("/infrastructure/00000000-0000-4000-8000-000000000000"), 404)


@pytest.mark.database
def test_prices_are_added_changed_and_removed_by_forms(backend: Backend, browser: FlaskClient) -> None:
    push(backend, state(1, aws_instance__web=[WEB]))
    post(browser, "/infrastructure/prices/new", 303, **PRICE)
    assert "instance_type = t3.micro" in text_of(browser.get("/infrastructure/prices?type=aws_instance"))
    follow_all()
    assert "0.0104 EUR per hour" in text_of(browser.get(f"/terraform/{backend.project}"))
    (price,) = factories.rows(ResourcePrice)
    path = f"/infrastructure/prices/{price.uuid}"
    assert "0.0104" in text_of(browser.get(path))
    assert "already" in post(browser, "/infrastructure/prices/new", 409, **PRICE)
    assert "no region" in post(browser, path, 422, **{**PRICE, "region": "atlantis"}, version="1")
    post(browser, path, 422, **{**PRICE, "price_per_hour": "much"}, version="1")
    post(browser, path, 303, **{**PRICE, "price_per_hour": "0.02"}, version="1")
    assert "changed" in post(browser, path, 409, **{**PRICE, "price_per_hour": "0.03"}, version="1").lower()
    assert "Remove the price" in post(browser, f"{path}/remove", 200)
    post(browser, f"{path}/remove", 303, confirmed="1")
    assert "No price yet" in text_of(browser.get("/infrastructure/prices"))


@pytest.mark.database
def test_who_may_not_edit_sees_prices_and_no_buttons(backend: Backend, admin: PersonMade) -> None:
    viewer = factories.sign_in(
        backend.app.test_client(), factories.make_person(admin.tenant_id, Role.VIEWER, username="eve")
    )
    assert "Add a price" not in text_of(viewer.get("/infrastructure/prices"))
    text_of(viewer.get("/infrastructure/prices/new"), 403)


@pytest.mark.database
def test_a_plans_page_names_the_tags_that_its_resources_lack(workshop: Workshop, browser: FlaskClient) -> None:
    plan = workshop.plan()
    path = f"/terraform/executions/{plan['id']}"
    assert "lack tags" not in text_of(browser.get(path)), "what has no tags lacks none"
    tagged(["Project"])
    assert "2 of its resources will lack tags" in text_of(browser.get(path))
    version = str(workshop.of_project("GET")["version"])
    form = {"name": "network", "required_tags": " Owner, Team,", "tag_policy": "enforce", "version": version}
    post(browser, f"/terraform/{workshop.uuid}/edit", 302, **form)
    made = workshop.of_project("GET")
    assert (made["required_tags"], made["tag_policy"]) == (["Owner", "Team"], "enforce")
    page = text_of(browser.get(path))
    assert "cannot be applied" in page and "Owner" in page
    post(browser, f"{path}/apply", 303, confirmed="1")
    assert "requires tags that this plan leaves out" in text_of(browser.get(path))
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "waiting"
