"""Importing Ansible inventories. A dry run is the real thing, undone: what it says is what the import does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import AppError
from app.core.permissions import Permission, can, require
from app.core.tenancy import scoped
from app.inventory import address_lookup, draft, key_files, queries_groups, service, service_groups
from app.inventory.address_lookup import Lookup
from app.inventory.draft import ServerInput
from app.inventory.group_draft import GroupInput
from app.inventory.group_names import automatic_groups
from app.inventory.import_report import Done, ImportReport, group_row, host_row
from app.inventory.inventory_plan import FOR_ADMINISTRATORS, Plan, PlannedGroup, PlannedHost, make_plan
from app.inventory.inventory_text import Found
from app.inventory.models import Connection, Server
from app.inventory.models_groups import ServerGroup

CHUNK = 500  # host names in one query


class _UndoError(Exception):
    """Ends a dry run."""


def import_inventory(
    actor: Actor,
    found: Found,
    *,
    dry_run: bool,
    into: str | None = None,
    lookup: Lookup = address_lookup.look_up,
) -> ImportReport:
    """Add and update servers and groups after an inventory; nothing is taken away, a second time changes nothing.

    What an inventory does not say stays as it is. A host that cannot be taken over is refused with a reason, and the
    others go on. Servers and groups are audited one by one, the import once with its counts. Raises InvalidInput for
    a circle of groups or an unusable ``into``.
    """
    require(actor, Permission.SERVER_EDIT)
    plan = make_plan(found, is_admin=can(actor, Permission.SERVER_ADMIN), into=into)
    report = ImportReport(dry_run, warnings=plan.warnings)
    try:
        with audit.savepoint():
            _apply(actor, plan, report, lookup)
            if dry_run:
                raise _UndoError
    except _UndoError:
        for row in (*report.hosts, *report.groups):
            row.id = None if row.done is Done.ADDED else row.id
        return report
    counts = {what: {word: n for word, n in words.items() if n} for what, words in report.counts().items()}
    audit.record(actor, "inventory:import", Resource("inventory"), action="IMPORT", details={"into": into, **counts})
    return report


def _apply(actor: Actor, plan: Plan, report: ImportReport, lookup: Lookup) -> None:
    known = _known_servers(actor, [host.hostname for host in plan.hosts.values() if host.refused is None])
    _fill_addresses(plan, known, lookup)
    ids: dict[str, int] = {}
    for planned in plan.hosts.values():
        server_id = _host(actor, planned, known.get(planned.hostname), report)
        if server_id is not None:
            ids[planned.name] = server_id
    _groups(actor, plan, ids, report)
    _everybody(actor, plan.everybody, report)


def _known_servers(actor: Actor, hostnames: Sequence[str]) -> dict[str, Server]:
    found: dict[str, Server] = {}
    for begin in range(0, len(hostnames), CHUNK):
        part = hostnames[begin : begin + CHUNK]
        found |= {
            row.hostname: row
            for row in db.session.scalars(scoped(actor, Server).where(Server.active_hostname.in_(part)))
        }
    return found


def _is_address(text: str) -> bool:
    try:
        return bool(draft.clean({"ip_address": text}))
    except AppError:
        return False


def _fill_addresses(plan: Plan, known: Mapping[str, Server], lookup: Lookup) -> None:
    """Turn names into addresses: of ``ansible_host``, or of the host itself where the inventory gives none."""
    asked: dict[str, list[PlannedHost]] = {}
    for host in plan.hosts.values():
        given = host.fields.get("ip_address")
        if host.refused is not None or (given is not None and _looks_numeric(given)):
            continue
        if given is None and (host.hostname in known or host.fields.get("connection") == Connection.LOCAL.value):
            host.fields |= {} if host.hostname in known else {"ip_address": "127.0.0.1"}
            continue
        asked.setdefault(given or host.hostname, []).append(host)
    answers = lookup(list(asked)) if asked else {}
    for name, hosts in asked.items():
        address = answers.get(name)
        for host in hosts:
            if address is not None and _is_address(address):
                host.fields["ip_address"] = address
                host.notes.append(f"The address of {name} was looked up: {address}.")
            elif host.hostname in known:
                del host.fields["ip_address"]
                host.notes.append(f"{name} could not be looked up: the address stays as it is.")
            else:
                host.refused = f"No address is known for {name[:100]}. Give one: ansible_host=192.0.2.10."


def _looks_numeric(text: str) -> bool:
    """Addresses are checked by the rules of the field; only names are looked up."""
    return _is_address(text) or ":" in text or text.replace(".", "").isdigit() or text.lower().startswith("0x")


def _host(actor: Actor, planned: PlannedHost, server: Server | None, report: ImportReport) -> int | None:
    if planned.refused is not None:
        report.hosts.append(host_row(planned, Done.REFUSED, reason=planned.refused))
        return None
    _check_key(actor, planned)
    given = _wanted(planned, server)
    try:
        if server is None:
            with audit.savepoint():
                made = service.create_server(actor, given)
            row, changed = host_row(planned, Done.ADDED), []
            row.id = made.id
        else:
            changed = sorted(draft.changes_of(server, draft.clean(given, is_controller=server.is_controller)))
            if changed:
                with audit.savepoint():
                    service.update_server(actor, server.id, given, version=None)
            row = host_row(planned, Done.UPDATED if changed else Done.UNCHANGED)
            row.id = server.id
    except AppError as error:
        report.hosts.append(host_row(planned, Done.REFUSED, reason=_said(error)))
        return None
    row.changed = changed
    report.hosts.append(row)
    return row.id


def _check_key(actor: Actor, planned: PlannedHost) -> None:
    """A key file that cannot be used here is left out: the server comes in, and gets its key later."""
    path = planned.fields.get("ssh_key_path")
    if path is not None:
        try:
            key_files.check_key_file(path, tenant_id=actor.tenant_id)
        except key_files.KeyFileError as error:
            planned.left_out.append(("ansible_ssh_private_key_file", str(error)))
            del planned.fields["ssh_key_path"]


def _wanted(planned: PlannedHost, server: Server | None) -> ServerInput:
    given: dict[str, Any] = dict(planned.fields)
    if "connection" in given:
        given["connection"] = Connection(given["connection"])
    if server is None:
        given["hostname"] = planned.hostname
    if planned.variables:
        given["variables"] = {**((server.variables if server else None) or {}), **planned.variables}
    tags = list((server.tags if server else None) or [])
    there = set(automatic_groups(tags, None))
    new = [tag for tag in planned.tags if automatic_groups([tag], None)[0] not in there]
    if new:
        given["tags"] = [*tags, *new]
    if planned.environment is not None:
        present = server.environment if server else None
        if automatic_groups((), present) != automatic_groups((), planned.environment):
            given["environment"] = planned.environment
    return given  # type: ignore[return-value]


def _said(error: AppError) -> str:
    texts = [f"{name}: {found[0]}" for name, found in error.errors.items() if found]
    return " ".join(texts) or error.message


def _groups(actor: Actor, plan: Plan, ids: Mapping[str, int], report: ImportReport) -> None:
    known = _known_groups(actor, plan)
    for planned in plan.groups.values():
        if planned.refused is not None or planned.instead is not None:
            done = Done.MAPPED if planned.instead else Done.REFUSED
            report.groups.append(group_row(planned, done, reason=planned.instead or planned.refused or ""))
            continue
        try:
            with audit.savepoint():
                _group(actor, planned, known, ids, report)
        except AppError as error:
            report.groups.append(group_row(planned, Done.REFUSED, reason=_said(error)))
    pairs = [(known[one.name], known[child]) for one in plan.groups.values() for child in one.children
             if one.name in known and child in known]  # fmt: skip
    names = {group.id: group.name for group, _child in pairs}
    for parent_id in service_groups.nest_groups(actor, [(one.id, other.id) for one, other in pairs]):
        row = next(row for row in report.groups if row.name == names[parent_id])
        row.changed.append("children")
        row.done = Done.UPDATED if row.done is Done.UNCHANGED else row.done


def _known_groups(actor: Actor, plan: Plan) -> dict[str, ServerGroup]:
    wanted = [name for name, group in plan.groups.items() if group.refused is None and group.instead is None]
    found: dict[str, ServerGroup] = {}
    for begin in range(0, len(wanted), CHUNK):
        part = wanted[begin : begin + CHUNK]
        rows = db.session.scalars(select(ServerGroup).where(
            ServerGroup.tenant_id == actor.tenant_id, ServerGroup.name.in_(part)))  # fmt: skip
        found |= {row.name: row for row in rows}
    return found


def _group(
    actor: Actor, planned: PlannedGroup, known: dict[str, ServerGroup], ids: Mapping[str, int], report: ImportReport
) -> None:
    group = known.get(planned.name)
    given: GroupInput = {}
    if planned.variables:
        given["variables"] = {**((group.variables if group else None) or {}), **planned.variables}
    if planned.priority is not None:
        given["priority"] = planned.priority
    changed: list[str] = []
    if group is None:
        group = service_groups.create_group(actor, {"name": planned.name, **given})
        row = group_row(planned, Done.ADDED)
    else:
        changed = [name for name, value in given.items() if getattr(group, name) != value]
        if changed:
            service_groups.update_group(actor, group.id, given, version=None)
        row = group_row(planned, Done.UPDATED if changed else Done.UNCHANGED)
    added, _ = service_groups.change_members(actor, group.id, add=[ids[name] for name in planned.hosts if name in ids])
    if added and row.done is not Done.ADDED:
        row.done, changed = Done.UPDATED, [*changed, "members"]
    row.id, row.changed = group.id, changed
    known[planned.name] = group
    report.groups.append(row)


def _everybody(actor: Actor, planned: PlannedGroup, report: ImportReport) -> None:
    """The variables of ``all`` reach every server of the tenant: administrators only, others are told so."""
    if not planned.variables and not planned.left_out:
        return
    if planned.variables and not can(actor, Permission.SERVER_ADMIN):
        planned.left_out += [(name, f"{FOR_ADMINISTRATORS} for all servers: give a group to import into")
                             for name in planned.variables]  # fmt: skip
        planned.variables = {}
    present = queries_groups.find_all(actor.tenant_id)
    old = (present.variables if present else None) or {}
    new = {**old, **planned.variables}
    done = Done.UNCHANGED if new == old else Done.UPDATED if present else Done.ADDED
    row = group_row(planned, done)
    if new != old:
        try:
            with audit.savepoint():
                service_groups.set_all_variables(actor, new, version=None)
        except AppError as error:
            row = group_row(planned, Done.REFUSED, reason=_said(error))
        row.notes.append("These variables hold for every server of the tenant, not only for those of this inventory.")
    report.groups.append(row)
