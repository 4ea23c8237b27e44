"""Configurations in the tables: read after each revision, by address, once; over REST and on the pages."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform import configuration_work, variable_values
from app.terraform.configuration_work import read_configuration, ring_overdue
from app.terraform.models import TerraformProject
from app.terraform.models_files import TerraformRevision
from app.terraform.models_variables import TerraformVariable
from config import Settings
from tests import factories
from tests.factories import PersonMade
from tests.support.sent import sent
from tests.terraform.conftest import Backend
from tests.terraform.house import MAIN, Workshop
from tests.terraform.test_pages import text

pytestmark = pytest.mark.database
SECRET = "planted-default-of-a-variable-4711"
NETWORK = """
variable "cidr" { default = "10.0.0.0/8" }
resource "aws_vpc" "main" { cidr = var.cidr }
output "id" {
  value       = aws_vpc.main.id
  description = "Of the network"
}
"""
LIVE = """
provider "aws" { region = "eu-central-1" }
module "network" {
  source = "./network"
  cidr   = data.aws_ipam.pool.cidr
}
data "aws_ipam" "pool" {}
resource "aws_instance" "web" {
  subnet     = module.network.id
  depends_on = [aws_eip.ip]
}
resource "aws_eip" "ip" {}
"""


class Shop(Workshop):
    """The project without a worker: readings are done here."""

    def read(self) -> int:
        """Read what is due, as the task does; return how many revisions that were."""
        with system_scope("test"), unit_of_work(writes=False):
            ids = db.session.scalars(select(TerraformRevision.id).where(TerraformRevision.read_at.is_(None))).all()
        return sum(read_configuration(revision_id) for revision_id in ids)

    def listed(self, kind: str, query: str = "") -> list[Any]:
        """Return what the API lists."""
        found = self.of_project("GET", f"/{kind}{query}")
        assert isinstance(found, list)
        return found

    def resources(self) -> dict[str, Any]:
        """Return the resources by address."""
        return {row["address"]: row for row in self.listed("resources")}


@pytest.fixture
def shop(app_context: Flask, settings: Settings, backend: Backend) -> Shop:
    """An empty project as its administrator uses it over REST."""
    return Shop(app_context, settings, backend.key, backend.project)


@pytest.fixture
def browser(app: Flask, admin: PersonMade) -> FlaskClient:
    """The administrator's browser."""
    return factories.sign_in(app.test_client(), admin)


def test_what_files_declare_is_listed_after_the_reading(shop: Shop) -> None:
    shop.write(NETWORK, "network/main.tf")
    shop.write(LIVE)
    assert shop.read() == 2, "one was read, and the one before it is no longer in force"
    resources = shop.resources()
    assert list(resources) == sorted(resources)
    assert {
        (row["address"], row["module"], row["file"], row["line"], row["is_data"]) for row in resources.values()
    } == {
        ("aws_eip.ip", None, "main.tf", 12, False),
        ("aws_instance.web", None, "main.tf", 8, False),
        ("data.aws_ipam.pool", None, "main.tf", 7, True),
        ("module.network.aws_vpc.main", "module.network", "network/main.tf", 3, False),
    }
    assert {row["status"] for row in resources.values()} == {"unknown"}
    web = shop.of_project("GET", f"/resources/{resources['aws_instance.web']['id']}")
    assert web["provider"] == "aws" and web["configuration"]["subnet"] == "${module.network.id}"
    assert [(one["address"], one["dependency_type"]) for one in web["needs"]] == [
        ("aws_eip.ip", "explicit"),
        ("module.network.aws_vpc.main", "implicit"),
    ]
    vpc = shop.of_project("GET", f"/resources/{resources['module.network.aws_vpc.main']['id']}")
    assert [one["address"] for one in vpc["needed_by"]] == ["aws_instance.web"]
    assert [(one["address"], one["dependency_type"]) for one in vpc["needs"]] == [("data.aws_ipam.pool", "data")]
    assert {(one["from_address"], one["to_address"]) for one in shop.listed("dependencies")} == {
        ("aws_instance.web", "aws_eip.ip"),
        ("aws_instance.web", "module.network.aws_vpc.main"),
        ("module.network.aws_vpc.main", "data.aws_ipam.pool"),
    }
    (module,) = shop.listed("modules")
    assert (module["address"], module["path"], module["parent"]) == ("module.network", "network", None)
    (provider,) = shop.listed("providers")
    assert (provider["name"], provider["alias"], provider["region"]) == ("aws", "", "eu-central-1")
    (output,) = shop.listed("outputs", "?module=module.network")
    assert (output["name"], output["description"], output["module"]) == ("id", "Of the network", "module.network")
    assert shop.listed("outputs", "?module=root") == []


