"""Variable sets: which value counts, secrets, attaching, and what becomes of them in a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from app.audit.models import AuditEntry
from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform import environment_values, variable_values
from app.terraform.models import TerraformProject
from app.terraform.models_variable_sets import TerraformSetVariable
from config import Settings
from tests import factories
from tests.factories import PersonMade
from tests.support.sent import sent
from tests.terraform.conftest import Backend
from tests.terraform.house import MAIN, Workshop
from tests.terraform.test_configuration import Shop
from tests.terraform.test_pages import text

pytestmark = pytest.mark.database
SECRET = "planted-value-of-a-set-0815"
Given = dict[str, Any]


@pytest.fixture
def shop(app_context: Flask, settings: Settings, backend: Backend) -> Shop:
    """An empty project as its administrator uses it over REST."""
    return Shop(app_context, settings, backend.key, backend.project)


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def make_set(shop: Workshop, name: str, *values: Given, **given: Any) -> str:
    """Make a set with values over REST; return its id."""
    made = shop.call("POST", "/variable-sets", 201, json={"name": name, **given})
    for value in values:
        shop.call("POST", f"/variable-sets/{made['id']}/variables", 201, json=value)
    return str(made["id"])


def attach(shop: Workshop, *ids: str, code: int = 200) -> Any:
    """Make these the project's sets."""
    return shop.of_project("PUT", "/variable-sets", code, json={"set_ids": ids})


def of_run(shop: Workshop) -> tuple[Given, Given]:
    """Return the plain and the secret input variables that a run gets."""
    with system_scope("test"), unit_of_work(writes=False):
        project = db.session.scalars(select(TerraformProject).where(TerraformProject.uuid == shop.uuid)).one()
        return variable_values.values_of_run(project.tenant_id, project.id)


def around_run(shop: Workshop) -> tuple[Given, Given]:
    """Return the plain and the secret environment variables that a run gets."""
    with system_scope("test"), unit_of_work(writes=False):
        project = db.session.scalars(select(TerraformProject).where(TerraformProject.uuid == shop.uuid)).one()
        return environment_values.environment_of_run(project.tenant_id, project.id)


def values(shop: Workshop) -> Given:
    """Return what the API says of each name."""
    return {row["name"]: row for row in shop.of_project("GET", "/values")}


def test_the_projects_own_value_counts_then_its_sets_in_order_then_global_ones_by_name(shop: Shop) -> None:
    names = ("own", "first", "second", "everywhere", "later", "default")
    shop.write("".join(f'variable "{name}" {{ default = "of the files" }}\n' for name in names))
    shop.read()

    def of(who: str, *which: str) -> list[Given]:
        return [{"name": name, "value": who} for name in which]

    make_set(shop, "b global", *of("b global", *names[:5]), is_global=True)
    make_set(shop, "A global", *of("A global", *names[:4]), is_global=True)
    second = make_set(shop, "1", *of("second", *names[:3]))
    first = make_set(shop, "2", *of("first", *names[:2]))
    assert [row["name"] for row in attach(shop, first, second)] == ["2", "1", "A global", "b global"]
    shop.of_project("POST", "/variables", 201, json={"name": "own", "value": "own"})
    wanted = {"own": "own", "first": "first", "second": "second", "everywhere": "A global", "later": "b global"}
    assert of_run(shop) == (wanted, {})
    shown = values(shop)
    assert {name: row["value"] for name, row in shown.items()} == {**wanted, "default": "of the files"}
    assert [shown[name]["source"] for name in ("own", "first", "default")] == ["project", "set", "default"]
    assert shown["own"]["overridden"] == ["2", "1", "A global", "b global"]
    assert (shown["second"]["set_id"], shown["second"]["overridden"]) == (second, ["A global", "b global"])
    attach(shop, second, first)
    assert of_run(shop)[0]["first"] == "second", "the order of the project decides"
    attach(shop)
    assert of_run(shop)[0]["first"] == "A global"


