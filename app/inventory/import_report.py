"""What an import did, or would do: host by host and group by group."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

from app.inventory.inventory_plan import PlannedGroup, PlannedHost


class Done(StrEnum):
    """What became of one host or group."""

    ADDED = "added"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    MAPPED = "mapped"  # a group that stands for a tag or an environment


@dataclass(slots=True)
class Row:
    """One host or group. ``left_out``: (variable, reason) of what was not taken over from it."""

    name: str
    line: int | None
    done: Done
    reason: str = ""
    changed: list[str] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    id: int | None = None


@dataclass(slots=True)
class ImportReport:
    """The whole of it, in the order of the inventory. A dry run leaves nothing behind but this."""

    dry_run: bool
    hosts: list[Row] = field(default_factory=list)
    groups: list[Row] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def counts(self) -> dict[str, dict[str, int]]:
        """Return how many hosts and groups were added, updated ...: every word, also with 0."""
        return {
            what: {word.value: Counter(row.done for row in rows)[word] for word in Done}
            for what, rows in (("hosts", self.hosts), ("groups", self.groups))
        }


def host_row(planned: PlannedHost, done: Done, *, reason: str = "") -> Row:
    """Return the row of a host."""
    return Row(planned.name, planned.line, done, reason, left_out=planned.left_out, notes=planned.notes)


def group_row(planned: PlannedGroup, done: Done, *, reason: str = "") -> Row:
    """Return the row of a group."""
    return Row(planned.name, planned.line, done, reason, left_out=planned.left_out)
