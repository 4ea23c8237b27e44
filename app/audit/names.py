"""What the things of the log are called now. The tables lie in slices above: they are read by name.

An entry keeps number and UUID only, so that a person can be forgotten; names are looked up when somebody reads.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, select

from app.core.actor import Actor
from app.core.column_types import can_hold
from app.core.db import Model, db

NAME_LIMIT = 200  # things of one kind that a text may name


@dataclass(frozen=True, slots=True)
class Kind:
    """Where a kind of thing has its name: table and column. ``uuid`` is the column that addresses use, if any."""

    table: str
    name: str
    uuid: str | None = None


# By ``resource_type``. A kind whose table does not exist here is passed over.
KINDS: dict[str, Kind] = {
    "server": Kind("servers", "hostname"),
    "server_group": Kind("server_groups", "name"),
    "playbook": Kind("playbooks", "name"),
    "playbook_project": Kind("playbook_projects", "name", "uuid"),
    "terraform_project": Kind("terraform_projects", "name", "uuid"),
    "terraform_variable_set": Kind("terraform_variable_sets", "name", "uuid"),
    "terraform_state": Kind("terraform_states", "workspace", "uuid"),
    "resource_price": Kind("resource_prices", "type", "uuid"),
    "saved_launch": Kind("saved_launches", "name", "uuid"),
    "launch": Kind("launches", "title", "uuid"),
    "ticket": Kind("tickets", "title", "ticket_id"),
    "user": Kind("users", "username"),
    "team": Kind("teams", "name", "uuid"),
    "api_key": Kind("api_keys", "name"),
    "tenant": Kind("tenants", "name"),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A thing as it is now."""

    name: str
    uuid: str | None


def _table(kind: Kind) -> Table | None:
    found = Model.metadata.tables.get(kind.table)
    return found if found is not None and kind.name in found.c and "id" in found.c else None


def _of_tenant(found: Table, actor: Actor) -> ColumnElement[bool]:
    owner = found.c.tenant_id if "tenant_id" in found.c else found.c.id  # a tenant is its own
    return owner == actor.tenant_id


def names_of_things(actor: Actor, wanted: Iterable[tuple[str, int]]) -> dict[tuple[str, int], Named]:
    """Return present names by (resource_type, resource_id), one query for each kind; what is gone is left out."""
    by_kind: dict[str, set[int]] = {}
    for resource_type, resource_id in wanted:
        by_kind.setdefault(resource_type, set()).add(resource_id)
    named: dict[tuple[str, int], Named] = {}
    for resource_type, ids in by_kind.items():
        kind = KINDS.get(resource_type)
        found = _table(kind) if kind else None
        if kind is None or found is None:
            continue
        uuid = found.c[kind.uuid] if kind.uuid and kind.uuid in found.c else found.c.id
        statement = select(found.c.id, found.c[kind.name], uuid).where(_of_tenant(found, actor), found.c.id.in_(ids))
        for key, name, address in db.session.execute(statement):
            named[resource_type, key] = Named(str(name), str(address) if kind.uuid else None)
    return named


def ids_named(actor: Actor, text: str) -> dict[str, list[int]]:
    """Return the ids of things whose present name holds ``text``, by resource_type; NAME_LIMIT of each at most."""
    named: dict[str, list[int]] = {}
    for resource_type, kind in KINDS.items():
        found = _table(kind)
        if found is None or not can_hold(found.c[kind.name].type, text):
            continue
        statement = select(found.c.id).where(
            _of_tenant(found, actor), found.c[kind.name].icontains(text, autoescape=True)
        )
        ids = list(db.session.scalars(statement.limit(NAME_LIMIT)))
        if ids:
            named[resource_type] = ids
    return named
