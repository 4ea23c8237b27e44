"""Commands on saved launches: make, edit, copy, remove, mark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import delete, select

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.searching import begins
from app.core.tenancy import scoped
from app.core.versioning import check_version
from app.jobs.models import Launch
from app.playbooks import queries, queries_saved, saved_rights, service
from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.launch_options import OPTIONS, check_options, options_from
from app.playbooks.models import Playbook
from app.playbooks.models_saved import SavedLaunch, SavedLaunchFavourite, SavedLaunchTag
from app.playbooks.output_values import check_references, references_in
from app.playbooks.sample_project import check_tags
from app.playbooks.saved_inputs import (
    check_ask,
    read_secrets,
    selection_from,
    selection_json,
    store_secrets,
)
from app.playbooks.targets import Selection, check_selection
from app.playbooks.variables import check_variables

_EDITABLE = ("name", "description", "tags", "selection", "extra_vars", "options", "ask", "is_active")
_AUDITED = ("name", "description", "tags", "selection", "variables", "options", "ask", "secret_names", "is_active")


@dataclass(frozen=True, slots=True)
class SavedInput:
    """What a new saved launch holds. ``extra_vars`` holds secret values too; ``options`` are LaunchOptions' fields."""

    name: str
    playbook_id: int
    selection: Selection = field(default_factory=Selection)
    description: str | None = None
    tags: Sequence[str] = ()
    extra_vars: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    ask: Sequence[str] = ()


def create_saved(actor: Actor, wish: SavedInput, *, secrets_of: str | None = None) -> SavedLaunch:
    """Keep a launch under a name. ``secrets_of`` is a past launch of the same playbook whose secrets are taken over.

    Raises NotFound for an unknown playbook, launch or server, Conflict for a taken name, InvalidInput for values,
    options or asked inputs that do not fit.
    """
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    require(actor, Permission.JOB_LAUNCH)
    playbook = queries.get_playbook(actor, wish.playbook_id)
    _refuse_taken(actor, wish.name)
    kept: dict[str, str] = {}
    if secrets_of is not None:
        kept = service.secrets_of_launch(_launch_of(actor, secrets_of, playbook))
    saved = SavedLaunch(tenant_id=actor.tenant_id, playbook_id=playbook.id, owner_id=actor.user_id, name=wish.name)
    saved.selection, saved.variables, saved.options, saved.ask = {}, {}, {}, []
    db.session.add(saved)
    _apply(actor, saved, playbook, {name: getattr(wish, name) for name in _EDITABLE if name != "is_active"}, kept)
    audit.record(
        actor, "saved_launch:create", _resource(saved), details={name: getattr(saved, name) for name in _AUDITED}
    )
    return saved


def wish_from_launch(actor: Actor, launch_uuid: str) -> dict[str, Any]:
    """Return the fields of a SavedInput that repeat a past launch: its playbook, servers, values and options."""
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    launch = service.get_launch(actor, launch_uuid)
    inputs = launch.inputs
    playbook = queries.get_playbook(actor, launch.subject_id)
    known = {spec.name for spec in parse_specs(playbook.variable_specs)} | set(playbook.variables or {})
    values = inputs.get("extra_vars") or {}
    return {
        "playbook_id": playbook.id,
        "selection": Selection(server_ids=tuple(inputs.get("server_ids") or ())),
        "extra_vars": {name: value for name, value in values.items() if name in known},
        "options": {name: inputs[name] for name in OPTIONS if inputs.get(name) not in (None, [], False)},
    }