def test_lists_are_filtered_by_type_module_and_part_of_the_address(shop: Shop) -> None:
    shop.write(NETWORK, "network/main.tf")
    shop.write(LIVE)
    shop.read()

    def found(query: str) -> set[str]:
        return {row["address"] for row in shop.listed("resources", query)}

    assert found("?resource_type=aws_eip") == {"aws_eip.ip"}
    assert found("?module=module.network") == {"module.network.aws_vpc.main"}
    assert found("?module=root&is_data=true") == {"data.aws_ipam.pool"}
    assert found("?q=vpc") == {"module.network.aws_vpc.main"}
    assert found("?q=%C3%A4") == found("?module=%C3%A4") == found("?is_missing=true") == set()
    assert found("?page_size=2&page=2") == {"data.aws_ipam.pool", "module.network.aws_vpc.main"}
    shop.of_project("GET", "/resources?module=", 422)


def test_a_new_revision_updates_by_address_and_what_vanished_is_marked(shop: Shop) -> None:
    shop.write()
    shop.read()
    before = shop.resources()
    changed = MAIN.replace('"second"', '"third"').replace("input = var.size", "input = 7")
    shop.write(f"# moved down\n{changed}")
    shop.read()
    after = shop.resources()
    first, second, third = (f"terraform_data.{name}" for name in ("first", "second", "third"))
    assert after[first]["id"] == before[first]["id"] and after[first]["line"] == before[first]["line"] + 1
    assert after[second]["id"] == before[second]["id"] and after[second]["missing_since"]
    assert after[third]["missing_since"] is None
    assert [one["from_address"] for one in shop.listed("dependencies")] == [third]
    shop.write(MAIN)
    shop.read()
    again = shop.resources()
    assert again[second]["missing_since"] is None and again[third]["missing_since"]
    assert again[second]["id"] == before[second]["id"]


def test_reading_twice_changes_nothing(shop: Shop) -> None:
    shop.write()
    assert shop.read() == 1 and shop.read() == 0
    before = (shop.resources(), shop.listed("dependencies"), shop.listed("variables"))
    with system_scope("test"), unit_of_work():
        db.session.execute(update(TerraformRevision).values(read_at=None))
    assert shop.read() == 1
    assert (shop.resources(), shop.listed("dependencies"), shop.listed("variables")) == before


def test_bad_hcl_is_kept_shown_with_its_place_and_takes_nothing_away(shop: Shop, browser: FlaskClient) -> None:
    shop.write()
    shop.read()
    before = shop.resources()
    shop.write("variable {\n  x = = 1\n}\n")
    where = f"/terraform/{shop.uuid}"
    saved = text(browser, f"{where}/files?saved=main.tf")
    assert "Saved, but it cannot be read as it is" in saved and "main.tf:2" in saved
    assert "is being read" in text(browser, f"{where}/files")
    shop.read()
    newest = shop.listed("revisions")[0]
    (problem,) = newest["problems"]
    assert newest["read_at"] and (problem["file"], problem["line"]) == ("main.tf", 2)
    assert shop.resources() == before, "a typing error makes nothing vanish"
    for page in ("files", "resources"):
        shown = text(browser, f"{where}/{page}")
        assert "main.tf:2" in shown and "not expected here" in shown
    shop.write()
    shop.read()
    assert "not expected here" not in text(browser, f"{where}/files")


def test_a_circle_is_said_on_the_revision(shop: Shop) -> None:
    shop.write('resource "a_b" "x" { v = a_b.y.id }\nresource "a_b" "y" { v = a_b.x.id }\n')
    shop.read()
    (problem,) = shop.listed("revisions")[0]["problems"]
    assert "circle: a_b.x -> a_b.y -> a_b.x" in problem["reason"]
    assert len(shop.listed("dependencies")) == 2


def test_another_working_directory_is_read_at_once(shop: Shop) -> None:
    shop.write(NETWORK, "network/main.tf")
    shop.read()
    assert "no .tf files" in shop.listed("revisions")[0]["problems"][0]["reason"]
    shop.of_project("PATCH", json={"working_directory": "network"})
    assert shop.read() == 1
    assert list(shop.resources()) == ["aws_vpc.main"] and shop.listed("revisions")[0]["problems"] == []


