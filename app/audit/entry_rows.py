"""Entries as the pages show them: who, what it was about by its present name with a link, details as lines."""

from __future__ import annotations

from typing import Any

from flask import current_app, url_for

from app.audit import queries
from app.audit.models import AuditEntry
from app.audit.names import Named, names_of_things
from app.audit.readable import detail_rows
from app.core.actor import Actor

# Pages of things in the slices above, by resource_type: endpoint, its argument, whether that is the UUID.
PAGES = {
    "server": ("inventory.server", "server_id", False),
    "server_group": ("server_groups.group", "group_id", False),
    "team": ("accounts.team", "team_uuid", True),
    "playbook_project": ("playbooks.projects.project", "project_uuid", True),
    "terraform_variable_set": ("terraform_variable_sets.variable_set", "set_uuid", True),
    "resource_price": ("prices.price", "price_uuid", True),
    "saved_launch": ("playbooks.saved_launch", "saved_uuid", True),
    "playbook": ("playbooks.playbook", "playbook_id", False),
    "launch": ("jobs.launch", "launch_uuid", True),
    "job": ("jobs.job", "job_id", True),
    "ticket": ("tickets.ticket", "ticket_id", True),
}
Thing = tuple[str, int]


def entry_rows(actor: Actor, entries: list[AuditEntry]) -> list[dict[str, Any]]:
    """Return the entries with what the templates need; one query for people and one for each kind of thing."""
    people = queries.names_of(actor, [entry.user_id for entry in entries])
    things = names_of_things(
        actor, {(entry.resource_type, entry.resource_id) for entry in entries if entry.resource_id is not None}
    )
    return [_row(entry, people, things) for entry in entries]


def _row(entry: AuditEntry, people: dict[int, str], things: dict[Thing, Named]) -> dict[str, Any]:
    if entry.user_id is None:
        who = "system" if entry.via in ("system", "cli") else "nobody signed in"
    else:
        who = people.get(entry.user_id, f"user {entry.user_id}")
    label, page, history = entry.resource_type.replace("_", " "), None, None
    if entry.resource_id is not None:
        named = things.get((entry.resource_type, entry.resource_id))
        label = f"{label} {named.name}" if named else f"{label} {entry.resource_id}"
        page = _page_of(entry, named)
        history = url_for("audit.index", resource_type=entry.resource_type, resource_id=entry.resource_id)
    return {
        **queries.entry_data(entry, people),
        "who": who,
        "resource_label": label,
        "resource_page": page,
        "resource_url": history,
        "rows": detail_rows(entry.action, entry.details),
        "url": url_for("audit.entry", entry_id=entry.id),
    }


def _page_of(entry: AuditEntry, named: Named | None) -> str | None:
    endpoint, argument, by_uuid = PAGES.get(entry.resource_type, ("", "", False))
    if endpoint not in current_app.view_functions or (named is None and entry.resource_type != "job"):
        return None
    uuid = (named.uuid if named else None) or entry.resource_uuid
    address = uuid if by_uuid else entry.resource_id
    values: dict[str, Any] = {argument: address}
    return url_for(endpoint, **values) if address is not None else None


def thing_label(actor: Actor, resource_type: str | None, resource_id: int | None) -> str | None:
    """Return "server web-1" for the heading of a thing's history; None when no single thing was asked for."""
    if resource_type is None or resource_id is None:
        return None
    named = names_of_things(actor, [(resource_type, resource_id)]).get((resource_type, resource_id))
    return f"{resource_type.replace('_', ' ')} {named.name if named else resource_id}"
