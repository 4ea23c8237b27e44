"""Values are looked at when they are saved and before each plan: declared types, rules of people, what is needed."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import Settings
from tests import factories
from tests.factories import PersonMade
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop
from tests.terraform.test_configuration import Shop, variables
from tests.terraform.test_pages import text
from tests.terraform.test_variable_sets import attach, make_set

pytestmark = pytest.mark.database
SECRET = "planted-value-that-breaks-a-rule"
DECLARED = """
variable "size" {
  type    = number
  default = 1
}
variable "hosts" {
  type    = list(object({ name = string, port = optional(number, 80) }))
  default = []
}
variable "zone" {
  type = string
}
variable "token" {
  type      = string
  default   = "unset"
  sensitive = true
}
resource "terraform_data" "first" { input = [var.size, var.zone] }
"""


@pytest.fixture
def shop(app_context: Flask, settings: Settings, backend: Backend) -> Shop:
    """A project whose files declare variables, read."""
    made = Shop(app_context, settings, backend.key, backend.project)
    made.write(DECLARED)
    made.read()
    return made


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def give(shop: Workshop, name: str, value: Any, code: int = 201, **more: Any) -> Any:
    """Give a variable its first value."""
    return shop.of_project("POST", "/variables", code, json={"name": name, "value": value, **more})


def said(answer: Any) -> str:
    """Return what a refusal says of the value."""
    return str(answer["errors"]["value"][0])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("size", "many", "size must be a number. The files declare the type number."),
        ("hosts", {"name": "web"}, "hosts must be a list."),
        ("hosts", [{"name": "web"}, {"port": 1}], "hosts[1].name is missing."),
        ("hosts", [{"name": "web", "port": "x"}], "hosts[0].port must be a number."),
    ],
)
def test_a_value_that_does_not_fit_the_declared_type_is_refused_with_the_place(
    shop: Shop, name: str, value: Any, expected: str
) -> None:
    assert said(give(shop, name, value, 422)).startswith(expected)
    assert not variables(shop)[name]["is_set"]


def test_an_edit_is_looked_at_like_a_new_value_and_changes_nothing_when_it_is_refused(shop: Shop) -> None:
    made = give(shop, "size", 3)
    shop.of_project("PATCH", f"/variables/{made['id']}", 422, json={"value": [], "description": "New"})
    left = variables(shop)["size"]
    assert (left["value"], left["description"], left["version"]) == (3, None, made["version"])


@pytest.mark.parametrize(
    ("rules", "good", "bad", "reason"),
    [
        ({"pattern": "web-[0-9]{2}"}, "web-07", "web-7", "must fit the pattern web-[0-9]{2}"),
        ({"pattern": "[0-9]+"}, 5, [5], "must fit the pattern"),
        ({"pattern": "a*"}, "a" * 1000, "a" * 10_001, "at most 10000 characters"),
        ({"min": 2}, 2, 1, "must be at least 2"),
        ({"max": 2.5}, "2.5", 3, "must be at most 2.5"),
        ({"min": 0}, 1, "none", "must be a number"),
        ({"min_length": 2}, "ab", "a", "must have at least 2 characters"),
        ({"max_length": 1}, [1], [1, 2], "must have at most 1 entries"),
        ({"one_of": ["a", "5", "true"]}, 5, 6, "must be one of a, 5, true"),
        ({"one_of": ["a", "5", "true"]}, True, [], "must be one of"),
    ],
)
def test_rules_of_people_hold_for_every_value_that_is_saved(
    shop: Shop, rules: dict[str, Any], good: Any, bad: Any, reason: str
) -> None:
    made = give(shop, "undeclared", good, rules=rules)
    assert made["rules"] == rules
    assert reason in said(shop.of_project("PATCH", f"/variables/{made['id']}", 422, json={"value": bad}))
    assert reason in said(give(shop, "another", bad, 422, rules=rules))
    shop.of_project("PATCH", f"/variables/{made['id']}", json={"value": bad, "rules": None})


@pytest.mark.parametrize(
    "rules",
    [
        {"pattern": "(a"},
        {"pattern": ""},
        {"min": 3, "max": 2},
        {"min_length": 3, "max_length": 2},
        {"min_length": -1},
        {"max_length": 65_537},
        {"one_of": []},
        {"one_of": ["x" * 201]},
        {"min": "NaN"},
        {"unknown": 1},
    ],
)
def test_rules_that_cannot_be_used_are_refused(shop: Shop, rules: dict[str, Any]) -> None:
    refused = give(shop, "undeclared", 1, 422, rules=rules)
    assert list(refused["errors"].get("json", refused["errors"])) == ["rules"], refused
    assert "undeclared" not in variables(shop)


def test_rules_of_people_stay_when_the_files_are_read_again_and_stand_beside_theirs(shop: Shop) -> None:
    made = give(shop, "size", 3, rules={"min": 2})
    validation = 'validation {\n    condition     = var.size != 13\n    error_message = "Not 13, please."\n  }\n'
    shop.write(DECLARED.replace("default = 1\n", f"default = 2\n  {validation}"))
    shop.read()
    found = variables(shop)["size"]
    assert found["validation_rules"] == [
        {"condition": "${var.size != 13}", "error_message": "Not 13, please.", "source": "files"},
        {"source": "people", "min": 2},
    ]
    assert (found["rules"], found["version"]) == ({"min": 2}, made["version"])
    shop.of_project("DELETE", f"/variables/{made['id']}", 204)
    shop.write("# nothing\n")
    shop.read()
    left = variables(shop)
    assert set(left) == {"size"} and left["size"]["rules"] == {"min": 2}, "a rule outlives what it was set on"


def test_a_plan_without_a_needed_value_is_refused_with_the_name_and_runs_nothing(shop: Shop) -> None:
    refused = shop.ask(409)
    assert refused["error"] == "values_refused" and "zone needs a value" in refused["message"]
    assert shop.of_project("GET", "/executions") == []
    shop.ask(execution_type="init")
    give(shop, "zone", "a")
    shop.ask()


def test_values_of_sets_and_those_before_a_rule_are_looked_at_before_the_plan(shop: Shop) -> None:
    give(shop, "zone", "elsewhere")
    made = give(shop, "size", 3)
    attach(shop, make_set(shop, "Shared", {"name": "token", "value": SECRET, "sensitive": True}))
    shop.ask()
    shop.of_project("PATCH", f"/variables/{made['id']}", json={"rules": {"max": 2}})
    zone = variables(shop)["zone"]
    shop.of_project("PATCH", f"/variables/{zone['id']}", json={"rules": {"one_of": ["a", "b"]}})
    token = variables(shop)["token"]
    shop.of_project("PATCH", f"/variables/{token['id']}", json={"rules": {"max_length": 5}})
    message = shop.ask(409)["message"]
    assert "size must be at most 2." in message and "zone must be one of a, b." in message
    assert "token (from the set Shared) must have at most 5 characters." in message
    assert SECRET not in message and "elsewhere" not in message


def test_a_value_of_a_set_that_does_not_fit_the_declared_type_stops_the_plan(shop: Shop) -> None:
    give(shop, "zone", "a")
    made = make_set(shop, "Shared", {"name": "hosts", "value": [{"name": "web", "port": SECRET}], "sensitive": True})
    attach(shop, made)
    message = shop.ask(409)["message"]
    assert "hosts (from the set Shared)[0].port must be a number." in message and SECRET not in message


def test_the_default_of_the_files_keeps_the_rules_of_people_too(shop: Shop) -> None:
    give(shop, "zone", "a")
    size = variables(shop)["size"]
    shop.of_project("PATCH", f"/variables/{size['id']}", json={"rules": {"min": 2}})
    assert "size (its default) must be at least 2." in shop.ask(409)["message"]


def test_files_that_are_not_read_yet_or_not_whole_leave_declarations_to_terraform(shop: Shop) -> None:
    shop.write(DECLARED + "\n")
    shop.ask()
    shop.write('variable "broken" {', "broken.tf")
    shop.read()
    shop.ask()


def test_conditions_that_the_files_declare_stop_the_plan_with_their_message_and_line(workshop: Workshop) -> None:
    validation = 'validation {\n    condition     = var.size != 13\n    error_message = "Not 13, please."\n  }\n'
    workshop.write(f'variable "size" {{\n  type = number\n  {validation}}}\nvariable "secret" {{}}\n')
    workshop.of_project("POST", "/variables", 201, json={"name": "size", "value": 13})
    give(workshop, "secret", 'of "two"\nlines', sensitive=True)
    failed = workshop.plan()
    assert failed["status"] == "failed"
    assert "Invalid value for variable. Not 13, please." in failed["error_message"]
    assert "validation rule at main.tf:3" in failed["error_message"]
    log = workshop.log(failed)
    assert "Not 13, please." in log and "two" not in log, "the line of the file with every value is not shown"


def test_a_rule_that_comes_while_a_plan_waits_holds_when_it_begins(workshop: Workshop) -> None:
    size = give(workshop, "size", 2, rules={"max": 5})
    asked = workshop.ask()
    workshop.of_project("PATCH", f"/variables/{size['id']}", json={"rules": {"max": 1}})
    failed = workshop.ended(asked)
    assert (failed["status"], failed["failure_code"]) == ("failed", "engine_error")
    assert "size must be at most 1." in failed["error_message"] and failed["review"] == "none"


def test_what_newer_files_need_stops_no_plan_of_older_ones(workshop: Workshop) -> None:
    asked = workshop.ask()
    workshop.write(DECLARED)
    Shop(workshop.app, workshop.settings, workshop.key, workshop.uuid).read()
    assert workshop.ended(asked)["status"] == "success"


def test_rules_are_set_in_the_browser_and_what_is_wrong_is_said_beside_the_field(
    shop: Shop, browser: FlaskClient
) -> None:
    size = variables(shop)["size"]
    where = f"/terraform/{shop.uuid}/variables/{size['id']}"
    form = {"name": "size", "value": "5", "as_json": "1", "has_rules": "1"}
    refused = factories.post(browser, where, **form, rule_min="six", rule_pattern="(a")
    assert refused.status_code == 422 and "rule_min-error" in refused.get_data(as_text=True)
    refused = factories.post(browser, where, **form, rule_min="6")
    assert refused.status_code == 422 and "size must be at least 6" in refused.get_data(as_text=True)
    assert variables(shop)["size"]["rules"] == {}, "a form that is refused changes nothing"
    assert factories.post(browser, where, **form, rule_min="2", rule_one_of="5\r\n7\r\n").status_code == 303
    assert variables(shop)["size"]["rules"] == {"min": 2, "one_of": ["5", "7"]}
    assert 'value="2.0"' in text(browser, where) or 'value="2"' in text(browser, where)


def test_a_rule_is_set_in_the_browser_on_a_variable_that_gets_its_value_elsewhere(
    shop: Shop, browser: FlaskClient
) -> None:
    zone = variables(shop)["zone"]
    where = f"/terraform/{shop.uuid}/variables/{zone['id']}"
    assert 'name="keep"' in text(browser, where)
    saved = factories.post(browser, where, name="zone", value="", keep="1", has_rules="1", rule_one_of="a")
    assert saved.status_code == 303
    left = variables(shop)["zone"]
    assert (left["is_set"], left["rules"]) == (False, {"one_of": ["a"]})
