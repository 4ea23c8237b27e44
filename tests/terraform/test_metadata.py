"""How the graph shows a project, its modules and its resources: a strict little document for each."""

from __future__ import annotations

from typing import Any

import pytest

from app.audit.models import AuditEntry
from app.terraform.configuration_work import read_configuration
from app.terraform.models_files import TerraformRevision
from app.terraform.models_modules import TerraformModule
from tests import factories
from tests.terraform.house import Workshop

FULL = {
    "position": {"x": 12.5, "y": -40},
    "zoom": 0.5,
    "color": "#1d6fa5",
    "icon": "server",
    "collapsed": True,
    "labels": ["edge", "Ä"],
}


@pytest.fixture
def things(workshop: Workshop) -> dict[str, str]:
    """Paths of a project, a module and a resource."""
    workshop.write('resource "terraform_data" "b" {}\n', "m/main.tf")
    workshop.write('module "net" {\n  source = "./m"\n}\nresource "terraform_data" "a" {}\n')
    read_configuration(max(row.id for row in factories.rows(TerraformRevision)))
    (module,) = factories.rows(TerraformModule)
    resource = workshop.of_project("GET", "/resources")[0]
    return {"project": "", "module": f"/modules/{module.uuid}", "resource": f"/resources/{resource['id']}"}


def shown(workshop: Workshop, what: str, path: str) -> Any:
    """The metadata as a reader sees it."""
    if what == "module":
        return workshop.of_project("GET", "/modules")[0]["metadata"]
    return workshop.of_project("GET", path)["metadata"]


@pytest.mark.database
def test_keys_are_changed_one_by_one_and_taken_away_by_null(workshop: Workshop, things: dict[str, str]) -> None:
    before = workshop.of_project("GET")["version"]
    for what, path in things.items():
        assert workshop.of_project("PATCH", f"{path}/metadata", json=FULL) == {"metadata": FULL}
        assert shown(workshop, what, path) == FULL
        changed = workshop.of_project("PATCH", f"{path}/metadata", json={"zoom": 2, "labels": None})["metadata"]
        assert changed == {**{k: v for k, v in FULL.items() if k != "labels"}, "zoom": 2}
        assert shown(workshop, what, path) == changed
    assert workshop.of_project("GET")["version"] == before, "moving a box refuses nobody's edit"
    entries = [row for row in factories.rows(AuditEntry) if row.event == "terraform_project:metadata"]
    assert len(entries) == 6
    workshop.of_project("PATCH", "/metadata", json={"zoom": 2})
    assert len([row for row in factories.rows(AuditEntry) if row.event == "terraform_project:metadata"]) == 6


@pytest.mark.database
def test_what_is_no_metadata_is_refused_and_changes_nothing(workshop: Workshop, things: dict[str, str]) -> None:
    wrong: list[Any] = [
        {"position": {"x": 1}},
        {"position": {"x": 1, "y": "far"}},
        {"position": {"x": 1, "y": 2e9}},
        {"position": {"x": 1, "y": 2, "z": 3}},
        {"zoom": 0},
        {"zoom": "NaN"},
        {"color": "red"},
        {"color": "#1d6fa5;background:url(x)"},
        {"icon": "../../etc"},
        {"collapsed": "yes"},
        {"labels": ["x" * 51]},
        {"labels": ["x"] * 21},
        {"labels": "edge"},
        {"script": "x"},
        [],
    ]
    for path in things.values():
        for one in wrong:
            workshop.of_project("PATCH", f"{path}/metadata", 422, json=one)
    assert workshop.of_project("GET")["metadata"] == {}
