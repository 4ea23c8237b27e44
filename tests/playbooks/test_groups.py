"""Groups as the target of a launch, in its limit, and in what the run gets."""

from __future__ import annotations

from typing import Any

import pytest

from app.core.errors import InvalidInput
from app.inventory import service_groups
from app.inventory.models_groups import ServerGroup
from app.playbooks import service, service_approval, service_content
from app.playbooks.job_kind import AnsibleKind
from app.playbooks.targets import Selection
from tests.playbooks.conftest import GOOD, Connection, House
from tests.playbooks.test_launch import go, request_for

pytestmark = pytest.mark.database


def add_group(house: House, name: str, *servers: int, **given: Any) -> int:
    with house.unit():
        group = service_groups.create_group(house.admin, {"name": name, **given})  # type: ignore[typeddict-item]
        service_groups.change_members(house.admin, group.id, add=servers)
        return group.id


@pytest.fixture
def servers(house: House) -> dict[str, int]:
    """Four servers; web is nested in site, db stands alone."""
    ids = {
        name: house.add_server(name, environment=environment)
        for name, environment in (("web-1", "live"), ("web-2", "test"), ("db-1", "live"), ("mail-1", None))
    }
    web = add_group(house, "web", ids["web-1"], ids["web-2"], variables={"port": 80})
    add_group(house, "site", ids["db-1"], child_ids=[web], variables={"port": 1, "zone": "eu"}, priority=7)
    add_group(house, "db", ids["db-1"])
    add_group(house, "empty")
    return ids


def test_a_group_means_its_servers_and_those_of_the_groups_inside_it(house: House, servers: dict[str, int]) -> None:
    cases = [
        (Selection(groups=("web",)), ["web-1", "web-2"]),
        (Selection(groups=("site",)), ["db-1", "web-1", "web-2"]),
        (Selection(groups=("db", "web")), ["db-1", "web-1", "web-2"]),
        (Selection(groups=("db",), server_ids=(servers["mail-1"],)), ["db-1", "mail-1"]),
        (Selection(groups=("site",), limit="web"), ["web-1", "web-2"]),
        (Selection(groups=("site",), limit="!web"), ["db-1"]),
        (Selection(groups=("site",), limit="web,&env_live"), ["web-1"]),
        (Selection(groups=("site",), limit="web-?,!env_test"), ["web-1"]),
        (Selection(groups=("site",), limit="all"), ["db-1", "web-1", "web-2"]),
    ]
    with house.unit():
        for selection, names in cases:
            assert service.preview_selection(house.operator, selection) == names, selection


def test_a_group_is_named_by_its_uuid_too(house: House, servers: dict[str, int]) -> None:
    from app.core.db import db

    with house.unit():
        uuid = db.session.query(ServerGroup.uuid).filter(ServerGroup.name == "db").scalar()
        assert service.preview_selection(house.operator, Selection(groups=(uuid,))) == ["db-1"]


def test_unknown_foreign_and_empty_groups_are_refused(house: House, neighbour: House, servers: dict[str, int]) -> None:
    add_group(neighbour, "theirs", neighbour.add_server("x"))
    with house.unit():
        for wrong in ("nosuch", "theirs", "wéb", "all", ""):
            with pytest.raises(InvalidInput) as caught:
                service.preview_selection(house.operator, Selection(groups=(wrong,)))
            assert "groups" in caught.value.errors
        with pytest.raises(InvalidInput):
            service.preview_selection(house.operator, Selection(groups=("empty",)))


def test_a_group_leaves_the_platforms_own_machine_out_for_operators(house: House, servers: dict[str, int]) -> None:
    own = house.add_server("controller", connection=Connection.LOCAL, is_controller=True)
    add_group(house, "mixed", own, servers["web-1"])
    with house.unit():
        assert service.preview_selection(house.operator, Selection(groups=("mixed",))) == ["web-1"]
        assert service.preview_selection(house.admin, Selection(groups=("mixed",))) == ["controller", "web-1"]


def test_a_run_gets_the_groups_of_its_servers_with_their_variables(house: House, servers: dict[str, int]) -> None:
    with house.unit():
        service_groups.set_all_variables(house.admin, {"ntp": "ntp.example"}, version=None)
        playbook = service_content.upload_playbook(house.admin, name="Greet", file_name="site.yml", data=GOOD).id
        service_approval.approve_playbook(house.admin, playbook)
    uuid = go(house, playbook, selection=Selection(groups=("web",), limit="web-1"))
    with house.unit():
        spec = AnsibleKind().build_run(request_for(house, uuid)).spec
    assert [host["name"] for host in spec.parameters["hosts"]] == ["web-1"]
    assert spec.parameters["all_vars"] == {"ntp": "ntp.example"}
    assert spec.parameters["groups"] == {
        "env_live": {"hosts": ["web-1"], "children": [], "vars": {}},
        "site": {
            "hosts": [],
            "children": ["web"],
            "vars": {"port": 1, "zone": "eu", "ansible_group_priority": 7},
        },
        "web": {"hosts": ["web-1"], "children": [], "vars": {"port": 80}},
    }


@pytest.mark.parametrize("value", ["{{ 6 * 7 }}", ["{% if x %}"], {"a": "{{ b }}"}])
def test_templates_of_administrators_are_evaluated_as_at_the_shell(
    house: House, servers: dict[str, int], value: Any
) -> None:
    add_group(house, "templated", servers["mail-1"], variables={"answer": value})
    with house.unit():
        playbook = service_content.upload_playbook(house.admin, name="Greet", file_name="site.yml", data=GOOD).id
        service_approval.approve_playbook(house.admin, playbook)
    with_template, without = (go(house, playbook, selection=Selection(groups=(name,))) for name in ("templated", "web"))
    with house.unit():
        said = [
            AnsibleKind().build_run(request_for(house, uuid)).spec.parameters["templates_in_inventory"]
            for uuid in (with_template, without)
        ]
    assert said == [True, False]
