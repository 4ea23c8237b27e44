"""The other side of comparisons: what the real ``ansible-inventory`` makes of an inventory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Facts about the files, not of the inventory.
NOT_OURS = frozenset({"inventory_file", "inventory_dir"})


@dataclass
class Listed:
    """``hosts``: effective variables by host; ``groups``: every host of a group, nested ones too; ``children``."""

    hosts: dict[str, dict[str, Any]]
    groups: dict[str, list[str]]
    children: dict[str, list[str]]


def ansible_inventory(source: Path) -> Listed:
    """Return what ``ansible-inventory -i source --list`` says; RuntimeError with its words when it refuses."""
    program = Path(sys.executable).with_name("ansible-inventory")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(source.parent),
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
        "ANSIBLE_INVENTORY_ENABLED": "yaml,ini",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "LC_ALL": "C.UTF-8",
    }
    done = subprocess.run(
        [str(program), "-i", str(source), "--list"],
        capture_output=True,
        text=True,
        cwd=source.parent,
        env=environment,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return read_list(json.loads(done.stdout))


def read_list(data: dict[str, Any]) -> Listed:
    """Turn the output of --list into what can be compared."""
    variables = _plain(data.pop("_meta")["hostvars"])
    children = {name: sorted(found.get("children", [])) for name, found in data.items()}

    def hosts(name: str, seen: tuple[str, ...] = ()) -> set[str]:
        found = data.get(name, {})
        below = [hosts(child, (*seen, name)) for child in found.get("children", []) if child not in seen]
        return set(found.get("hosts", [])).union(*below)

    members = {name: sorted(hosts(name)) for name in data}
    everybody = members.get("all", [])
    return Listed({name: variables.get(name, {}) for name in everybody}, members, children)


def _plain(value: Any) -> Any:
    """Take the marks away by which --list tells untrusted text from templates."""
    if isinstance(value, dict):
        if set(value) == {"__ansible_unsafe"}:
            return value["__ansible_unsafe"]
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value
