"""Tags that a project requires: read off plans, said at their review, enforced where the project wants it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from sqlalchemy import select, true, update

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs.log_models import RunArtifact
from app.runners.terraform_plan import summarize
from app.terraform.models import TagPolicy, TerraformProject
from app.terraform.regions import with_odd
from app.terraform.tag_policy import with_missing
from tests.terraform.house import Workshop


def planned(after: Any, unknown: Any = None, *, sensitive: Any = None, actions: tuple[str, ...] = ("create",)) -> Any:
    """What the summary says of one change."""
    change = {
        "actions": list(actions),
        "after": after,
        "after_unknown": unknown or {},
        "after_sensitive": sensitive or {},
    }
    item = {"address": "aws_instance.web", "type": "aws_instance", "name": "web", "change": change}
    (listed,) = summarize({"resource_changes": [item]})["changes"]
    return listed


def missing(change: Any, *required: str, policy: TagPolicy = TagPolicy.WARN) -> list[str]:
    project = cast(TerraformProject, SimpleNamespace(tag_policy=policy, required_tags=list(required) or None))
    (one,) = with_missing(project, [change])
    return cast(list[str], one["missing_tags"])


def test_tags_that_a_resource_will_have_count_and_others_are_missing() -> None:
    assert missing(planned({"tags": {"Name": "web"}})) == ["Environment", "Project"]
    assert missing(planned({"tags": {"Environment": "a", "Project": "b"}})) == []
    assert missing(planned({"tags": {"environment": "a"}}), "Environment") == ["Environment"], "cloud bills tell case"
    assert missing(planned({"tags": None}), "Owner") == ["Owner"]
    assert missing(planned({"tags": {}}, actions=("update",)), "Owner") == ["Owner"]
    assert missing(planned({"tags": {}}, actions=("delete", "create")), "Owner") == ["Owner"]


def test_tags_that_the_provider_adds_and_unknown_ones_count() -> None:
    assert missing(planned({"tags": None, "tags_all": {"Owner": "me"}}), "Owner") == []
    assert missing(planned({"tags": {"Name": "a"}}, {"tags": {"Owner": True}}), "Owner") == []
    assert missing(planned({"tags": {"Name": "a"}}, {"tags_all": True}), "Owner") == []
    assert missing(planned({}, {"tags": True}), "Owner") == []
    assert missing(planned({"tags": {"Name": "a"}}, sensitive={"tags": True}), "Owner") == []


def test_labels_are_compared_in_lower_case_and_what_has_no_tags_lacks_none() -> None:
    assert missing(planned({"labels": {"owner": "me"}}), "Owner", "Team") == ["Team"]
    assert missing(planned({"id": "x"}), "Owner") == []
    assert missing(planned(None, actions=("delete",)), "Owner") == []
    assert missing(planned({"tags": {}}), "Owner", policy=TagPolicy.OFF) == []


def test_no_value_of_a_tag_is_in_a_summary() -> None:
    found = planned({"tags": {"Owner": "correct-horse"}})
    assert found["tags"] == ["Owner"] and "correct-horse" not in json.dumps(found)


def test_a_region_that_the_list_has_not_is_said_at_the_review() -> None:
    changes = [
        planned({"region": "eu-nowhere-9"}),
        planned({"region": "eu-central-1"}),
        planned({"location": "eu-secret-1"}, sensitive={"location": True}),
        planned({}, {"region": True}),
        planned({"region": "eu-nowhere-9"}, actions=("delete",)),
    ]
    assert [one["odd_region"] for one in with_odd(changes)] == ["eu-nowhere-9", None, None, None, None]


def tagged(tags: list[str] | None, *, checked: bool = True) -> None:
    """Let the plan say that its resources have these tags: no provider that is to be had offline has any."""
    with system_scope("test"), unit_of_work():
        rows = db.session.execute(
            select(RunArtifact.id, RunArtifact.data).where(RunArtifact.name == "summary", RunArtifact.is_last == true())
        ).all()
        for row_id, data in rows:
            summary = {**json.loads(data), "tags_checked": checked}
            for change in summary["changes"]:
                if tags is not None and change["kind"] != "delete":
                    change |= {"tags": tags, "labels": False}
            told = json.dumps(summary).encode()
            db.session.execute(update(RunArtifact).where(RunArtifact.id == row_id).values(data=told))


@pytest.mark.database
def test_a_review_says_what_is_missing_and_only_enforcement_refuses(workshop: Workshop) -> None:
    plan = workshop.plan()
    tagged(["Project"])
    shown = workshop.call("GET", f"/executions/{plan['id']}/plan")
    assert shown["required_tags"] == ["Environment", "Project"] and shown["tag_policy"] == "warn"
    assert {tuple(change["missing_tags"]) for change in shown["changes"]} == {("Environment",)}
    workshop.of_project("PATCH", json={"tag_policy": "enforce"})
    refused = workshop.apply(plan, 409)
    assert refused["error"] == "tags_missing" and "terraform_data.first (Environment)" in refused["message"]
    assert set(refused["errors"]) == {"terraform_data.first", "terraform_data.second"}
    assert workshop.call("GET", f"/executions/{plan['id']}")["review"] == "waiting", "nothing is half done"
    tagged(None, checked=False)
    assert workshop.apply(plan, 409)["error"] == "tags_unknown"
    tagged(["Project"])
    workshop.of_project("PATCH", json={"required_tags": ["Project"]})
    assert workshop.apply(plan)["status"] == "success"
    assert workshop.apply(workshop.plan(is_destroy=True))["status"] == "success", "what ends needs no tags"


@pytest.mark.database
def test_an_automatic_policy_waits_for_a_person_when_tags_are_missing(workshop: Workshop) -> None:
    workshop.of_project("PATCH", json={"apply_policy": "auto", "tag_policy": "enforce"})
    asked = workshop.ask()
    workshop.carry_next()
    tagged(["Project"])
    workshop.follow()
    assert workshop.call("GET", f"/executions/{asked['id']}")["review"] == "waiting"
    workshop.of_project("PATCH", json={"required_tags": []})
    asked = workshop.ask()
    workshop.carry_next()
    workshop.work()
    assert workshop.call("GET", f"/executions/{asked['id']}")["review"] == "applied"


@pytest.mark.database
def test_what_a_project_requires_is_checked_and_kept(workshop: Workshop) -> None:
    assert workshop.of_project("GET")["required_tags"] == ["Environment", "Project"]
    made = workshop.of_project("PATCH", json={"required_tags": [" Owner ", "Team", "Owner"], "tag_policy": "off"})
    assert (made["required_tags"], made["tag_policy"]) == (["Owner", "Team"], "off")
    for wrong in (["*"], ["a\nb"], ["x" * 129], [""], ["t"] * 21, "Owner", [1]):
        workshop.of_project("PATCH", code=422, json={"required_tags": wrong})
    workshop.of_project("PATCH", code=422, json={"tag_policy": "sometimes"})
    assert workshop.of_project("PATCH", json={"required_tags": None})["required_tags"] == ["Environment", "Project"]