def test_a_set_reaches_the_run_and_its_secrets_are_nowhere_in_clear(workshop: Workshop) -> None:
    command = "echo in $CLOUD_REGION with $CLOUD_KEY"
    workshop.write(
        MAIN + f'resource "terraform_data" "x" {{\n  provisioner "local-exec" {{ command = "{command}" }}\n}}\n'
    )
    made = make_set(
        workshop,
        "Shared",
        {"name": "size", "value": 7},
        {"name": "secret", "value": SECRET, "sensitive": True},
        {"name": "CLOUD_REGION", "category": "environment", "value": "eu-west-7", "sensitive": False},
        {"name": "CLOUD_KEY", "category": "environment", "value": SECRET + "-key"},
    )
    attach(workshop, made)
    apply = workshop.apply(workshop.plan())
    log = workshop.log(apply)
    assert apply["status"] == "success" and "in eu-west-7 with ***" in log, log
    assert workshop.of_project("GET", "/workspaces/default/outputs")[0]["value"] == 7
    assert SECRET not in log and SECRET not in str(workshop.call("GET", f"/variable-sets/{made}/variables"))
    assert SECRET not in str(workshop.of_project("GET", "/values"))
    with system_scope("test"), unit_of_work(writes=False):
        assert SECRET not in str(db.session.execute(select(TerraformSetVariable.__table__)).all())
        assert SECRET not in str(db.session.scalars(select(AuditEntry.details)).all())


def test_the_environment_of_a_set_comes_after_the_projects_own(shop: Shop) -> None:
    shared = {"category": "environment", "sensitive": False}
    made = make_set(
        shop, "Shared", {"name": "CLOUD_A", "value": "set", **shared}, {"name": "CLOUD_B", "value": "set", **shared}
    )
    attach(shop, made)
    shop.of_project("PUT", "/environment/CLOUD_A", json={"value": "of the project"})
    assert around_run(shop) == ({"CLOUD_B": "set"}, {"CLOUD_A": "of the project"})
    shown = values(shop)["CLOUD_A"]
    assert (shown["value"], shown["sensitive"], shown["overridden"]) == (None, True, ["Shared"])


def test_what_the_files_declare_as_sensitive_is_secret_even_from_a_plain_value_of_a_set(shop: Shop) -> None:
    shop.write()
    shop.read()
    attach(shop, make_set(shop, "Shared", {"name": "secret", "value": SECRET}))
    assert of_run(shop) == ({}, {"secret": SECRET})
    assert (values(shop)["secret"]["value"], values(shop)["secret"]["sensitive"]) == (None, True)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"name": "TF_LOG", "category": "environment", "value": "trace"}, "name"),
        ({"name": "PATH", "category": "environment", "value": "/nowhere"}, "name"),
        ({"name": "CLOUD", "category": "environment", "value": 5}, "value"),
        ({"name": "CLOUD", "category": "environment", "value": "abc"}, "value"),
        ({"name": "no name", "value": 1}, "name"),
        ({"name": "größe", "value": 1}, "name"),
        ({"name": "size", "value": None}, "value"),
        ({"name": "size", "value": "x" * 65_536}, "value"),
        ({"name": "size", "value": 10**400}, "value"),
        ({"name": "size", "value": "\ud800"}, "value"),
        ({"name": "size", "value": [{"\udfff": 1}]}, "value"),
        ({"name": "size", "value": json.loads("[" * 80 + "]" * 80)}, "value"),
        ({"name": "size", "value": 1, "description": "\udc80"}, "description"),
        ({"name": "size", "category": "else", "value": 1}, "category"),
        ({"name": "size", "value": 1, "description": "x" * 1001}, "description"),
    ],
)
def test_what_cannot_be_used_is_refused_by_field(shop: Shop, given: Given, field: str) -> None:
    made = make_set(shop, "Shared")
    refused = shop.call("POST", f"/variable-sets/{made}/variables", 422, json=given)
    assert list(refused["errors"].get("json", refused["errors"])) == [field], refused
    assert shop.call("GET", f"/variable-sets/{made}/variables") == []


def test_the_longest_sensitive_value_is_kept(shop: Shop) -> None:
    longest = "x" * 65_000
    attach(shop, make_set(shop, "Shared", {"name": "long", "value": longest, "sensitive": True}))
    shop.of_project("POST", "/variables", 201, json={"name": "own", "value": longest, "sensitive": True})
    assert of_run(shop) == ({}, {"long": longest, "own": longest})


