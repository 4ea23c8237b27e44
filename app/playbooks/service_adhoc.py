"""Launching one module on some servers, as a launch like any other: locks, log, matrix, audit, relaunch."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from app.core.permissions import Permission, can, require
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.jobs import kinds
from app.jobs import service as jobs
from app.jobs.models import Launch
from app.jobs.service import Submission
from app.jobs.status import JOB_FINAL, LockMode
from app.playbooks import adhoc, service
from app.playbooks.launch_options import LaunchOptions, check_options
from app.playbooks.service import PRODUCTION, servers_of_launch
from app.playbooks.targets import Selection, choose_servers

KIND = "adhoc"
OWN_KINDS = ("ansible", KIND)
SUBJECT = "module"
OPTIONS = ("check", "diff", "forks", "verbosity", "timeout_seconds")


@dataclass(frozen=True, slots=True)
class AdhocTask:
    """What to run: a module's full name and its checked arguments."""

    module: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    become: bool = False


def allowed_modules(actor: Actor) -> list[str]:
    """Return the full names of the modules that the actor may run, in the order of the settings."""
    require(actor, Permission.JOB_LAUNCH)
    wanted = settings().adhoc_modules if can(actor, Permission.JOB_ADHOC) else settings().adhoc_operator_modules
    return [name for name in map(adhoc.allowed_name, dict.fromkeys(wanted)) if name is not None]


def launch_adhoc(
    actor: Actor,
    module: str,
    arguments: str | Mapping[str, Any],
    *,
    selection: Selection,
    options: LaunchOptions | None = None,
    become: bool = False,
    source: str = "web",
    relaunch_of: int | None = None,
    confirmed_by_name: str | None = None,
) -> Launch:
    """Run a module of the allow-list once on the chosen servers; returns the pending launch.

    InvalidInput for unknown modules, bad arguments, options or selections; PermissionDenied for a module that only
    administrators may run. ``confirmed_by_name`` as in ``launch_playbook``: unless None, a launch that may change
    production servers needs the module's name there.
    """
    require(actor, Permission.JOB_LAUNCH)
    options = options or LaunchOptions()
    task = _checked(actor, module, arguments, become)
    check_options(options)
    servers = choose_servers(actor, selection)
    reads = options.check or task.module in adhoc.READING
    short = adhoc.short_name(task.module)
    hit = [server.hostname for server in servers if server.environment == PRODUCTION]
    if hit and not reads and confirmed_by_name is not None and confirmed_by_name.strip() not in (short, task.module):
        raise InvalidInput(
            confirm_name=f"Production is among the servers ({', '.join(hit[:3])}). Type {short} to go on."
        )
    return jobs.submit(
        actor,
        Submission(
            kind=KIND,
            subject_type=SUBJECT,
            # Modules have no row; the same number for the same module tells its usual duration.
            subject_id=zlib.crc32(task.module.encode()) >> 1,
            title=f"{short} on {len(servers)} server{'' if len(servers) == 1 else 's'}",
            inputs={
                "module": task.module,
                "arguments": dict(task.arguments),
                "become": task.become,
                "server_ids": [server.id for server in servers],
                **{name: getattr(options, name) for name in OPTIONS},
            },
            targets=[server.id for server in servers],
            lock_mode=LockMode.SHARED if reads else LockMode.EXCLUSIVE,
            timeout_seconds=options.timeout_seconds or settings().job_timeout_seconds,
            is_check=options.check,
            source=source,
            relaunch_of=relaunch_of,
            noted={"module": task.module, "arguments": sorted(task.arguments)},
        ),
    )


def _checked(actor: Actor, module: str, arguments: str | Mapping[str, Any], become: bool) -> AdhocTask:
    try:
        name = adhoc.full_name(module)
    except ValueError as error:
        raise InvalidInput(module=str(error)) from error
    if name not in allowed_modules(actor):
        if adhoc.is_allowed(name):
            raise PermissionDenied(Permission.JOB_ADHOC.value, actor.role.value)
        raise InvalidInput(
            module=f"{adhoc.short_name(name)} is not on the list of modules that may be run so. Use a playbook, or "
            "have it added to MILLWRIGHT_ADHOC_MODULES."
        )
    try:
        return AdhocTask(name, adhoc.read_arguments(name, arguments), become)
    except ValueError as error:
        raise InvalidInput(arguments=str(error)) from error


def get_launch(actor: Actor, launch_uuid: str) -> Launch:
    """Return a launch of a module; NotFound otherwise."""
    require(actor, Permission.JOB_VIEW)
    found = db.session.scalar(scoped(actor, Launch).where(Launch.uuid == launch_uuid, Launch.kind == KIND))
    if found is None:
        raise NotFound("The launch")
    return found


def relaunch(
    actor: Actor,
    launch_uuid: str,
    *,
    only: str = "all",
    changes: Mapping[str, Any] | None = None,
    selection: Selection | None = None,
) -> Launch:
    """Run the same module again, on the failed servers, all or those of ``selection``. ``changes`` replace options.

    Raises Conflict while the old launch is open or when nothing failed, else as ``launch_adhoc``.
    """
    require(actor, Permission.JOB_LAUNCH)
    old = get_launch(actor, launch_uuid)
    if old.status not in JOB_FINAL:
        raise Conflict("This launch is not finished yet. Wait for its end, or cancel it first.", error="still_open")
    unknown = [name for name in changes or {} if name not in OPTIONS]
    if unknown:
        raise InvalidInput(**dict.fromkeys(unknown, "A module's launch has no such input."))
    inputs = old.inputs
    fields = {name: inputs[name] for name in OPTIONS if inputs.get(name) is not None} | dict(changes or {})
    return launch_adhoc(
        actor,
        inputs["module"],
        inputs["arguments"],
        selection=selection
        if selection is not None and not selection.is_empty
        else Selection(tuple(servers_of_launch(actor, old, only)), limit=selection.limit if selection else None),
        options=LaunchOptions(**fields),
        become=bool(inputs.get("become")),
        source="relaunch",
        relaunch_of=old.id,
    )


def relaunch_any(
    actor: Actor, launch_uuid: str, *, only: str, changes: Mapping[str, Any], selection: Selection | None = None
) -> Launch:
    """Launch the same again, whether it was a playbook, a module or another kind's; see the ``relaunch`` of each.

    Other kinds take no changes and no other servers: InvalidInput.
    """
    require(actor, Permission.JOB_LAUNCH)
    kind = db.session.scalar(scoped(actor, Launch).with_only_columns(Launch.kind).where(Launch.uuid == launch_uuid))
    if kind is not None and kind not in OWN_KINDS:
        if changes or (selection is not None and not selection.is_empty):
            raise InvalidInput(f"A launch of the kind '{kind}' is repeated as it was: give nothing but 'only'.")
        return kinds.get(kind).relaunch(actor, launch_uuid, only=only)
    again = relaunch if kind == KIND else service.relaunch
    return again(actor, launch_uuid, only=only, changes=changes, selection=selection)
