"""What we read of an inventory is what ``ansible-inventory`` reads; what is no inventory is refused with its line."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from app.core.errors import InvalidInput
from app.inventory.inventory_files import read_folder, read_text
from app.inventory.inventory_text import Found, LeftOut
from tests.inventory.ansible_side import NOT_OURS, Listed, ansible_inventory
from tests.inventory.inventories import Made, as_ini, as_yaml, effective, made

# Each example starts an ansible-inventory; a failing one is big, but found at once.
REAL: dict[str, Any] = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}


def same(found: Found, listed: Listed) -> None:
    theirs = {
        host: {name: value for name, value in variables.items() if name not in NOT_OURS}
        for host, variables in listed.hosts.items()
    }
    assert effective(found) == theirs
    for name in found.groups:
        if name not in ("all", "ungrouped"):
            assert sorted(found.members(name)) == listed.groups.get(name, []), name


@settings(max_examples=8, **REAL)
@given(inventory=made())
def test_ini_is_read_as_ansible_reads_it(tmp_path: Path, inventory: Made) -> None:
    source = tmp_path / "inventory.ini"
    source.write_text(as_ini(inventory), "utf-8")
    same(read_text(source.read_bytes()), ansible_inventory(source))


@settings(max_examples=8, **REAL)
@given(inventory=made())
def test_yaml_is_read_as_ansible_reads_it(tmp_path: Path, inventory: Made) -> None:
    source = tmp_path / "inventory.yml"
    source.write_text(as_yaml(inventory), "utf-8")
    same(read_text(source.read_bytes()), ansible_inventory(source))


def test_variables_of_folders_win_over_those_of_the_file_as_in_ansible(tmp_path: Path) -> None:
    files = {
        "hosts": "[deep]\nh1 a=host\nh2\n[top:children]\ndeep\n[deep:vars]\na=deep\nb=deep\nc=deep\n"
        "[top:vars]\nd=top\n",
        "group_vars/all.yml": "b: all-file\nd: all-file\nz: 1\n",
        "group_vars/top/one.yml": "c: top-file\ne: [1, 2]\n",
        "group_vars/top/two.yaml": "e: [3]\n",
        "host_vars/h1": "f: own\n",
        "host_vars/h2.yml": "b: own\n",
        "README.md": "# no inventory\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    same(read_folder({path: text.encode() for path, text in files.items()}), ansible_inventory(tmp_path / "hosts"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[web:nonsense]\n", "Line 1"),
        ("[web]\nweb1 oops\n", "Line 2: 'oops'"),
        ("[web]\nweb1 a='open\n", "Line 2: Quotes"),
        ("[nowhere:vars]\na=1\n", "nowhere declared"),
        ("[a:children]\nb\n", "nowhere declared"),
        ("[a:vars]\nno value\n[a]\n", "Line 2"),
        ("web[3:1:0]\n", "range"),
        ("web[01:100]\n", "same number of digits"),
        ("web[b:a]\n", "range"),
        ("[web]\nweb1:\n", "needs a port"),
        ("h[1:99999999]\n", "More than 5,000 hosts"),
        ("h[1:9][1:9][1:9][1:9][1:9][1:9]\n", "More than 5,000 hosts"),
        ("[w]\nx a=" + "[" * 190 + "]" * 190 + "\n", "nests"),
        ("", "nothing in it"),
        ("- a\n- b\n", "stands where name=value"),
        ("---\n- a\n", "object of groups"),
        ("plugin: aws_ec2\nregions: []\n", "plugin"),
        ("all:\n  hosts: [a, b]\n", "has to be an object"),
        ("all:\n  hosts:\n    12:\n", "has to be text"),
        ("all:\n  hosts:\n    a: 5\n", "below the host 'a'"),
        ("all: &a\n  children:\n    x: *a\n", "nest"),
        ("all:\n  hosts: {a: }\n  hosts: {b: }\n", "stands twice"),
        ("all: {hosts: {a: !!python/object/apply:os.system [id]}}", "program objects"),
        ("$ANSIBLE_VAULT;1.1;AES256\n6162\n", "ansible-vault"),
    ],
)
def test_what_is_no_inventory_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_text(text.encode())
    assert said in str(caught.value.errors["inventory"])


def _bomb(line: str, last: str) -> str:
    lines = ["all:", "  vars:", "    a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 11)]
    return "\n".join([*lines, line, last])


@pytest.mark.parametrize("text", [_bomb("", ""), "[" * 200_000, "all: {vars: {a: " + "{a: " * 100_000, "é" * 6_000_000])
def test_bombs_end_in_a_sentence_within_a_second_and_the_process_goes_on(text: str) -> None:
    pid, begun = os.getpid(), time.monotonic()
    with pytest.raises(InvalidInput):
        read_text(text.encode(), form="yaml")
    assert os.getpid() == pid and time.monotonic() - begun < 10


def test_what_cannot_be_taken_over_stands_in_its_place_with_a_reason() -> None:
    text = """
all:
  hosts:
    a:
      secret: !vault |
        $ANSIBLE_VAULT;1.1;AES256
      raw: !unsafe "{{ x }}"
      fine: !unsafe "text"
      merged: {<<: {a: 1}}
      day: 2020-01-02
      keyed: {1: x}
      set: !!set {q}
"""
    found = read_text(text.encode()).hosts["a"].variables
    why: dict[str, Any] = {name: value.reason for name, value in found.items() if isinstance(value, LeftOut)}
    assert set(why) == {"secret", "raw", "merged", "keyed"}
    assert "ansible-vault" in why["secret"] and "merge key" in why["merged"]
    assert found["fine"] == "text" and found["day"] == "2020-01-02" and found["set"] == ["q"]