def edit_saved(actor: Actor, saved_uuid: str, changes: Mapping[str, Any], *, version: int | None = None) -> SavedLaunch:
    """Change what is given: name, description, tags, selection, extra_vars, options, ask, is_active.

    ``extra_vars`` replaces the values as a whole, but a secret that is left out is kept and one given as None is
    removed. Raises VersionConflict when ``version`` is not the present one.
    """
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    saved = queries_saved.get_saved(actor, saved_uuid)
    saved_rights.require_edit(actor, saved)
    unknown = sorted(changes.keys() - set(_EDITABLE))
    if unknown:
        raise InvalidInput(**{unknown[0]: "This cannot be changed here."})
    before = {name: getattr(saved, name) for name in _AUDITED}
    check_version(saved, version)
    if changes.get("is_active", saved.is_active) and ("name" in changes or not saved.is_active):
        _refuse_taken(actor, changes.get("name", saved.name), saved.id)
    _apply(actor, saved, queries.get_playbook(actor, saved.playbook_id), changes, read_secrets(saved))
    after = {name: getattr(saved, name) for name in _AUDITED}
    audit.record(actor, "saved_launch:update", _resource(saved), details=audit.changes(before, after, _AUDITED))
    return saved


def copy_saved(actor: Actor, saved_uuid: str, *, name: str | None = None) -> SavedLaunch:
    """Make a copy that belongs to the actor, without its grants.

    Its secrets come along only for who may edit the original: a copy may be pointed at other servers.
    """
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    old = queries_saved.get_saved(actor, saved_uuid)
    playbook = queries.get_playbook(actor, old.playbook_id)
    name = name or _free_name(actor, old.name)
    _refuse_taken(actor, name)
    saved = SavedLaunch(tenant_id=actor.tenant_id, playbook_id=playbook.id, owner_id=actor.user_id, name=name)
    saved.selection, saved.variables, saved.options, saved.ask = old.selection, old.variables, old.options, old.ask
    db.session.add(saved)
    kept = read_secrets(old) if old.id in saved_rights.editable(actor, [old]) else {}
    changes = {
        "description": old.description,
        "tags": old.tags or [],
        "selection": selection_from(old.selection),
    }
    _apply(actor, saved, playbook, changes, kept)
    store_secrets(saved, kept)
    db.session.flush()
    audit.record(actor, "saved_launch:create", _resource(saved), details={"name": saved.name, "copy_of": old.uuid})
    return saved


def remove_saved(actor: Actor, saved_uuid: str, *, version: int | None = None) -> bool:
    """Delete a saved launch that nobody ever pressed (True), else deactivate it: its history keeps its name (False)."""
    require(actor, Permission.SAVED_LAUNCH_EDIT)
    saved = queries_saved.get_saved(actor, saved_uuid)
    saved_rights.require_edit(actor, saved)
    check_version(saved, version)
    used = db.session.scalar(
        scoped(actor, Launch).with_only_columns(Launch.id).where(Launch.origin_uuid == saved.uuid).limit(1)
    )
    event = "saved_launch:deactivate" if used else "saved_launch:delete"
    action = "UPDATE" if used else "DELETE"
    audit.record(actor, event, _resource(saved), action=action, details={"name": saved.name})
    if used:
        saved.is_active = False
    else:
        db.session.delete(saved)
    db.session.flush()
    return not used


def mark_favourite(actor: Actor, saved_uuid: str, marked: bool) -> None:
    """Set or take away the actor's own mark; again is no error. Not audited: it changes nothing for anybody else."""
    require(actor, Permission.SAVED_LAUNCH_VIEW)
    saved = queries_saved.get_saved(actor, saved_uuid)
    if actor.user_id is None:
        raise InvalidInput("Only people have favourites.")
    present = saved.id in queries_saved.favourites_of(actor, [saved])
    if marked and not present:
        db.session.add(SavedLaunchFavourite(tenant_id=actor.tenant_id, user_id=actor.user_id, saved_launch_id=saved.id))
    elif present and not marked:
        db.session.execute(
            delete(SavedLaunchFavourite).where(
                SavedLaunchFavourite.tenant_id == actor.tenant_id,
                SavedLaunchFavourite.user_id == actor.user_id,
                SavedLaunchFavourite.saved_launch_id == saved.id,
            )
        )
    db.session.flush()


def _resource(saved: SavedLaunch) -> Resource:
    return Resource("saved_launch", saved.id, saved.uuid)


def _launch_of(actor: Actor, launch_uuid: str, playbook: Playbook) -> Launch:
    launch = service.get_launch(actor, launch_uuid)
    if launch.subject_id != playbook.id:
        raise InvalidInput(from_launch="That launch ran another playbook. Choose one of this playbook.")
    return launch


