"""Compares an inventory with what becomes of it here: imported, exported, and read by ``ansible-inventory`` again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.core.actor import Actor
from app.inventory import service_import
from app.inventory.import_report import Done, ImportReport
from app.inventory.inventory_export import Wanted, as_yaml, export_inventory
from app.inventory.inventory_fields import FIELD_OF, NAMES
from app.inventory.inventory_files import read_folder
from app.inventory.inventory_upload import read_upload
from tests.inventory.ansible_side import NOT_OURS, Listed, ansible_inventory
from tests.inventory.conftest import act

FOLDERS = ("group_vars", "host_vars")
VAULT = b"$ANSIBLE_VAULT"  # nobody has the password
# What an export says although the inventory did not: the platform's own defaults.
DEFAULTS = {"ansible_port": 22, "ansible_user": "root"}


@dataclass
class Figures:
    """What was compared. ``differences`` are sentences; empty when all is equal."""

    hosts: int = 0
    refused: list[str] = field(default_factory=list)
    groups: int = 0
    files: int = 0
    variables: int = 0
    left_out: list[str] = field(default_factory=list)
    looked_up: int = 0
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.files} files, {self.hosts} hosts ({len(self.refused)} refused), {self.groups} groups, "
            f"{self.variables} variables, "
            f"{len(self.left_out)} left out with a reason, {len(self.differences)} differences"
        )


def files_of(source: Path) -> dict[str, bytes]:
    """The inventory file with the folders of variables beside it, as ansible-inventory finds them."""
    found = {source.name: source.read_bytes()}
    for folder in FOLDERS:
        for path in sorted((source.parent / folder).rglob("*")):
            if path.is_file():
                found[path.relative_to(source.parent).as_posix()] = path.read_bytes()
    return found


def without_vaults(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write the files below ``folder`` but for those that ansible-vault encrypted; return the inventory file."""
    for name, data in files.items():
        if not data.startswith(VAULT):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
    return folder / next(iter(files))


def addresses(names: Collection[str]) -> dict[str, str]:
    """Stands for the resolver: every name has an address of the documentation's range."""
    return {name: f"203.0.113.{number % 250 + 1}" for number, name in enumerate(names)}


def compare(actor: Actor, source: Path, folder: Path) -> Figures:
    """Import ``source`` into the actor's tenant and return how it compares; ``folder`` takes the export."""
    files = files_of(source)
    original = ansible_inventory(without_vaults(files, folder / "original"))
    with act(actor):
        found = read_folder(files) if len(files) > 1 else read_upload(source.name, files[source.name])
        report = service_import.import_inventory(actor, found, dry_run=False, lookup=addresses)
    with act(actor):
        text = as_yaml(export_inventory(actor, Wanted()))
    exported = folder / "exported.yml"
    exported.write_text(text, "utf-8")
    return _figures(original, ansible_inventory(exported), report, len(files))


def _figures(original: Listed, ours: Listed, report: ImportReport, files: int) -> Figures:
    refused = {row.name for row in report.hosts if row.done is Done.REFUSED}
    gone = {row.name for row in report.groups if row.done in (Done.REFUSED, Done.MAPPED)}
    figures = Figures(hosts=len(original.hosts), groups=len(original.groups), files=files)
    figures.refused = [f"{row.name}: {row.reason}" for row in report.hosts if row.done is Done.REFUSED]
    out = {name for row in (*report.hosts, *report.groups) for name, _why in row.left_out}
    figures.left_out = sorted(out)
    figures.looked_up = sum(any("looked up" in note for note in row.notes) for row in report.hosts)
    for host, variables in original.hosts.items():
        if host not in refused:
            _host(figures, host, _named(variables), ours.hosts.get(host.lower()), out)
    for name in original.groups:
        if name in gone or name in ("all", "ungrouped"):
            continue
        wanted = sorted({host.lower() for host in original.groups[name]} - {host.lower() for host in refused})
        if wanted != ours.groups.get(name, []):
            figures.differences.append(f"group {name}: {wanted[:5]} became {ours.groups.get(name, [])[:5]}")
    return figures


def _named(variables: dict[str, Any]) -> dict[str, Any]:
    """Old names of connection variables count as the new ones."""
    return {NAMES[FIELD_OF[name]][0] if name in FIELD_OF else name: value for name, value in variables.items()}


def _host(figures: Figures, host: str, wanted: dict[str, Any], found: dict[str, Any] | None, out: set[str]) -> None:
    if found is None:
        figures.differences.append(f"host {host} is missing")
        return
    for name in sorted((set(wanted) | set(found)) - NOT_OURS - out):
        figures.variables += 1
        value = found.get(name, DEFAULTS.get(name))
        if name == "ansible_host" and name not in wanted:
            continue  # looked up
        expected = wanted.get(name, DEFAULTS.get(name))
        if name in FIELD_OF and str(value) == str(expected):
            continue
        if name == "ansible_become" and str(value).lower() == str(expected).lower():
            continue  # INI writes a switch as text
        if name == "ansible_connection" and {expected, value} <= {None, "ssh", "smart", "paramiko"}:
            continue
        if name == "ansible_host" and isinstance(expected, str) and not expected[:1].isdigit():
            continue  # a name, looked up
        if value != expected:
            figures.differences.append(f"host {host}, {name}: {str(expected)[:80]!r} became {str(value)[:80]!r}")
