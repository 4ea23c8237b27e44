"""Which files of a project are playbooks: lists of plays outside of the folders that hold parts of plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from app.core.errors import InvalidInput
from app.core.yaml_gate import decode, load_plays, load_yaml
from app.playbooks.declarations import suggest
from app.playbooks.paths import PLAYBOOK_ENDINGS, check_playbook_path
from app.runners.ansible_inputs import REQUIREMENTS
from app.sources.store import SourceFile

MAX_ENTRIES = 500
MAX_NOTES = 10
# Folders whose YAML is parts of plays, data, or somebody else's: never an entry.
_PARTS = """
roles tasks handlers vars defaults meta templates files group_vars host_vars inventory inventories library
module_utils filter_plugins lookup_plugins action_plugins callback_plugins plugins collections
ansible_collections molecule changelogs node_modules
"""
PARTS = frozenset(_PARTS.split())


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that is a playbook. ``hosts`` is the first play's pattern, ``prompts`` what ``vars_prompt`` asks."""

    path: str
    name: str
    hosts: str
    prompts: Sequence[Mapping[str, Any]] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the form that a revision keeps."""
        return {"path": self.path, "name": self.name, "hosts": self.hosts, "prompts": [dict(p) for p in self.prompts]}


@dataclass(slots=True)
class Found:
    """The playbooks of a project by path, and files that look like YAML and cannot be read, in words."""

    entries: list[Entry] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def may_be_entry(path: str) -> bool:
    """Say whether a file of this path can be a playbook at all."""
    folders = path.split("/")[:-1]
    if folders[:1] == [REQUIREMENTS] or any(name in PARTS or name.startswith(".") for name in folders):
        return False
    if not path.endswith(PLAYBOOK_ENDINGS):
        return False
    try:
        check_playbook_path(path)
    except InvalidInput:
        return False
    return True


def discover(files: Mapping[str, SourceFile]) -> Found:
    """Return the playbooks among ``files``; a file that the YAML gate refuses is noted and passed over."""
    found = Found()
    for path in sorted(path for path in files if may_be_entry(path)):
        if len(found.entries) >= MAX_ENTRIES:
            found.notes.append(f"more than {MAX_ENTRIES} playbooks: the rest is not offered")
            break
        try:
            data = load_yaml(decode(files[path].data))
            if not isinstance(data, list):
                continue
        except InvalidInput as error:
            if len(found.notes) < MAX_NOTES:
                found.notes.append(f"not offered: {path}: {next(iter(error.errors.values()))[0]}")
            continue
        try:
            plays = load_plays(files[path].data)
        except InvalidInput:
            continue  # a list, but not of plays: tasks, variables, ...
        found.entries.append(_entry(path, plays))
    return found


def _entry(path: str, plays: Sequence[Mapping[str, Any]]) -> Entry:
    first = plays[0]
    name, hosts = first.get("name"), first.get("hosts")
    shown = name if isinstance(name, str) and name.strip() and "{{" not in name else PurePosixPath(path).stem
    pattern = hosts if isinstance(hosts, str) else ":".join(map(str, hosts)) if isinstance(hosts, list) else ""
    prompts = suggest([{"vars_prompt": play.get("vars_prompt")} for play in plays])
    return Entry(path, " ".join(shown.split())[:200], pattern[:200], prompts)
