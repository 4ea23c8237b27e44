"""What differs between the inputs of two launches, in words for people."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.core.db import db
from app.inventory.models import Server

NAMED = 20  # servers that are named on each side; the others are counted
_CONTENT = ("manifest_hash", "file_hash", "revision_id", "file_path")
_LEFT_OUT = {"server_ids", "changed_secrets", "references", *_CONTENT}
_LABELS = {
    "tags": "only tags",
    "skip_tags": "skipped tags",
    "forks": "servers at a time",
    "timeout_seconds": "time limit",
}
_MOST = 120  # characters of a value


@dataclass(frozen=True, slots=True)
class InputDifference:
    """One input that differs. ``before`` and ``after`` are words; a secret has none."""

    name: str
    before: str | None = None
    after: str | None = None

    def __str__(self) -> str:
        """Return "release 1.2 -> 1.3", "servers -web-3" or "pin changed"."""
        if self.before is None:
            return f"{self.name} {self.after}"
        return f"{self.name} {self.before} -> {self.after}"


def input_differences(tenant_id: int, old: Mapping[str, Any], new: Mapping[str, Any]) -> list[InputDifference]:
    """Return what differs from ``old`` in ``new`` (Launch.inputs of one kind), servers first; one query at most."""
    found = _servers(tenant_id, old.get("server_ids") or (), new.get("server_ids") or ())
    if any(old.get(name) != new.get(name) for name in _CONTENT):
        found.append(InputDifference("content", None, "changed since"))
    before, after = _flat(old), _flat(new)
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            found.append(
                InputDifference(_LABELS.get(name, name.replace("_", " ")), _word(before, name), _word(after, name))
            )
    found += [InputDifference(str(name), None, "changed (secret)") for name in new.get("changed_secrets") or ()]
    return found


def _flat(inputs: Mapping[str, Any]) -> dict[str, Any]:
    plain = {name: value for name, value in inputs.items() if name not in _LEFT_OUT and name != "extra_vars"}
    values = {name: value for name, value in plain.items() if value not in (None, False, [], {}, "")}
    return {**values, **(inputs.get("extra_vars") or {})}


def _word(values: Mapping[str, Any], name: str) -> str:
    value = values.get(name)
    if name not in values or value in (None, "", [], {}):
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if len(text) <= _MOST else text[:_MOST] + "…"


def _servers(tenant_id: int, old: Collection[int], new: Collection[int]) -> list[InputDifference]:
    gone, added = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    if not gone and not added:
        return []
    wanted = [*gone[:NAMED], *added[:NAMED]]
    rows = db.session.execute(
        select(Server.id, Server.hostname).where(Server.tenant_id == tenant_id, Server.id.in_(wanted))
    )
    names = {row.id: row.hostname for row in rows}
    words = []
    for sign, ids in (("-", gone), ("+", added)):
        words += sorted(sign + names.get(one, f"server {one}") for one in ids[:NAMED])
        if len(ids) > NAMED:
            words.append(f"{sign}{len(ids) - NAMED} more")
    return [InputDifference("servers", None, " ".join(words))]
