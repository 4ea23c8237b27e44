"""What a state file says: its head, its resources by address, its outputs, and how two of them differ.

Format: version 4 of terraform's state (``internal/states/statefile/version4.go``): ``serial``, ``lineage``,
``outputs``, ``resources`` with ``instances``, each with ``attributes`` and ``sensitive_attributes``: paths of steps
``{"type": "get_attr" | "index", "value": ...}``. OpenTofu writes the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.core.errors import AppError, InvalidInput
from app.core.runtime import settings

FORMAT = 4
HIDDEN = "(sensitive value)"
MAX_VERSION, MAX_LINEAGE = 20, 100
MAX_SERIAL = 2**62


@dataclass(frozen=True, slots=True)
class StateDocument:
    """A checked state. ``data`` is what was sent, byte by byte."""

    data: bytes
    parsed: Mapping[str, Any]

    @property
    def serial(self) -> int:
        """Terraform's counter."""
        return int(self.parsed["serial"])

    @property
    def lineage(self) -> str:
        """The name of this line of states; two of them never mix."""
        return str(self.parsed["lineage"])

    @property
    def terraform_version(self) -> str:
        """Of the program that wrote it."""
        return str(self.parsed["terraform_version"])

    @property
    def sha256(self) -> str:
        """Of the bytes, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def resources_count(self) -> int:
        """Instances of managed resources."""
        return sum(1 for found in instances(self.parsed) if found.mode == "managed")


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a resource in a state."""

    address: str
    mode: str  # managed, data
    type: str
    name: str
    provider: str
    attributes: Mapping[str, Any]
    sensitive: Sequence[Sequence[Mapping[str, Any]]]
    dependencies: Sequence[str]
    is_tainted: bool
    is_deposed: bool

    def shown(self) -> Mapping[str, Any]:
        """Return the attributes without sensitive values."""
        return hide(self.attributes, self.sensitive)


class StateTooLarge(AppError):
    """The bytes are more than are kept of a state."""

    status = 413
    error = "request_entity_too_large"

    def __init__(self) -> None:
        super().__init__(
            f"This state is larger than {settings().state_max_bytes:,} bytes, and that is what is kept of one. Split "
            "it into several workspaces, or raise MILLWRIGHT_STATE_MAX_BYTES."
        )


class ChangeKind(StrEnum):
    """How an address differs between two states."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One address that differs. ``attributes``: name -> (before, after), sensitive ones hidden."""

    address: str
    kind: ChangeKind
    attributes: Mapping[str, tuple[Any, Any]]


def parse_state(data: bytes) -> StateDocument:
    """Check the bytes of a state; raises InvalidInput that says what is wrong with them, StateTooLarge."""
    if len(data) > settings().state_max_bytes:
        raise StateTooLarge
    try:
        parsed = json.loads(data)
    except (ValueError, RecursionError):
        raise InvalidInput("This is no state: the body is not JSON.") from None
    if not isinstance(parsed, dict) or parsed.get("version") != FORMAT:
        raise InvalidInput(
            f"Only states of format {FORMAT} are kept (terraform 0.12 and later, OpenTofu). "
            "Write it with a newer program first."
        )
    serial, lineage, version = parsed.get("serial"), parsed.get("lineage"), parsed.get("terraform_version")
    if not isinstance(serial, int) or isinstance(serial, bool) or not 0 <= serial <= MAX_SERIAL:
        raise InvalidInput("This state has no usable serial.")
    if not isinstance(lineage, str) or not 1 <= len(lineage) <= MAX_LINEAGE:
        raise InvalidInput("This state has no usable lineage.")
    if not isinstance(version, str) or not 1 <= len(version) <= MAX_VERSION:
        raise InvalidInput("This state does not say which terraform wrote it.")
    resources = parsed.get("resources")
    if not isinstance(resources if resources is not None else [], list):
        raise InvalidInput("The resources of this state are no list.")
    for resource in resources or ():
        if not isinstance(resource, dict) or not isinstance(resource.get("instances") or [], list):
            raise InvalidInput("A resource of this state cannot be read.")
    return StateDocument(data, parsed)