def _refuse_taken(actor: Actor, name: str, but: int | None = None) -> None:
    if not name.strip():
        raise InvalidInput(name="Give it a name.")
    statement = scoped(actor, SavedLaunch).with_only_columns(SavedLaunch.id).where(SavedLaunch.active_name == name)
    taken = db.session.scalar(statement.where(SavedLaunch.id != but) if but else statement)
    if taken is not None:
        raise Conflict(f"A saved launch named '{name}' exists already. Choose another name.", error="name_taken")


def _free_name(actor: Actor, name: str) -> str:
    statement = select(SavedLaunch.active_name).where(
        SavedLaunch.tenant_id == actor.tenant_id,
        begins(SavedLaunch.active_name, name[:200]),
    )
    taken = {str(found).casefold() for found in db.session.scalars(statement)}
    wanted, number = f"{name[:200]} (copy)", 1
    while wanted.casefold() in taken:
        number += 1
        wanted = f"{name[:200]} (copy {number})"
    return wanted


def _apply(
    actor: Actor, saved: SavedLaunch, playbook: Playbook, changes: Mapping[str, Any], kept: Mapping[str, str]
) -> None:
    """Set checked values; ``kept`` are the secrets that stay unless they are given anew."""
    specs = parse_specs(playbook.variable_specs)
    for key in ("name", "description", "is_active"):
        if key in changes:
            setattr(saved, key, changes[key] if key != "description" else changes[key] or None)
    if "options" in changes:
        options = options_from(changes["options"])
        check_options(options)
        saved.options = {name: value for name, value in changes["options"].items() if value not in (None, [], ())}
    if "ask" in changes:
        known = dict.fromkeys([*(spec.name for spec in specs), *(playbook.variables or {})])
        saved.ask = check_ask(changes["ask"], list(known))
    if "selection" in changes:
        check_selection(actor, changes["selection"])
        saved.selection = selection_json(changes["selection"])
    if (
        changes.keys() & {"selection", "ask"}
        and selection_from(saved.selection).is_empty
        and "servers" not in saved.ask
    ):
        raise InvalidInput(server_ids="Choose at least one server, a tag or an environment, or ask for the servers.")
    db.session.flush()  # the UUID is what the secrets are bound to
    if "extra_vars" in changes:
        saved.variables, secrets = _checked_values(actor, saved, playbook, changes["extra_vars"], kept)
        store_secrets(saved, secrets)
    if "tags" in changes:
        _set_tags(saved, check_tags(list(changes["tags"])))
    db.session.flush()


def _checked_values(
    actor: Actor, saved: SavedLaunch, playbook: Playbook, given: Mapping[str, Any], kept: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """Return plain and secret values. What is missing may be asked for or have a default, so nothing is required.

    References that come in need the rights of whoever writes them; what they name may come later.
    """
    declared = parse_specs(playbook.variable_specs)
    loose = [{**spec.as_json(), "required": False, "default": None} for spec in declared]
    names = {spec.name for spec in declared}
    secret = {spec.name for spec in declared if spec.type is VariableType.SECRET}
    others = {name: value for name, value in (playbook.variables or {}).items() if name not in names}
    checked = check_variables(parse_specs(loose), others, given)
    plain = {name: value for name, value in checked.extra_vars.items() if name in given}
    came = {name: text for name, text in references_in(plain).items() if saved.variables.get(name) != text}
    check_references(actor, came, must_exist=False)
    stays = {name: value for name, value in kept.items() if name in secret and name not in given}
    return plain, {**stays, **checked.secrets}


def _set_tags(saved: SavedLaunch, tags: Sequence[str]) -> None:
    saved.tags = list(tags)
    mirror = delete(SavedLaunchTag).where(
        SavedLaunchTag.tenant_id == saved.tenant_id, SavedLaunchTag.saved_launch_id == saved.id
    )
    db.session.execute(mirror)
    db.session.add_all(SavedLaunchTag(tenant_id=saved.tenant_id, saved_launch_id=saved.id, tag=tag) for tag in tags)