def test_a_secret_value_is_replaced_and_never_shown_by_way_of_an_edit(shop: Shop) -> None:
    made = make_set(shop, "Shared", {"name": "token", "value": SECRET, "sensitive": True})
    (row,) = shop.call("GET", f"/variable-sets/{made}/variables")
    where = f"/variable-sets/{made}/variables/{row['id']}"
    shop.call("PATCH", where, 422, json={"sensitive": False})
    changed = shop.call("PATCH", where, json={"description": "Of the robot", "version": 1})
    assert (changed["value"], changed["description"], changed["version"]) == (None, "Of the robot", 2)
    shop.call("PATCH", where, 409, json={"value": "late", "version": 1})
    attach(shop, made)
    assert of_run(shop) == ({}, {"token": SECRET})
    shown = shop.call("PATCH", where, json={"sensitive": False, "value": "open"})
    assert (shown["value"], of_run(shop)) == ("open", ({"token": "open"}, {}))
    shop.call("PATCH", where, json={"sensitive": True})
    assert of_run(shop) == ({}, {"token": "open"}), "a plain value can be made secret as it is"


def test_a_set_that_is_attached_is_not_removed_and_the_refusal_names_the_projects(shop: Shop) -> None:
    made = make_set(shop, "Shared", {"name": "size", "value": 1})
    attach(shop, made)
    refused = shop.call("DELETE", f"/variable-sets/{made}", 409)
    assert refused["error"] == "in_use" and "network" in refused["message"]
    assert [row["name"] for row in shop.call("GET", f"/variable-sets/{made}/projects")] == ["network"]
    attach(shop)
    shop.call("DELETE", f"/variable-sets/{made}", 204)
    shop.call("GET", f"/variable-sets/{made}", 404)
    assert of_run(shop) == ({}, {})


def test_names_are_taken_once_and_lists_are_filtered_sorted_and_paged(shop: Shop) -> None:
    for name, is_global in (("beta", True), ("alpha", False), ("gamma", False)):
        make_set(shop, name, is_global=is_global)
    assert shop.call("POST", "/variable-sets", 409, json={"name": "beta"})["error"] == "name_taken"

    def names(query: str) -> list[str]:
        return [row["name"] for row in shop.call("GET", f"/variable-sets?{query}")]

    assert names("") == ["alpha", "beta", "gamma"] and names("sort=-created") == ["gamma", "alpha", "beta"]
    assert (
        names("is_global=true") == ["beta"] and names("q=mm") == ["gamma"] and names("page=2&page_size=2") == ["gamma"]
    )
    beta = shop.call("GET", "/variable-sets?q=beta")[0]
    assert shop.call("PATCH", f"/variable-sets/{beta['id']}", 409, json={"name": "alpha"})["error"] == "name_taken"
    assert shop.call("PATCH", f"/variable-sets/{beta['id']}", json={"is_global": False})["version"] == 2
    shop.call("PATCH", f"/variable-sets/{beta['id']}", 409, json={"name": "late", "version": 1})


