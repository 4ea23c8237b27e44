"""Pressing a saved launch: what it holds, with the inputs that it asks for, as a launch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.accounts.models import User
from app.core.actor import Actor, Via
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, PermissionDenied
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.models import Launch
from app.jobs.service import Origin
from app.playbooks import queries, queries_saved, saved_rights, service
from app.playbooks.declarations import parse_specs
from app.playbooks.launch_options import LaunchOptions, options_from
from app.playbooks.models import Playbook
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.output_values import Voucher, references_in
from app.playbooks.saved_inputs import read_secrets, refuse_fixed, selection_from
from app.playbooks.targets import Selection, choose_servers

ORIGIN = "saved_launch"


def launch_saved(
    actor: Actor,
    saved_uuid: str,
    given: Mapping[str, Any],
    *,
    source: str = "web",
    confirmed_by_name: str | None = None,
) -> Launch:
    """Launch what is saved, with ``given`` in place of the inputs that it asks for.

    ``given`` holds fields of LaunchOptions (``extra_vars`` merged over the saved values), ``server_ids`` (some of its
    servers) and ``limit``. Raises PermissionDenied without a right to launch this one, InvalidInput for inputs that it
    does not ask for and servers that are not its own, Conflict when it is inactive or the playbook changed under it;
    further as service.launch_playbook. ``confirmed_by_name``: production asks for the saved launch's name.
    """
    require(actor, Permission.SAVED_LAUNCH_LAUNCH)
    saved = _usable(actor, saved_uuid)
    refuse_fixed(saved.ask, given)
    playbook = queries.get_playbook(actor, saved.playbook_id)
    return service.launch_playbook(
        saved_rights.pressing(actor),
        playbook.id,
        selection=_selection(actor, saved, given),
        options=_options(saved, playbook, given),
        source=source,
        confirmed_by_name=confirmed_by_name,
        origin=Origin(ORIGIN, saved.uuid, saved.name),
        voucher=_voucher(actor, saved),
    )


def launch_saved_on(actor: Actor, saved_uuid: str, server_ids: Sequence[int], origin: Origin) -> Launch:
    """Launch what is saved on these servers in place of its own: another slice has made them and wants them set up.

    For those who may launch every saved launch. ``origin`` says what asked. Errors as in ``launch_saved``.
    """
    require(actor, Permission.JOB_LAUNCH)
    saved = _usable(actor, saved_uuid)
    playbook = queries.get_playbook(actor, saved.playbook_id)
    return service.launch_playbook(
        actor,
        playbook.id,
        selection=Selection(server_ids=tuple(server_ids)),
        options=_options(saved, playbook, {}),
        source="terraform",
        origin=origin,
        voucher=_voucher(actor, saved),
    )


def servers_of_saved(actor: Actor, saved_uuid: str, given: Mapping[str, Any] | None = None) -> Sequence[Server]:
    """Return the servers that a launch would run on now, by host name; errors as in ``launch_saved``."""
    require(actor, Permission.SAVED_LAUNCH_LAUNCH)
    saved = _usable(actor, saved_uuid)
    chosen = {name: value for name, value in (given or {}).items() if name in ("server_ids", "limit")}
    refuse_fixed(saved.ask, chosen)
    return choose_servers(saved_rights.pressing(actor), _selection(actor, saved, chosen))


def _usable(actor: Actor, saved_uuid: str) -> SavedLaunch:
    saved = queries_saved.find_saved(actor, saved_uuid)
    saved_rights.require_launch(actor, saved)
    if not saved.is_active:
        raise Conflict(
            f"The saved launch '{saved.name}' is deactivated. Activate it, or choose another one.",
            error="saved_launch_inactive",
        )
    return saved


def _voucher(actor: Actor, saved: SavedLaunch) -> Voucher | None:
    """Return its owner, as they are now, as the one behind the references that it holds; None when it holds none."""
    held = references_in(saved.variables)
    if not held:
        return None
    owner = db.session.scalar(scoped(actor, User).where(User.id == saved.owner_id))
    if owner is None or not owner.is_active:
        return None  # whoever presses it answers for them
    return Voucher(Actor(actor.tenant_id, owner.id, owner.role, owner.username, Via.SYSTEM), held)


def _selection(actor: Actor, saved: SavedLaunch, given: Mapping[str, Any]) -> Selection:
    """Return the saved servers, narrowed by what was given: nobody gets beyond them."""
    own = selection_from(saved.selection)
    wanted, limit = tuple(given.get("server_ids") or ()), given.get("limit") or None
    if own.is_empty:  # it asks which of all servers; that is for those who may launch anything anyway
        if saved_rights.is_lent(actor):
            raise PermissionDenied(Permission.JOB_LAUNCH.value, actor.role.value)
        return Selection(server_ids=wanted, limit=limit)
    if not wanted and limit is None:
        return own
    if set(wanted) <= set(own.server_ids) and wanted and not own.limit:
        return Selection(server_ids=wanted, limit=limit)  # others of them may be inactive by now
    now = {server.id for server in choose_servers(saved_rights.pressing(actor), own)}
    if not set(wanted) <= now:
        raise InvalidInput(
            server_ids="One of these servers does not belong to this saved launch. Choose among its own."
        )
    return Selection(server_ids=wanted or tuple(sorted(now)), limit=limit)


def _options(saved: SavedLaunch, playbook: Playbook, given: Mapping[str, Any]) -> LaunchOptions:
    secrets = read_secrets(saved)
    known = {spec.name for spec in parse_specs(playbook.variable_specs)} | set(playbook.variables or {})
    gone = sorted((saved.variables.keys() | secrets.keys()) - known)
    if gone:
        raise Conflict(
            f"The playbook '{playbook.name}' no longer declares {', '.join(gone)[:300]}. "
            "Edit the saved launch and save it again.",
            error="playbook_changed",
        )
    values = {**saved.variables, **secrets, **(given.get("extra_vars") or {})}
    changed = {name: value for name, value in given.items() if name != "extra_vars"}
    return replace(options_from({**saved.options, **changed}), extra_vars=values)
