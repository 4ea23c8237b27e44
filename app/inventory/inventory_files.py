"""From uploaded files to one inventory: a single text, or a folder with group_vars and host_vars."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

from app.core.errors import InvalidInput
from app.core.yaml_gate import decode, load_yaml
from app.inventory import group_graph
from app.inventory.inventory_ini import read_ini
from app.inventory.inventory_text import Budget, Found, FoundHost, LeftOut, Unreadable
from app.inventory.inventory_yaml import read_variables, read_yaml

MAXIMUM_BYTES = 5_242_880  # of all files together
MAXIMUM_FILES = 2_000
Form = Literal["auto", "ini", "yaml"]
_YAML_ENDS = (".yml", ".yaml", ".json")
# What Ansible skips in a folder of inventories (INVENTORY_IGNORE_EXTS of ansible-core 2.19).
_SKIPPED = (".pyc", ".pyo", ".swp", ".bak", "~", ".rpm", ".md", ".txt", ".rst", ".orig", ".cfg", ".retry")
_VAULT = b"$ANSIBLE_VAULT"


def read_text(data: bytes, *, form: Form = "auto", name: str = "") -> Found:
    """Return the inventory of one file. ``auto``: YAML when it is an object of groups, else INI, as Ansible tries.

    Raises InvalidInput (field ``inventory``) with the line.
    """
    if data.startswith(_VAULT):
        raise Unreadable("The file is encrypted by ansible-vault. Open it first, and leave its secrets out.")
    text = decode(data, field="inventory", max_bytes=MAXIMUM_BYTES)
    if not text.strip():
        raise Unreadable("There is nothing in it.")
    if form == "ini" or (form == "auto" and not _looks_like_yaml(text, name)):
        return read_ini(text)
    return read_yaml(text, max_bytes=MAXIMUM_BYTES)


def _looks_like_yaml(text: str, name: str) -> bool:
    if name.endswith(_YAML_ENDS):
        return True
    if name.endswith(".ini"):
        return False
    first = next((line for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"), "")
    return first.startswith(("---", "{")) or first.rstrip().endswith(":") or ": " in first


def read_folder(files: Mapping[str, bytes]) -> Found:
    """Return the inventory of a folder: its files in order, then group_vars and host_vars beside them.

    ``files`` by path relative to the folder. Raises InvalidInput naming the file.
    """
    if len(files) > MAXIMUM_FILES or sum(map(len, files.values())) > MAXIMUM_BYTES:
        raise Unreadable(f"At most {MAXIMUM_FILES:,} files and {MAXIMUM_BYTES // 1_048_576} MB together.")
    whole, budget = Found(), Budget()
    inventories = [path for path in sorted(files) if _is_inventory(path)]
    if not inventories:
        raise Unreadable("There is no inventory in it: a file such as hosts, inventory.ini or hosts.yml.")
    for path in inventories:
        with_name = PurePosixPath(path).name
        try:
            _merge(whole, read_text(files[path], name=with_name))
        except InvalidInput as error:
            raise _in_file(path, error) from None
    for path in sorted(files):
        _read_vars(whole, budget, path, files[path])
    _settle_layers(whole)
    return whole


def _is_inventory(path: str) -> bool:
    parts = PurePosixPath(path).parts
    hidden = any(part.startswith(".") for part in parts)
    return not hidden and len(parts) == 1 and not path.endswith(_SKIPPED)


def _in_file(path: str, error: InvalidInput) -> InvalidInput:
    said = next(iter(error.errors.values()), [error.message])[0]
    return InvalidInput(inventory=f"{path}: {said}")


def _merge(whole: Found, part: Found) -> None:
    whole.warnings += part.warnings
    for host in part.hosts.values():
        known = whole.hosts.setdefault(host.name, host)
        known.variables |= host.variables
    for group in part.groups.values():
        mine = whole.group(group.name, group.line)
        mine.variables |= group.variables
        mine.hosts |= group.hosts
        mine.children |= group.children


def _read_vars(whole: Found, budget: Budget, path: str, data: bytes) -> None:
    """Read one file of group_vars/<group>[.yml] or group_vars/<group>/...; the same for host_vars."""
    parts = PurePosixPath(path).parts
    if len(parts) < 2 or parts[0] not in ("group_vars", "host_vars") or any(part.startswith(".") for part in parts):
        return
    name = parts[1] if len(parts) > 2 else _without_end(parts[1])
    is_other = parts[-1].endswith("~") or ("." in parts[-1] and not parts[-1].endswith(_YAML_ENDS))
    if is_other and (len(parts) > 2 or (name not in whole.hosts and name not in whole.groups)):
        return
    owner = whole.hosts.get(name) if parts[0] == "host_vars" else whole.groups.get(name)
    if owner is None and parts[0] == "group_vars" and name == group_graph.ALL:
        owner = whole.group(name, None)
    if owner is None:
        whole.warnings.append(f"{path} was skipped: no {parts[0].removesuffix('_vars')} has that name.")
        return
    try:
        found = _variables(data, budget)
    except (InvalidInput, ValueError) as error:
        raise _in_file(path, error if isinstance(error, InvalidInput) else Unreadable(f"It {error}.")) from None
    target: dict[str, Any] = owner.variables if parts[0] == "host_vars" else owner.file_variables  # type: ignore[union-attr]
    target |= found


def _without_end(name: str) -> str:
    for end in _YAML_ENDS:
        if name.endswith(end):
            return name.removesuffix(end)
    return name


def _variables(data: bytes, budget: Budget) -> dict[str, Any]:
    if data.startswith(_VAULT):
        return {"(the whole file)": LeftOut("it is encrypted by ansible-vault: open it, and leave its secrets out")}
    text = decode(data, field="inventory", max_bytes=MAXIMUM_BYTES)
    return read_variables(load_yaml(text, field="inventory", max_bytes=MAXIMUM_BYTES), budget)


def _settle_layers(whole: Found) -> None:
    """Make one layer of two: variables of group_vars win over those of the inventory file, even of deeper groups.

    A group keeps both merged. Where that alone would give a host another value, the host gets the right one itself.
    """
    groups = whole.groups
    both = {name for group in groups.values() for name in group.variables} & {
        name for group in groups.values() for name in group.file_variables
    }
    if both:
        parents = group_graph.inverted({name: group.children for name, group in groups.items()})
        direct: dict[str, list[str]] = {}
        for group in groups.values():
            for host in group.hosts:
                direct.setdefault(host, []).append(group.name)
        for found in whole.hosts.values():
            _settle(whole, found, _order(whole, direct.get(found.name, []), parents), both - set(found.variables))
    for group in groups.values():
        group.variables |= group.file_variables


def _settle(whole: Found, host: FoundHost, order: list[str], names: set[str]) -> None:
    for name in names:
        late = [group.file_variables[name] for key in order if name in (group := whole.groups[key]).file_variables]
        merged = [{**whole.groups[key].variables, **whole.groups[key].file_variables} for key in order]
        plain = [variables[name] for variables in merged if name in variables]
        if late and late[-1] != plain[-1]:
            host.variables[name] = late[-1]


def _order(whole: Found, direct: list[str], parents: Mapping[str, list[str]]) -> list[str]:
    above = group_graph.reach(direct, parents) - {group_graph.ALL}
    depth = group_graph.depths(above, {key: [p for p in parents.get(key, ()) if p in above] for key in above})
    layers = [group_graph.Layer(key, depth[key], priority_of(whole, key), {}) for key in above]
    everybody = [group_graph.ALL] if group_graph.ALL in whole.groups else []
    return everybody + [layer.name for layer in group_graph.ordered(layers)]


def priority_of(whole: Found, name: str) -> int:
    """Return a group's ansible_group_priority as the inventory file gives it; 1 when it is none."""
    given = whole.groups[name].variables.get("ansible_group_priority", 1)
    try:
        return int(given)
    except (TypeError, ValueError):
        return 1
