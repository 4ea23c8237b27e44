"""What there is: rows of the instances that states hold, how they stand, and the list of them."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest
from sqlalchemy import Table, update

from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.tenancy import scoped, system_scope, tenant_scope
from app.terraform.configuration_work import read_configuration
from app.terraform.infrastructure_status import TRANSITIONS
from app.terraform.infrastructure_sync import bring_up, follow_state
from app.terraform.models_configuration import TerraformOutput
from app.terraform.models_files import TerraformRevision
from app.terraform.models_infrastructure import (
    InfrastructureResource,
    InfrastructureStatus,
    InfrastructureTag,
    ResourceCloudStatus,
)
from app.terraform.models_state import TerraformState, TerraformStateFile
from tests import factories
from tests.support.sent import sent
from tests.terraform.conftest import LINEAGE, Backend
from tests.terraform.house import Workshop

PLANTED = "correct-horse-battery"
Instance = dict[str, Any]


def instance(address_key: str | int | None = None, *, sensitive: tuple[str, ...] = (), **attributes: Any) -> Instance:
    """One instance of a state, as terraform writes it."""
    paths = [[{"type": "get_attr", "value": name}] for name in sensitive]
    made = {"schema_version": 0, "attributes": attributes, "sensitive_attributes": paths}
    return made if address_key is None else {**made, "index_key": address_key}


def state(serial: int, outputs: dict[str, Any] | None = None, **resources: list[Instance]) -> bytes:
    """The bytes of a state; ``aws_instance__web=[...]``."""
    found = []
    for name, instances in resources.items():
        kind, _, own = name.partition("__")
        provider = 'provider["registry.terraform.io/hashicorp/aws"]'
        found.append({"mode": "managed", "type": kind, "name": own, "provider": provider, "instances": instances})
    head = {"version": 4, "terraform_version": "1.11.4", "serial": serial, "lineage": LINEAGE, "outputs": outputs or {}}
    return json.dumps({**head, "resources": found}).encode()


WEB = instance(
    "a",
    id="i-1",
    arn="arn:aws:ec2:eu-central-1:123456789012:instance/i-1",
    instance_type="t3.micro",
    instance_state="running",
    private_ip="10.0.0.7",
    public_ip="192.0.2.7",
    tags={"Name": "web", "Project": "shop"},
    tags_all={"Environment": "production"},
    user_data=PLANTED,
    password=PLANTED,
    sensitive=("password",),
)


def push(backend: Backend, data: bytes) -> None:
    """Write a state as a command line does, and let workers follow it."""
    answer = backend.ask("POST", data)
    assert answer.status_code in (200, 201), answer.get_data(as_text=True)
    follow_all()


def due() -> list[int]:
    """States whose newest version nobody has followed."""
    return [row.id for row in factories.rows(TerraformState) if row.infrastructure_at is None]


def follow_all() -> None:
    """Follow every state that is due."""
    for state_id in due():
        follow_state(state_id)


@pytest.fixture
def backend(backend: Backend, app_context: Any) -> Backend:
    """The backend, with workers in this process."""
    return backend


def listed(backend: Backend, code: int = 200, **query: Any) -> Any:
    """The list over REST."""
    answer = backend.app.test_client().get(
        "/api/v1/infrastructure/resources", query_string=query, headers=factories.bearer(backend.key)
    )
    assert answer.status_code == code, answer.get_data(as_text=True)
    return answer.json


def statuses(backend: Backend) -> dict[str, str]:
    return {row["address"]: row["status"] for row in listed(backend)}


@pytest.mark.database
def test_a_state_becomes_rows_with_region_tags_and_how_each_stands(backend: Backend) -> None:
    bucket = instance(id="logs", bucket="logs", region="eu-west-1", tags=None)
    push(backend, state(1, aws_instance__web=[WEB], aws_s3_bucket__logs=[bucket]))
    rows = {row["address"]: row for row in listed(backend)}
    web = rows['aws_instance.web["a"]']
    assert (web["type"], web["name"], web["cloud_id"], web["region"]) == ("aws_instance", "web", "i-1", "eu-central-1")
    assert web["tags"] == {"Environment": "production", "Name": "web", "Project": "shop"}
    assert (web["status"], web["workspace"], web["changed_version"]) == ("created", "default", 1)
    assert web["execution_id"] is None, "a command line did it"
    cloud = web["cloud_status"]
    assert (cloud["status"], cloud["ip_address"], cloud["cloud_resource_id"]) == ("running", "192.0.2.7", "i-1")
    assert rows["aws_s3_bucket.logs"]["region"] == "eu-west-1" and rows["aws_s3_bucket.logs"]["tags"] == {}


@pytest.mark.database
def test_nothing_secret_is_kept_whether_a_state_marks_it_or_not(backend: Backend) -> None:
    unmarked = instance(id="none", result=PLANTED, special=True)  # an older program says nothing of what providers hide
    hidden = instance(id="x", name=PLANTED, tags={"Key": PLANTED}, sensitive=("name", "tags"))
    push(backend, state(1, aws_instance__web=[WEB], random_password__db=[unmarked], aws_db__x=[hidden]))
    for model in (InfrastructureResource, InfrastructureTag, ResourceCloudStatus):
        for row in factories.rows(model):
            kept = {name: str(value) for name, value in vars(row).items()}
            assert not any(PLANTED in text for text in kept.values()), kept
    for row in listed(backend):
        path = f"/api/v1/infrastructure/resources/{row['id']}"
        shown = backend.app.test_client().get(path, headers=factories.bearer(backend.key))
        assert shown.status_code == 200 and PLANTED not in shown.get_data(as_text=True)


@pytest.mark.database
def test_rows_follow_the_state_and_keep_their_ids(backend: Backend) -> None:
    push(backend, state(1, aws_instance__web=[WEB], aws_vpc__a=[instance(id="vpc-1")]))
    before = {row["address"]: row["id"] for row in listed(backend)}
    moved = {**WEB, "attributes": {**WEB["attributes"], "user_data": "other"}}
    push(backend, state(2, aws_instance__web=[moved]))
    assert statuses(backend) == {'aws_instance.web["a"]': "updated", "aws_vpc.a": "destroyed"}
    assert {row["address"]: row["id"] for row in listed(backend)} == before
    (gone,) = listed(backend, status="destroyed")
    assert gone["cloud_status"]["status"] == "terminated" and gone["changed_version"] == 2
    push(backend, state(3, aws_instance__web=[moved], aws_vpc__a=[instance(id="vpc-2")]))
    assert statuses(backend) == {'aws_instance.web["a"]': "updated", "aws_vpc.a": "created"}
    (web,) = listed(backend, type="aws_instance")
    assert web["changed_version"] == 2, "what a version leaves alone is not changed by it"
    push(backend, state(4, aws_vpc__a=[{**instance(id="vpc-2"), "status": "tainted"}]))
    assert statuses(backend)["aws_vpc.a"] == "failed"


@pytest.mark.database
def test_a_version_is_followed_once_and_an_older_one_never_comes_after_a_newer(backend: Backend) -> None:
    push(backend, state(1, aws_vpc__a=[instance(id="vpc-1")]))
    (head,) = factories.rows(TerraformState)
    assert (head.infrastructure_version, head.state_version) == (1, 1) and head.infrastructure_at is not None
    assert not follow_state(head.id)
    backend.ask("POST", state(2, aws_vpc__a=[instance(id="vpc-2")]))
    assert due() == [head.id], "nobody heard of it, so the keeper rings"
    with tenant_scope(head.tenant_id), unit_of_work():
        system = Actor.system(head.tenant_id)
        seen = db.session.scalars(scoped(system, TerraformState)).one()
        assert seen.infrastructure_version == 1
        table = cast(Table, TerraformState.__table__)
        db.session.connection().execute(update(table).values(infrastructure_version=2))  # another worker was faster
        assert not bring_up(system, seen)
    (row,) = listed(backend)
    assert row["cloud_id"] == "vpc-1", "what was taken by another worker is not written here"


@pytest.mark.database
def test_five_thousand_instances_take_a_constant_number_of_statements(backend: Backend) -> None:
    def of(count: int, name: str) -> list[Instance]:
        return [
            instance(n, id=f"i-{n}", instance_type="t3.micro", tags={"Name": f"{name}-{n}", "Project": "shop"})
            for n in range(count)
        ]

    numbers = []
    for count, serial in ((10, 1), (5000, 2), (5000, 3)):
        backend.ask("POST", state(serial, aws_instance__web=of(count, f"web{serial}")))
        with sent() as statements:
            follow_all()
        numbers.append(len(statements))
    assert numbers[1] <= numbers[0] + 12, numbers
    assert numbers[2] <= numbers[0] + 40, numbers  # every row changes: 500 ids a statement
    assert len(factories.rows(InfrastructureResource)) == 5000
    assert len(factories.rows(InfrastructureTag)) == 10_000
    with sent() as statements:
        rows = listed(backend, tag="Name=web3-4711")
    assert [row["cloud_id"] for row in rows] == ["i-4711"] and len(statements) < 16


@pytest.mark.database
def test_the_list_is_filtered_sorted_and_paged(backend: Backend) -> None:
    other = instance(id="i-2", region="us-east-1", tags={"Project": "other"})
    many = [instance(n, id=f"vol-{n}", availability_zone="eu-central-1a") for n in range(5)]
    push(backend, state(1, aws_instance__web=[WEB], aws_instance__db=[other], aws_ebs_volume__d=many))

    def addresses(**query: Any) -> list[str]:
        return [row["address"] for row in listed(backend, **query)]

    web, base = 'aws_instance.web["a"]', "aws_instance.db"
    assert addresses(type="aws_instance", sort="address") == [base, web]
    assert addresses(region="us-east-1") == [base]
    assert addresses(tag="Project=shop") == [web]
    assert addresses(tag="Project", sort="-address") == [web, base]
    assert addresses(tag="Project=nobody") == [] == addresses(workspace="other") == addresses(workspace="ä")
    assert addresses(q="i-2") == [base] and addresses(q="web") == [web] and len(addresses(q="aws_ebs")) == 5
    assert addresses(status="destroyed") == [] and len(addresses(project=backend.project)) == 7
    listed(backend, 422, sort="tags")
    listed(backend, 422, project="00000000-0000-4000-8000-000000000000")
    seen: list[str] = []
    after: dict[str, int] = {}
    while True:
        rows = listed(backend, page_size=3, sort="address", **after)
        seen += [row["address"] for row in rows]
        if len(rows) < 3:
            break
        after = {"after": rows[-1]["number"]}
    assert seen == sorted(seen) and len(seen) == 7


@pytest.mark.database
def test_a_restored_or_forgotten_state_is_followed_too(backend: Backend) -> None:
    push(backend, state(1, aws_vpc__a=[instance(id="vpc-1")]))
    push(backend, state(2))
    assert statuses(backend) == {"aws_vpc.a": "destroyed"}
    assert backend.api("POST", "/workspaces/default/versions/1/restore").status_code == 201
    follow_all()
    assert statuses(backend) == {"aws_vpc.a": "created"}
    push(backend, state(9))
    assert backend.ask("DELETE").status_code == 200
    follow_all()
    assert statuses(backend) == {"aws_vpc.a": "destroyed"}


@pytest.mark.database
def test_a_state_that_no_key_opens_holds_up_nothing(backend: Backend) -> None:
    push(backend, state(1, aws_vpc__a=[instance(id="vpc-1")]))
    backend.ask("POST", state(2, aws_vpc__a=[instance(id="vpc-2")]))
    newest = max(factories.rows(TerraformStateFile), key=lambda row: row.version)
    with system_scope("test"), unit_of_work():
        db.session.execute(
            update(TerraformStateFile).where(TerraformStateFile.id == newest.id).values(state_data="v1.nothing")
        )
    follow_all()
    assert due() == [], "it is not tried forever"
    assert [row["cloud_id"] for row in listed(backend)] == ["vpc-1"]
    push(backend, state(3, aws_vpc__a=[instance(id="vpc-3")]))
    assert [row["cloud_id"] for row in listed(backend)] == ["vpc-3"]


@pytest.mark.database
def test_an_apply_makes_its_instances_pending_and_then_created(workshop: Workshop, backend: Backend) -> None:
    workshop.write('resource "terraform_data" "a" {\n  for_each = toset(["x", "y"])\n}\n')
    read_configuration(max(row.id for row in factories.rows(TerraformRevision)))
    plan = workshop.plan()
    apply = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})
    two = ['terraform_data.a["x"]', 'terraform_data.a["y"]']
    assert statuses(backend) == dict.fromkeys(two, "pending")
    assert workshop.ended(apply)["status"] == "success"
    rows = listed(backend)
    assert {row["status"] for row in rows} == {"created"} and {row["execution_id"] for row in rows} == {apply["id"]}
    (declared,) = workshop.of_project("GET", "/resources")
    detail = backend.app.test_client().get(
        f"/api/v1/infrastructure/resources/{rows[0]['id']}", headers=factories.bearer(backend.key)
    )
    assert detail.json and detail.json["resource_id"] == declared["id"]
    workshop.apply(workshop.plan(is_destroy=True))
    assert statuses(backend) == dict.fromkeys(two, "destroyed")


@pytest.mark.database
def test_an_instance_names_the_server_that_it_became(workshop: Workshop, backend: Backend) -> None:
    rule = {"resource_type": "terraform_data", "hostname": "{input.value}.example.org", "ip_address": "192.0.2.1"}
    workshop.of_project("POST", "/server-rules", 201, json=rule)
    workshop.write('resource "terraform_data" "a" {\n  input = "web"\n}\n')
    workshop.apply(workshop.plan())
    (row,) = listed(backend)
    headers = factories.bearer(backend.key)
    shown = backend.app.test_client().get(f"/api/v1/infrastructure/resources/{row['id']}", headers=headers).json
    server = backend.app.test_client().get(f"/api/v1/servers/{shown['server_id'] if shown else 0}", headers=headers)
    assert server.json and server.json["hostname"] == "web.example.org"


@pytest.mark.database
def test_what_an_apply_does_not_get_to_has_failed_until_one_does(workshop: Workshop, backend: Backend) -> None:
    text = """