def test_a_revision_that_is_replaced_while_it_is_read_leaves_the_tables_alone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.write()
    real = configuration_work.read_bounded

    def replaced(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(configuration_work, "read_bounded", real)
        shop.write('resource "a_b" "newer" {}\n')
        return real(*arguments, **options)

    monkeypatch.setattr(configuration_work, "read_bounded", replaced)
    assert shop.read() == 0 and shop.resources() == {}
    assert shop.read() == 2
    assert list(shop.resources()) == ["a_b.newer"]


def test_the_keeper_rings_for_what_nobody_has_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[int] = []
    monkeypatch.setattr("app.core.queue.send", lambda _task, revision_id: rung.append(revision_id) or True)
    shop.write()
    due = list(rung)
    assert len(due) == 1 and ring_overdue() == 0, "the doorbell of the save is heard first"
    monkeypatch.setattr(configuration_work, "OVERDUE_SECONDS", -5.0)
    assert ring_overdue() == 1 and rung == due * 2
    shop.read()
    assert ring_overdue() == 0


# --- declared variables


def of_run(shop: Shop) -> tuple[dict[str, Any], dict[str, Any]]:
    with system_scope("test"), unit_of_work(writes=False):
        project = db.session.scalars(select(TerraformProject).where(TerraformProject.uuid == shop.uuid)).one()
        return variable_values.values_of_run(project.tenant_id, project.id)


def variables(shop: Shop) -> dict[str, Any]:
    return {row["name"]: row for row in shop.listed("variables")}


def test_a_declared_variable_is_listed_and_gets_its_value(shop: Shop) -> None:
    shop.write(MAIN + 'variable "zone" {\n  type        = string\n  description = "Where"\n}\n')
    shop.read()
    found = variables(shop)
    assert (found["size"]["type"], found["size"]["default_value"], found["size"]["is_required"]) == ("number", 1, False)
    zone = found["zone"]
    assert (found["zone"]["description"], found["zone"]["is_required"], found["zone"]["is_set"]) == (
        "Where",
        True,
        False,
    )
    assert found["secret"]["sensitive"] and found["secret"]["default_value"] is None
    assert of_run(shop) == ({}, {}), "what has no value is left to its default"
    made = shop.of_project("POST", "/variables", 201, json={"name": "zone", "value": "a"})
    assert (made["id"], made["value"], made["is_declared"]) == (zone["id"], "a", True)
    shop.of_project("POST", "/variables", 409, json={"name": "zone", "value": "b"})
    secret = shop.of_project("POST", "/variables", 201, json={"name": "secret", "value": "x" * 9})
    assert (secret["value"], secret["sensitive"], secret["is_set"]) == (None, True, True)
    shop.of_project("PATCH", f"/variables/{secret['id']}", 422, json={"sensitive": False, "value": "y"})
    undeclared = shop.of_project("POST", "/variables", 201, json={"name": "further", "value": 1})
    assert undeclared["is_declared"] is False
    assert of_run(shop) == ({"zone": "a", "further": 1}, {"secret": "x" * 9})


def test_a_value_is_taken_away_and_the_declaration_stays(shop: Shop) -> None:
    shop.write()
    shop.read()
    made = shop.of_project("POST", "/variables", 201, json={"name": "size", "value": 3, "sensitive": True})
    shop.of_project("DELETE", f"/variables/{made['id']}", 204)
    left = variables(shop)["size"]
    assert (left["id"], left["is_set"], left["sensitive"], left["default_value"]) == (made["id"], False, False, 1)
    shop.of_project("DELETE", f"/variables/{made['id']}", 409)


def test_a_declaration_that_goes_leaves_values_and_one_that_comes_finds_them(shop: Shop) -> None:
    shop.of_project("POST", "/variables", 201, json={"name": "secret", "value": "plain until declared"})
    shop.of_project("POST", "/variables", 201, json={"name": "size", "value": 5})
    shop.write()
    shop.read()
    found = variables(shop)
    assert found["size"]["is_declared"] and found["size"]["value"] == 5
    assert found["secret"]["sensitive"] and found["secret"]["value"] is None and found["secret"]["is_set"]
    assert of_run(shop) == ({"size": 5}, {"secret": "plain until declared"})
    shop.write('variable "other" {}\n')
    shop.read()
    left = variables(shop)
    assert {name: row["is_declared"] for name, row in left.items()} == {"size": False, "secret": False, "other": True}
    shop.write("# nothing\n")
    shop.read()
    assert set(variables(shop)) == {"size", "secret"}, "what nobody declares and nobody set is gone"


def test_a_secret_default_is_nowhere_in_the_tables(shop: Shop) -> None:
    shop.write(f'variable "token" {{\n  default = "{SECRET}"\n  sensitive = true\n}}\n', "secret.tf")
    shop.write(f'provider "aws" {{\n  secret_key = "{SECRET}"\n}}\n')
    shop.read()
    assert SECRET not in str([shop.listed(kind) for kind in ("variables", "providers", "resources")])
    with system_scope("test"), unit_of_work(writes=False):
        assert SECRET not in str(db.session.execute(select(TerraformVariable.__table__)).all())


def test_variables_of_nested_modules_are_kept_apart_from_those_of_the_root(shop: Shop) -> None:
    shop.write(NETWORK, "network/main.tf")
    shop.write(LIVE + 'variable "cidr" { default = "of the root" }\n')
    shop.read()
    assert [row["default_value"] for row in shop.listed("variables")] == ["of the root"]
    with system_scope("test"), unit_of_work(writes=False):
        keys = db.session.execute(select(TerraformVariable.name, TerraformVariable.module_key)).all()
    assert len(keys) == 2 and {name for name, _key in keys} == {"cidr"}


def test_names_that_differ_in_upper_and_lower_case_are_two(shop: Shop) -> None:
    for kind in ("variable", "output"):
        shop.write(f'{kind} "size" {{ value = 1 }}\n{kind} "Size" {{ value = 1 }}\n', f"{kind}.tf")
    shop.write('provider "aws" {\n  alias = "west"\n}\nprovider "aws" {\n  alias = "West"\n}\n')
    shop.write('resource "a_b" "c" {}\nresource "a_b" "C" {}\n', "resource.tf")
    shop.read()
    assert shop.listed("revisions")[0]["problems"] == []
    for kind in ("variables", "outputs", "resources"):
        assert len(shop.listed(kind)) == 2, kind
    assert {row["alias"] for row in shop.listed("providers") if row["name"] == "aws"} == {"west", "West"}


# --- pages


def test_resources_and_their_dependencies_are_looked_at_in_the_browser(shop: Shop, browser: FlaskClient) -> None:
    where = f"/terraform/{shop.uuid}"
    assert "No resources yet" in text(browser, f"{where}/resources")
    shop.write(NETWORK, "network/main.tf")
    shop.write(LIVE)
    shop.read()
    listed = text(browser, f"{where}/resources")
    assert "module.network.aws_vpc.main" in listed and "network/main.tf:3" in listed
    assert "aws_eip.ip" not in text(browser, f"{where}/resources?module=module.network")
    assert "No resource matches" in text(browser, f"{where}/resources?q=nothing")
    web = text(browser, f"{where}/resources/{shop.resources()['aws_instance.web']['id']}")
    assert "by depends_on" in web and "module.network.aws_vpc.main" in web and "main.tf:8" in web
    variables = text(browser, f"{where}/variables")
    assert "cidr" not in variables, "that of the module is no input of the project"


def test_saving_in_the_editor_shows_at_once_what_is_wrong(shop: Shop, browser: FlaskClient) -> None:
    where = f"/terraform/{shop.uuid}"
    saved = factories.post(browser, f"{where}/edit-file", path="main.tf", content='resource "a_b" "c" {\n')
    assert saved.status_code == 303
    assert "Saved, but it cannot be read as it is" in text(browser, saved.headers["Location"])
    assert shop.of_project("GET", "/files")["files"], "it is saved all the same"
    fine = factories.post(browser, f"{where}/edit-file", path="main.tf", content='resource "a_b" "c" {}\n')
    assert "cannot be read" not in text(browser, fine.headers["Location"])


@pytest.mark.parametrize("kind", ["resources", "dependencies", "modules", "providers", "outputs", "variables"])
def test_lists_take_as_many_queries_for_many_as_for_few(shop: Shop, kind: str) -> None:
    def configuration(many: int) -> str:
        numbers = range(many)
        return "".join(
            f'resource "a{n}_b" "r" {{ v = a{n}_b.s.id }}\nresource "a{n}_b" "s" {{}}\noutput "o{n}" {{ value = 1 }}\n'
            f'variable "v{n}" {{}}\nmodule "m{n}" {{ source = "./m" }}\n'
            for n in numbers
        )

    shop.write('resource "x_y" "z" {}\noutput "o" { value = 1 }\n', "m/main.tf")
    counts = []
    for many in (2, 12):
        shop.write(configuration(many))
        shop.read()
        query = "" if kind in ("modules", "providers", "variables") else "?page_size=100"
        with sent() as statements:
            assert len(shop.listed(kind, query)) >= many
        counts.append(len(statements))
    assert counts[0] == counts[1], f"{kind}: {counts}"
