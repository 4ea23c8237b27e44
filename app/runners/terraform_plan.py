"""What is kept of a plan: its JSON without sensitive values, and what it would change in numbers and addresses.

``terraform show -json`` prints sensitive values in clear, next to marks that say where they are (format version 1.x,
https://developer.hashicorp.com/terraform/internals/json-format). The marks mirror the values: ``true`` for a whole
value, else an object or list of the same shape. Values of input variables have no marks: those named secret are
removed by name, the configuration with its defaults not kept at all.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Collection, Mapping, Sequence
from typing import Any

REDACTED = "(sensitive value)"
MAX_CHANGES = 20_000  # of one plan that are listed; the numbers count all
MAX_TAGS = 100  # names of tags of one resource
ANY_TAG = "*"  # stands for tags that nobody knows before the apply
_MADE = ("create", "update", "replace")


def redact(value: Any, marks: Any) -> Any:
    """Return ``value`` with everything that ``marks`` names replaced by REDACTED."""
    if marks is True:
        return None if value is None else REDACTED
    if isinstance(value, dict) and isinstance(marks, dict):
        return {key: redact(item, marks.get(key)) for key, item in value.items()}
    if isinstance(value, list) and isinstance(marks, list):
        return [redact(item, marks[i] if i < len(marks) else None) for i, item in enumerate(value)]
    return value


def redact_change(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return a change (of a resource or an output) without its sensitive values."""
    return {
        **change,
        "before": redact(change.get("before"), change.get("before_sensitive")),
        "after": redact(change.get("after"), change.get("after_sensitive")),
    }


def redact_plan(plan: Mapping[str, Any], secret_names: Collection[str] = ()) -> dict[str, Any]:
    """Return what is kept of a plan: changes, drift, outputs, variables; without sensitive values."""
    variables = plan.get("variables") or {}
    return {
        "format_version": plan.get("format_version"),
        "terraform_version": plan.get("terraform_version"),
        "variables": {
            name: {"value": REDACTED} if name in secret_names else found
            for name, found in variables.items()
            if name in secret_names or not _is_declared_sensitive(plan, name)
        },
        "resource_changes": _changes(plan.get("resource_changes")),
        "resource_drift": _changes(plan.get("resource_drift")),
        "output_changes": {name: redact_change(found) for name, found in (plan.get("output_changes") or {}).items()},
        "relevant_attributes": plan.get("relevant_attributes") or [],
        "applyable": plan.get("applyable"),
        "complete": plan.get("complete"),
        "errored": plan.get("errored"),
    }


def _changes(found: Sequence[Mapping[str, Any]] | None) -> list[dict[str, Any]]:
    return [{**item, "change": redact_change(item["change"])} for item in found or ()]


def _is_declared_sensitive(plan: Mapping[str, Any], name: str) -> bool:
    root = (plan.get("configuration") or {}).get("root_module") or {}
    return bool(((root.get("variables") or {}).get(name) or {}).get("sensitive"))


def plan_base(plan_file: bytes) -> dict[str, Any]:
    """Return serial and lineage (None each when there was none) of the state that a plan file was made from.

    The file is a zip, its member ``tfstate`` the state that planning began with (``internal/plans/planfile``).
    """
    try:
        with zipfile.ZipFile(io.BytesIO(plan_file)) as archive, archive.open("tfstate") as member:
            state = json.load(member)
    except (KeyError, ValueError, zipfile.BadZipFile):
        return {"serial": None, "lineage": None}
    return {"serial": state.get("serial") or None, "lineage": state.get("lineage") or None}


def kind_of(actions: Sequence[str]) -> str:
    """Return what a list of actions comes to: create, update, delete, replace, read, forget or no-op."""
    if "create" in actions and "delete" in actions:
        return "replace"
    return actions[0] if actions else "no-op"


def summarize(plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return counts and addresses of what a plan changes.

    Keys: add, change, destroy, import (numbers; a replacement adds and destroys, as terraform counts), drift, outputs
    (numbers), ``changes``: list of {address, type, name, module, kind, previous}, no-ops left out, at most MAX_CHANGES.
    A change that leaves a resource behind which can have tags also says ``tags`` (their names) and whether they are
    ``labels``; ``tags_checked`` is set when that holds for all changes. ``region`` is what it says of itself.
    """
    counts = {"add": 0, "change": 0, "destroy": 0, "import": 0}
    listed: list[dict[str, Any]] = []
    for item in plan.get("resource_changes") or ():
        if item.get("mode", "managed") != "managed":
            continue
        change = item["change"]
        kind = kind_of(change["actions"])
        counts["add"] += kind in ("create", "replace")
        counts["change"] += kind == "update"
        counts["destroy"] += kind in ("delete", "replace")
        counts["import"] += change.get("importing") is not None
        moved = item.get("previous_address")
        if (kind != "no-op" or moved or change.get("importing")) and len(listed) < MAX_CHANGES:
            listed.append(
                {
                    "address": item["address"],
                    "type": item.get("type", ""),
                    "name": item.get("name", ""),
                    "module": item.get("module_address", ""),
                    "kind": kind,
                    "previous": moved,
                    **(_tag_names(change) | _region(change) if kind in _MADE else {}),
                }
            )
    outputs = [found for found in (plan.get("output_changes") or {}).values() if kind_of(found["actions"]) != "no-op"]
    numbers = {**counts, "drift": len(plan.get("resource_drift") or ()), "outputs": len(outputs)}
    return {**numbers, "changes": listed, "tags_checked": len(listed) < MAX_CHANGES}


def _region(change: Mapping[str, Any]) -> dict[str, str]:
    """Return the region that a resource will be in, where its own attributes say so in clear."""
    after, hidden = change.get("after"), change.get("after_sensitive")
    for name in ("region", "location"):
        text = after.get(name) if isinstance(after, dict) else None
        if isinstance(text, str) and 0 < len(text) <= 100 and not (isinstance(hidden, dict) and hidden.get(name)):
            return {"region": text}
    return {}


def _tag_names(change: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the tags, or labels, that a resource will have; nothing when its type has none.

    Tags that the provider adds (``tags_all``, ``effective_labels``) count, and so does what is not known before.
    """
    after, unknown, hidden = (
        found if isinstance(found := change.get(name), dict) else {}
        for name in ("after", "after_unknown", "after_sensitive")
    )
    for own, all_of_them in (("tags", "tags_all"), ("labels", "effective_labels")):
        if own not in after and own not in unknown:
            continue
        names: set[str] = set()
        for attribute in (own, all_of_them):
            value, later = after.get(attribute), unknown.get(attribute)
            if later is True or hidden.get(attribute) is True:
                names.add(ANY_TAG)
                continue
            for known in (value, later):
                names |= {str(name) for name in known} if isinstance(known, dict) else set()
        return {"tags": sorted(names)[:MAX_TAGS], "labels": own == "labels"}
    return {}
