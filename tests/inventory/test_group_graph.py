"""The order of variables is Ansible's own: the same inventory read by ``ansible-inventory``, host by host."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck, given, settings

from app.inventory import group_graph
from app.inventory.group_graph import Layer
from app.runners.ansible_inputs import _inventory
from tests.inventory.ansible_side import NOT_OURS, ansible_inventory

GROUPS = [f"g{number:02}" for number in range(12)]
HOSTS = [f"h{number}" for number in range(8)]
VARIABLES = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 99), max_size=4)


@st.composite
def inventories(draw: Callable[[Any], Any]) -> dict[str, Any]:
    """Groups that nest without a circle (only later names inside earlier ones), priorities, hosts anywhere."""
    order = draw(st.permutations(GROUPS))
    groups = {}
    for place, name in enumerate(order):
        later = order[place + 1 :]
        groups[name] = {
            "children": draw(st.lists(st.sampled_from(later), unique=True, max_size=3)) if later else [],
            "hosts": draw(st.lists(st.sampled_from(HOSTS), unique=True, max_size=4)),
            "vars": draw(VARIABLES),
            "priority": draw(st.sampled_from([1, 1, 1, 2, 10])),
        }
    hosts = {name: draw(VARIABLES) for name in HOSTS}
    return {"groups": groups, "hosts": hosts, "all": draw(VARIABLES)}


def ours(made: dict[str, Any]) -> dict[str, dict[str, Any]]:
    groups = made["groups"]
    parents = group_graph.inverted({name: group["children"] for name, group in groups.items()})
    found = {}
    for host, own in made["hosts"].items():
        direct = [name for name, group in groups.items() if host in group["hosts"]]
        above = group_graph.reach(direct, parents)
        depth = group_graph.depths(above, {key: parents.get(key, []) for key in above})
        layers = [Layer("all", 0, 1, made["all"])]
        layers += [Layer(name, depth[name], groups[name]["priority"], groups[name]["vars"]) for name in above]
        found[host] = {name: origin.value for name, origin in group_graph.effective(layers, own).items()}
    return found


def written(made: dict[str, Any], path: Path) -> Path:
    groups = {
        name: {
            "hosts": group["hosts"],
            "children": group["children"],
            "vars": {**group["vars"], "ansible_group_priority": group["priority"]},
        }
        for name, group in made["groups"].items()
    }
    hosts = [{"name": name, "vars": own} for name, own in made["hosts"].items()]
    parameters = {"hosts": hosts, "groups": groups, "all_vars": made["all"]}
    path.write_text(_inventory(parameters, None), "utf-8")  # type: ignore[arg-type]  # no keys to copy
    return path


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(made=inventories())
def test_variables_win_as_ansible_lets_them_win(tmp_path: Path, made: dict[str, Any]) -> None:
    listed = ansible_inventory(written(made, tmp_path / "inventory.yml"))
    theirs = {
        host: {name: value for name, value in variables.items() if name not in NOT_OURS}
        for host, variables in listed.hosts.items()
    }
    assert theirs == ours(made)


@pytest.mark.parametrize(
    ("edges", "expected"),
    [
        ({}, {"a": 1, "b": 1, "c": 1}),
        ({"a": ["b"], "b": ["c"]}, {"a": 1, "b": 2, "c": 3}),
        ({"a": ["b", "c"], "b": ["c"]}, {"a": 1, "b": 2, "c": 3}),
    ],
)
def test_depth_is_the_longest_way_down(edges: dict[str, list[str]], expected: dict[str, int]) -> None:
    assert group_graph.depths("abc", group_graph.inverted(edges)) == expected


def test_a_circle_is_found_and_walks_end_in_one() -> None:
    edges = {"a": ["b"], "b": ["c"], "c": ["a"]}
    assert group_graph.path("a", "c", edges) == ["a", "b", "c"]
    assert group_graph.path("c", "x", edges) is None
    assert group_graph.reach(["b"], edges) == {"a", "b", "c"}
    assert set(group_graph.depths("abc", group_graph.inverted(edges))) == {"a", "b", "c"}
