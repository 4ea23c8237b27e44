"""Inventories of other people: ``make compare-inventory DIR=...`` points this at a file or at a folder full of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.core.actor import Actor
from tests.inventory.comparing import compare

ENDS = {"", ".ini", ".yml", ".yaml"}
BUILT_IN = {
    "hosts.ini": """
# A site as people write it: legacy names, groups with dashes, ranges, variables in folders.
bastion ansible_ssh_host=192.0.2.1 ansible_ssh_user=ops
[kube-node]
node[1:3] ansible_host=192.0.2.1{0} ip=10.3.0.1 etcd_member_name=etcd1
[kube-node:vars]
labels={'role': 'node', 'zones': ['a', 'b']}
[k8s-cluster:children]
kube-node
[all:vars]
ansible_python_interpreter=/usr/bin/python3
dns_servers=["192.0.2.53"]
""",
    "group_vars/all.yml": "---\ndns_servers: [192.0.2.54]\nmotd: '{{ inventory_hostname }} is managed'\n",
    "group_vars/kube-node/main.yml": "labels: {role: other}\nport: 6443\n",
    "host_vars/node2.yaml": "etcd_member_name: etcd2\nflag: yes\n",
}


def _inventories() -> list[Path]:
    given = os.environ.get("MILLWRIGHT_INVENTORIES", "")
    found: list[Path] = []
    for word in filter(None, given.split(":")):
        path = Path(word)
        found += [path] if path.is_file() else sorted(one for one in path.iterdir() if _is_inventory(one))
    return found


def _is_inventory(path: Path) -> bool:
    return path.is_file() and path.suffix in ENDS and not path.name.startswith(".") and not os.access(path, os.X_OK)


def test_an_inventory_as_people_write_it_comes_back_from_an_export_unchanged(
    admin: Actor, tmp_path: Path, summary_line: Callable[[str], None]
) -> None:
    source = tmp_path / "site"
    for name, text in BUILT_IN.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text.replace("{0}", ""), "utf-8")
    figures = compare(admin, source / "hosts.ini", tmp_path)
    summary_line(f"built-in inventory: {figures}")
    assert figures.differences == [] and figures.refused == []
    assert figures.variables > 20


@pytest.mark.parametrize("source", _inventories() or [None], ids=str)
def test_inventories_of_other_people_come_back_unchanged(
    admin: Actor, tmp_path: Path, source: Path | None, summary_line: Callable[[str], None]
) -> None:
    if source is None:
        return  # none was named
    figures = compare(admin, source, tmp_path)
    summary_line(f"{source}: {figures}; left out {figures.left_out}; refused {figures.refused[:5]}")
    assert figures.differences == []