def test_only_known_sets_are_attached_each_once_and_not_too_many(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = make_set(shop, "one"), make_set(shop, "two")
    attach(shop, one, one, code=422)
    attach(shop, one, "00000000-0000-4000-8000-000000000000", code=422)
    monkeypatch.setattr("app.terraform.service_variable_sets.MAX_ATTACHED", 1)
    attach(shop, one, two, code=422)
    assert shop.of_project("GET", "/variable-sets") == []


def test_attaching_needs_the_right_to_the_set_and_to_the_project(shop: Shop, as_other: Callable[..., Backend]) -> None:
    made = make_set(shop, "Shared")
    for scopes, code in (
        (["terraform:view", "terraform:edit"], 403),
        (["terraform:view", "terraform_variable_set:edit"], 403),
        (["terraform:view", "terraform:edit", "terraform_variable_set:edit"], 200),
    ):
        other = as_other(Role.ADMIN, scopes=scopes)
        assert other.api("PUT", "/variable-sets", json={"set_ids": [made]}).status_code == code
    stranger = as_other(Role.ADMIN, elsewhere=True)
    mine = Workshop(shop.app, shop.settings, stranger.key, stranger.project)
    assert mine.call("GET", "/variable-sets") == [], "sets of another tenant are nobody's"
    mine.call("GET", f"/variable-sets/{made}", 404)


def test_every_change_is_in_the_audit_log(shop: Shop) -> None:
    made = make_set(shop, "Shared", {"name": "size", "value": 1})
    attach(shop, made)
    attach(shop)
    (row,) = shop.call("GET", f"/variable-sets/{made}/variables")
    shop.call("PATCH", f"/variable-sets/{made}/variables/{row['id']}", json={"value": 2})
    shop.call("DELETE", f"/variable-sets/{made}/variables/{row['id']}", 204)
    shop.call("PATCH", f"/variable-sets/{made}", json={"description": "Of all"})
    shop.call("DELETE", f"/variable-sets/{made}", 204)
    with system_scope("test"), unit_of_work(writes=False):
        events = db.session.scalars(select(AuditEntry.event).order_by(AuditEntry.id)).all()
    about = [event for event in events if "set" in event]
    assert about == [
        "terraform_variable_set:create",
        "terraform_set_variable:create",
        "terraform_project:variable_sets",
        "terraform_variable_set:attach",
        "terraform_project:variable_sets",
        "terraform_variable_set:detach",
        "terraform_set_variable:update",
        "terraform_set_variable:delete",
        "terraform_variable_set:update",
        "terraform_variable_set:delete",
    ]


def test_sets_cost_as_many_queries_for_many_as_for_few(shop: Shop) -> None:
    counts = []
    for many in (2, 9):
        ids = [make_set(shop, f"{many} {n}", {"name": f"v{n}", "value": n}) for n in range(many)]
        attach(shop, *ids)
        with sent() as statements:
            assert len(shop.of_project("GET", "/values")) == many
            assert len(shop.call("GET", "/variable-sets?page_size=100")) >= many
        counts.append(len(statements))
    assert counts[0] == counts[1], counts


# --- pages


def test_a_set_is_made_filled_attached_and_detached_in_the_browser(shop: Shop, browser: FlaskClient) -> None:
    assert "No variable set yet" in text(browser, "/terraform/variable-sets")
    made = factories.post(browser, "/terraform/variable-sets/new", name="AWS, staging", description="Of staging")
    where = made.headers["Location"]
    factories.post(browser, f"{where}/variables/new", name="size", category="terraform", value="[1, 2]", as_json="1")
    factories.post(
        browser, f"{where}/variables/new", name="CLOUD_KEY", category="environment", value=SECRET, sensitive="1"
    )
    project = f"/terraform/{shop.uuid}"
    factories.post(browser, f"{where}/attach", project_uuid=shop.uuid)
    shown = text(browser, where)
    assert "[1, 2]" in shown and SECRET not in shown and "network" in shown and "Detach" in shown
    listed = text(browser, f"{project}/variables")
    assert "AWS, staging" in listed and "[1, 2]" in listed and SECRET not in listed
    factories.post(browser, f"{project}/variables", name="size", value="5", as_json="1")
    assert "overrides AWS, staging" in text(browser, f"{project}/variables")
    refused = factories.post(browser, f"{where}/remove", confirmed="1")
    assert "Detach it there first" in text(browser, refused.headers["Location"])
    set_uuid = where.rsplit("/", 1)[1]
    for act in ("first", "detach"):
        factories.post(browser, f"{project}/variable-sets", act=act, set_uuid=set_uuid)
    again = factories.post(browser, f"{project}/variable-sets", act="detach", set_uuid=set_uuid)
    assert "is not attached to network" in text(browser, again.headers["Location"])
    assert "Its values go with it" in factories.post(browser, f"{where}/remove").get_data(as_text=True)
    assert factories.post(browser, f"{where}/remove", confirmed="1").status_code == 303
    assert "No variable set yet" in text(browser, "/terraform/variable-sets")


def test_a_form_that_is_refused_changes_nothing_and_keeps_what_was_typed(shop: Shop, browser: FlaskClient) -> None:
    made = make_set(shop, "Shared", {"name": "token", "value": SECRET, "sensitive": True})
    (row,) = shop.call("GET", f"/variable-sets/{made}/variables")
    where = f"/terraform/variable-sets/{made}/variables/{row['id']}"
    answer = factories.post(browser, where, keep="1", value="", description="typed", version="1")
    assert answer.status_code == 422 and "typed" in answer.get_data(as_text=True)
    assert SECRET not in text(browser, where)
    (left,) = shop.call("GET", f"/variable-sets/{made}/variables")
    assert (left["version"], left["description"], left["sensitive"]) == (1, None, True)