def instances(parsed: Mapping[str, Any]) -> Iterator[Instance]:
    """Yield every instance of every resource, in the order of the file."""
    for resource in parsed.get("resources") or ():
        base = address_of(resource)
        for found in resource.get("instances") or ():
            if not isinstance(found, dict):
                continue
            key = found.get("index_key")
            suffix = "" if key is None else f"[{key}]" if isinstance(key, int) else f"[{json.dumps(str(key))}]"
            attributes = found.get("attributes")
            yield Instance(
                address=f"{base}{suffix}",
                mode=str(resource.get("mode", "managed")),
                type=str(resource.get("type", "")),
                name=str(resource.get("name", "")),
                provider=str(resource.get("provider", "")),
                attributes=attributes if isinstance(attributes, dict) else {},
                sensitive=[path for path in found.get("sensitive_attributes") or () if isinstance(path, list)],
                dependencies=[str(name) for name in found.get("dependencies") or ()],
                is_tainted=found.get("status") == "tainted",
                is_deposed=bool(found.get("deposed")),
            )


def address_of(resource: Mapping[str, Any]) -> str:
    """Return the address of a resource without an instance key."""
    parts = [str(resource["module"])] if resource.get("module") else []
    if resource.get("mode") == "data":
        parts.append("data")
    return ".".join([*parts, str(resource.get("type", "")), str(resource.get("name", ""))])


def hide(attributes: Mapping[str, Any], paths: Sequence[Sequence[Mapping[str, Any]]]) -> Mapping[str, Any]:
    """Return attributes with the values at these paths hidden; a path that leads nowhere hides what it reached."""
    shown: Any = attributes
    for path in paths:
        steps = [step.get("value") if isinstance(step, dict) else None for step in path]
        # An index may be written as a value with its type around it.
        shown = _hidden(shown, [step.get("value") if isinstance(step, dict) else step for step in steps])
    return shown if isinstance(shown, Mapping) else {"": HIDDEN}


def _hidden(value: Any, steps: Sequence[Any]) -> Any:
    if not steps:
        return None if value is None else HIDDEN
    step, rest = steps[0], steps[1:]
    if isinstance(value, Mapping) and str(step) in value:
        return {**value, str(step): _hidden(value[str(step)], rest)}
    if isinstance(value, list) and isinstance(step, int | float) and 0 <= int(step) < len(value):
        return [_hidden(item, rest) if i == int(step) else item for i, item in enumerate(value)]
    return None if value is None else HIDDEN


def outputs(parsed: Mapping[str, Any], *, with_sensitive: bool = False) -> dict[str, dict[str, Any]]:
    """Return {name: {value, type, sensitive}} of the root module; sensitive values hidden unless asked for."""
    found = {}
    for name, output in (parsed.get("outputs") or {}).items():
        if not isinstance(output, dict):
            continue
        sensitive = bool(output.get("sensitive"))
        value = output.get("value") if with_sensitive or not sensitive else HIDDEN
        found[str(name)] = {"value": value, "type": output.get("type"), "sensitive": sensitive}
    return found


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return the addresses that differ, by address. A sensitive value that changed is said, and never shown."""
    old = {(found.address, found.is_deposed): found for found in instances(before)}
    new = {(found.address, found.is_deposed): found for found in instances(after)}
    found = []
    for key in sorted(old.keys() | new.keys()):
        one, other = old.get(key), new.get(key)
        if one is None or other is None:
            kind = ChangeKind.ADDED if one is None else ChangeKind.REMOVED
            found.append(Difference(key[0], kind, {}))
            continue
        if one.attributes == other.attributes and one.is_tainted == other.is_tainted:
            continue
        shown_before, shown_after = one.shown(), other.shown()
        names = sorted(one.attributes.keys() | other.attributes.keys())
        changed = {
            name: (shown_before.get(name), shown_after.get(name))
            for name in names
            if one.attributes.get(name) != other.attributes.get(name)
        }
        found.append(Difference(key[0], ChangeKind.CHANGED, changed))
    return found
