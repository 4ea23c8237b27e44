"""What an apply becomes: servers by rules, with what people changed kept, and what stands in the way said."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.inventory.models import HostKey, Server
from app.terraform.models_servers import TerraformServerRule
from app.terraform.server_mapping import MappingError, check_text, server_values
from app.terraform.server_sync import retry_leaving
from app.terraform.state_document import Instance
from tests import factories
from tests.terraform.house import Workshop

MACHINES = """
resource "terraform_data" "web" {{
  for_each = {machines}
  input    = {{ name = each.key, address = each.value }}
}}
"""
RULE = {
    "resource_type": "terraform_data",
    "hostname": "{input.value.name}.example.org",
    "ip_address": "{input.value.address}",
    "ssh_user": "deploy",
    "environment": "{resource.workspace}",
    "tags": ["web", "key-{resource.key}"],
}


def machines(workshop: Workshop, **addresses: str) -> None:
    """Write a configuration of these machines, name to address."""
    workshop.write(MACHINES.format(machines=json.dumps(addresses)))


def servers() -> dict[str, Server]:
    return {server.hostname: server for server in factories.rows(Server) if not server.is_controller}


def made(workshop: Workshop) -> dict[str, Any]:
    return {row["address"]: row for row in workshop.of_project("GET", "/servers")}


@pytest.fixture
def rule(workshop: Workshop) -> Any:
    """A rule that makes servers of terraform_data."""
    return workshop.of_project("POST", "/server-rules", 201, json=RULE)


@pytest.mark.database
def test_an_apply_makes_servers_changes_them_and_a_destroy_takes_them_out_of_use(workshop: Workshop, rule: Any) -> None:
    machines(workshop, a="192.0.2.1", b="192.0.2.2")
    workshop.apply(workshop.plan())
    found = servers()
    assert sorted(found) == ["a.example.org", "b.example.org"]
    one = found["a.example.org"]
    assert (one.ip_address, one.ssh_user, one.environment) == ("192.0.2.1", "deploy", "default")
    assert sorted(one.tags or ()) == ["key-a", "web"]
    factories.set_columns(Server, one.id, ssh_user="somebody")
    machines(workshop, a="192.0.2.9")
    workshop.apply(workshop.plan())
    found = servers()
    changed = found["a.example.org"]
    assert (changed.id, changed.ip_address) == (one.id, "192.0.2.9")
    assert changed.ssh_user == "somebody", "what people changed stays while the state says nothing new of it"
    assert found["b.example.org"].is_active is False
    assert list(made(workshop)) == ['terraform_data.web["a"]']
    workshop.apply(workshop.plan(is_destroy=True))
    assert [server.is_active for server in servers().values()] == [False, False]
    assert made(workshop) == {}


@pytest.mark.database
def test_a_server_in_use_leaves_as_soon_as_it_is_free(workshop: Workshop, rule: Any) -> None:
    machines(workshop, a="192.0.2.1")
    workshop.apply(workshop.plan())
    server = servers()["a.example.org"]
    behind = {"hostname": "behind.example.org", "ip_address": "192.0.2.50", "jump_host_id": server.id}
    headers = factories.bearer(workshop.key)
    other = workshop.app.test_client().post("/api/v1/servers", json=behind, headers=headers)
    assert other.status_code == 201 and other.json
    machines(workshop)
    workshop.apply(workshop.plan())
    assert servers()["a.example.org"].is_active
    (row,) = made(workshop).values()
    assert "behind.example.org" in row["problem"], row
    assert retry_leaving() == 0
    factories.set_columns(Server, other.json["id"], is_active=False)
    assert retry_leaving() == 1
    assert not servers()["a.example.org"].is_active and made(workshop) == {}


@pytest.mark.database
def test_what_cannot_become_a_server_is_said_and_the_others_do(workshop: Workshop, rule: Any) -> None:
    taken = {"hostname": "b.example.org", "ip_address": "192.0.2.77"}
    answer = workshop.app.test_client().post("/api/v1/servers", json=taken, headers=factories.bearer(workshop.key))
    assert answer.status_code == 201
    machines(workshop, a="192.0.2.1", b="192.0.2.2", c="no address")
    workshop.apply(workshop.plan())
    said = {address: row["problem"] for address, row in made(workshop).items()}
    assert said['terraform_data.web["a"]'] is None
    assert "b.example.org" in said['terraform_data.web["b"]'] and said['terraform_data.web["c"]']
    assert servers()["b.example.org"].ip_address == "192.0.2.77", "nobody's own server is taken over"
    rule_path = f"/server-rules/{rule['id']}"
    workshop.of_project("PATCH", rule_path, json={"hostname": "{input.value.no_such}", "version": 1})
    counts = workshop.of_project("POST", "/servers/sync", json={})
    assert counts["problems"] == 3
    assert "no attribute input.value.no_such" in made(workshop)['terraform_data.web["a"]']["problem"]
    workshop.of_project("DELETE", rule_path, 204)
    assert made(workshop) == {} and servers()["a.example.org"].is_active


@pytest.mark.database
def test_another_machine_at_the_same_address_loses_the_trust_of_the_one_before(workshop: Workshop, rule: Any) -> None:
    machines(workshop, a="192.0.2.1")
    workshop.apply(workshop.plan())
    server = servers()["a.example.org"]
    answer = {"server_id": server.id, "key_type": "ssh-ed25519", "public_key": "AAAA", "fingerprint": "SHA256:x"}
    with system_scope("test"), unit_of_work():
        key = HostKey(tenant_id=server.tenant_id, accepted_at=server.created_at, **answer)
        db.session.add(key)
        db.session.flush()
        key_id = key.id
    workshop.apply(workshop.plan(replaces=['terraform_data.web["a"]']))
    assert servers()["a.example.org"].id == server.id
    assert next(row for row in factories.rows(HostKey) if row.id == key_id).revoked_at is not None


@pytest.mark.database
def test_rules_that_cannot_be_are_refused_by_field(workshop: Workshop, rule: Any) -> None:
    for change, field in (
        ({"hostname": "{a b}"}, "hostname"),
        ({"hostname": "{open"}, "hostname"),
        ({"tags": ["{}"]}, "tags"),
        ({"bootstrap_uuid": "00000000-0000-4000-8000-000000000000"}, "bootstrap_uuid"),
    ):
        refused = workshop.of_project("PATCH", f"/server-rules/{rule['id']}", 422, json=change)
        assert field in json.dumps(refused), refused
    assert workshop.of_project("POST", "/server-rules", 409, json=RULE)["error"] == "name_taken"
    wrong = {**RULE, "resource_type": "Not a type"}
    assert "resource_type" in json.dumps(workshop.of_project("POST", "/server-rules", 422, json=wrong))


TEXTS = st.text(st.sampled_from("ab{}.0-_ ") | st.characters(codec="utf-8"), max_size=40)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "0"]), inner, max_size=3),
    max_leaves=8,
)


@given(text=TEXTS, value=VALUES)
def test_a_text_is_refused_or_filled_in_or_says_what_is_missing(text: str, value: Any) -> None:
    instance = Instance("x.y", "managed", "x", "y", "p", {"a": value}, [], [], is_tainted=False, is_deposed=False)
    if check_text(text) is not None:
        return
    rule = TerraformServerRule(hostname=text, ip_address="{a}", ssh_user="u", ssh_port="22", tags=[], become=False)
    try:
        found = server_values(rule, instance, "default")
    except MappingError as error:
        assert str(error)
    else:
        assert "{" not in found["hostname"] or "{" in str(value)
