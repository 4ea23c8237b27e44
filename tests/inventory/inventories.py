"""Inventories for property tests: groups that nest without a circle, hosts with variables, as INI and as YAML text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import hypothesis.strategies as st
import yaml

from app.inventory import group_graph
from app.inventory.group_graph import Layer
from app.inventory.inventory_text import Found

GROUPS = ["web", "db", "site-eu", "k8s.nodes", "Alpha", "_x", "g1"]
HOSTS = ["a", "b-1", "c.example.org", "n[01:03]", "m[a:c:2]x", "r[1:2]-[x:y]", "p:2222"]
NAMES = ["one", "two", "three", "four", "five_5"]
# Text that INI's shlex and literals, and YAML's resolver, all have an opinion on.
TEXTS = st.sampled_from(
    [
        *("plain", "two words", "it's", 'a "quoted" one', "yes", "0o17", "1_000", "007", "1e3", "null", "None", "True"),
        *("a=b", "#no", "x # y", "; z", "[1, 2]", "{'a': 1}", "~", "", " ", "é ü", "\\n", "1.20", "12:30:45", "b'x'"),
        *("...", "-5"),
    ]
)
SCALARS = st.one_of(TEXTS, st.integers(-(10**6), 10**6), st.booleans(), st.none())
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3), st.dictionaries(st.sampled_from(NAMES), SCALARS, max_size=2))
VARIABLES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3)


@dataclass
class Made:
    """groups: {name: {"hosts": {pattern: variables}, "children": [name], "vars": {}, "priority": n}}"""

    groups: dict[str, dict[str, Any]]
    everybody: dict[str, Any]
    lone: dict[str, dict[str, Any]]


@st.composite
def made(draw: Callable[[Any], Any]) -> Made:
    """A whole inventory; every pattern may stand in several groups."""
    order = draw(st.permutations(GROUPS))
    groups = {}
    for place, name in enumerate(order):
        later = order[place + 1 :]
        groups[name] = {
            "hosts": draw(st.dictionaries(st.sampled_from(HOSTS), VARIABLES, max_size=3)),
            "children": draw(st.lists(st.sampled_from(later), unique=True, max_size=2)) if later else [],
            "vars": draw(VARIABLES),
            "priority": draw(st.sampled_from([1, 1, 1, 5])),
        }
    return Made(groups, draw(VARIABLES), draw(st.dictionaries(st.sampled_from(HOSTS), VARIABLES, max_size=2)))


def _ini_word(value: Any) -> str:
    """A value on a host's line: shlex takes the quotes away, then a literal is tried."""
    text = value if isinstance(value, str) else repr(value)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def as_ini(made: Made) -> str:
    """The text as people write it; strings stand bare, so that some of them become literals."""
    lines = ["# generated"]

    def hosts(found: dict[str, dict[str, Any]]) -> None:
        for pattern, variables in found.items():
            lines.append(" ".join([pattern, *(f"{name}={_ini_word(value)}" for name, value in variables.items())]))

    def variables(section: str, found: dict[str, Any]) -> None:
        lines.append(f"[{section}:vars]")
        lines.extend(f"{name} = {value if isinstance(value, str) else repr(value)}" for name, value in found.items())

    hosts(made.lone)
    variables("all", made.everybody)
    for name, group in made.groups.items():
        variables(name, {**group["vars"], "ansible_group_priority": group["priority"]})
        lines.append(f"[{name}:children]")
        lines.extend(group["children"])
        lines.append(f"[{name}]")
        hosts(group["hosts"])
    return "\n".join(lines) + "\n"


def as_yaml(made: Made) -> str:
    """The same as YAML."""
    groups = {
        name: {
            "hosts": group["hosts"],
            "children": dict.fromkeys(group["children"]),
            "vars": {**group["vars"], "ansible_group_priority": group["priority"]},
        }
        for name, group in made.groups.items()
    }
    data = {"all": {"hosts": made.lone, "vars": made.everybody, "children": groups}}
    text: str = yaml.dump(data, sort_keys=False, allow_unicode=True, Dumper=NoAliases)
    return text


class NoAliases(yaml.SafeDumper):
    """Writes repeated values out."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def effective(found: Found) -> dict[str, dict[str, Any]]:
    """The variables of every host of an inventory that we read, as a run would have them."""
    named = {name: group for name, group in found.groups.items() if name not in ("all", "ungrouped")}
    parents = group_graph.inverted({name: list(group.children) for name, group in named.items()})
    depth = group_graph.depths(list(named), parents)
    everybody = found.groups["all"].variables if "all" in found.groups else {}
    answers = {}
    for host in found.hosts.values():
        above = group_graph.reach([name for name, group in named.items() if host.name in group.hosts], parents)
        layers = [Layer("all", 0, 1, everybody)]
        for name in above:
            own = dict(named[name].variables)
            priority = int(own.pop("ansible_group_priority", 1))
            layers.append(Layer(name, depth[name], priority, own))
        answers[host.name] = {n: o.value for n, o in group_graph.effective(layers, host.variables).items()}
    return answers