resource "terraform_data" "a" {{
  provisioner "local-exec" {{ command = "{command}" }}
}}
resource "terraform_data" "b" {{
  depends_on = [terraform_data.a]
}}
"""
    workshop.write(text.format(command="false"))
    assert workshop.apply(workshop.plan())["status"] == "failed"
    assert statuses(backend) == {"terraform_data.a": "failed", "terraform_data.b": "failed"}
    workshop.write(text.format(command="true"))
    assert workshop.apply(workshop.plan())["status"] == "success"
    assert statuses(backend) == {"terraform_data.a": "created", "terraform_data.b": "created"}


@pytest.mark.database
def test_an_apply_that_never_began_leaves_nothing_behind(workshop: Workshop, backend: Backend) -> None:
    workshop.write('resource "terraform_data" "a" {}\n')
    plan = workshop.plan()
    apply = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})
    assert statuses(backend) == {"terraform_data.a": "pending"}
    headers = factories.bearer(workshop.key)
    cancelled = workshop.app.test_client().post(f"/api/v1/jobs/{apply['job_id']}/cancel", headers=headers)
    assert cancelled.status_code == 202
    workshop.follow()
    assert statuses(backend) == {}


@pytest.mark.database
def test_outputs_get_their_values_and_sensitive_ones_never_do(workshop: Workshop) -> None:
    workshop.write(
        'output "open" {\n  value = { a = [1, 2] }\n}\n'
        f'output "long" {{\n  value = join("", [for i in range(1000) : "{"x" * 20}"])\n}}\n'
        f'output "hidden" {{\n  value     = "{PLANTED}"\n  sensitive = true\n}}\n'
    )
    read_configuration(max(row.id for row in factories.rows(TerraformRevision)))

    def values() -> dict[str, Any]:
        return {row["name"]: row["value"] for row in workshop.of_project("GET", "/outputs")}

    assert values() == {"open": None, "long": None, "hidden": None}
    workshop.apply(workshop.plan())
    assert values() == {"open": {"a": [1, 2]}, "long": None, "hidden": None}
    assert all(PLANTED not in str(row.value) for row in factories.rows(TerraformOutput))
    workshop.write('output "open" {\n  value = null\n}\n')
    workshop.apply(workshop.plan())
    assert values() == {"open": None, "long": None, "hidden": None}


def test_only_the_documents_arrows_and_the_written_ones_are_possible() -> None:
    document = {("pending", "created"), ("pending", "failed"), ("created", "updated"), ("created", "destroyed")}
    document.add(("updated", "updated"))
    added = {("updated", "destroyed"), ("created", "failed"), ("updated", "failed"), ("pending", "destroyed")}
    added |= {("destroyed", to) for to in ("pending", "created", "failed")}
    added |= {("failed", to) for to in ("pending", "created", "destroyed")}
    assert {(a.value, b.value) for a, targets in TRANSITIONS.items() for b in targets} == document | added


@pytest.mark.database
def test_rows_are_those_of_the_newest_state_after_any_history(backend: Backend) -> None:
    chance = random.Random(20261122)
    for serial in range(1, 12):
        names = [name for name in "abcdef" if chance.random() < 0.5]
        data = state(serial, **{f"aws_vpc__{name}": [instance(id=f"{name}-{chance.randint(1, 3)}")] for name in names})
        backend.ask("POST", data)
        if chance.random() < 0.6:
            follow_all()
    follow_all()
    there = {row["name"] for row in listed(backend) if row["status"] in ("created", "updated")}
    assert there == set(names)
    assert {row.status for row in factories.rows(InfrastructureResource)} <= set(InfrastructureStatus)
