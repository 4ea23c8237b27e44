"""Launching playbooks: the rules between a person's wish and a launch in the engine room."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from app.core.actor import Actor
from app.core.crypto import DecryptionError, Keyring
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs import service as jobs
from app.jobs.kinds import PREPARE
from app.jobs.models import Job, Launch
from app.jobs.service import Origin, Submission
from app.jobs.status import JOB_FINAL, JobStatus, LockMode
from app.playbooks import content, queries
from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.launch_options import OPTIONS, check_options, options_from
from app.playbooks.launch_options import LaunchOptions as LaunchOptions
from app.playbooks.models import Playbook, ProjectSource
from app.playbooks.output_values import Voucher, check_references
from app.playbooks.service_sync import queue_sync
from app.playbooks.targets import Selection, active_hostnames, check_selection, choose_servers
from app.playbooks.variables import CheckedVariables, check_variables

PRODUCTION = "production"  # environment whose servers ask for the playbook's name


def launch_playbook(
    actor: Actor,
    playbook_id: int,
    *,
    selection: Selection,
    options: LaunchOptions | None = None,
    source: str = "web",
    relaunch_of: int | None = None,
    confirmed_by_name: str | None = None,
    origin: Origin | None = None,
    changed_secrets: Collection[str] = (),
    voucher: Voucher | None = None,
) -> Launch:
    """Launch an approved playbook on servers; returns the pending launch with its run and jobs.

    Unknown or foreign playbook or server: NotFound. Deactivated, or content that nobody approved: Conflict.
    Values that do not fit the declared variables, an empty or too large selection: InvalidInput. The
    controller is for admins: PermissionDenied. ``confirmed_by_name`` is what a person typed: unless None, a
    launch that changes production servers needs the playbook's name there, or that of its ``origin``.
    ``changed_secrets`` are names to note: secrets that differ from those of the launch before. ``voucher``: whose
    rights stand behind references that the actor did not give.
    """
    require(actor, Permission.JOB_LAUNCH)
    return _submit(
        actor,
        prepare_launch(
            actor,
            playbook_id,
            selection=selection,
            options=options,
            source=source,
            relaunch_of=relaunch_of,
            confirmed_by_name=confirmed_by_name,
            origin=origin,
            changed_secrets=changed_secrets,
            voucher=voucher,
        ),
    )


def prepare_launch(
    actor: Actor,
    playbook_id: int,
    *,
    selection: Selection,
    options: LaunchOptions | None = None,
    source: str = "web",
    relaunch_of: int | None = None,
    confirmed_by_name: str | None = None,
    origin: Origin | None = None,
    changed_secrets: Collection[str] = (),
    voucher: Voucher | None = None,
) -> Submission:
    """Return what ``launch_playbook`` would submit, with the same checks and errors; nothing is stored."""
    require(actor, Permission.JOB_LAUNCH)
    options = options or LaunchOptions()
    playbook = queries.get_playbook(actor, playbook_id)
    revision_id = _runnable_revision(actor, playbook)
    check_options(options)
    checked = _variables(actor, playbook, options.extra_vars)
    allowed = check_references(actor, checked.references, voucher)
    servers = choose_servers(actor, selection)
    asked_name = (origin.title if origin else playbook.name).strip()
    if confirmed_by_name is not None and not options.check and confirmed_by_name.strip() != asked_name:
        _refuse_production(asked_name, servers)
    shared = options.check or playbook.shares_servers
    timeout = options.timeout_seconds or playbook.timeout_seconds or settings().job_timeout_seconds
    return Submission(
        kind=queries.KIND,
        subject_type=queries.SUBJECT,
        subject_id=playbook.id,
        title=playbook.name,
        inputs={
            "playbook_id": playbook.id,
            "revision_id": revision_id,
            "file_path": playbook.file_path,
            "file_hash": playbook.file_hash,
            "manifest_hash": playbook.manifest_hash,
            "extra_vars": checked.extra_vars,
            "server_ids": [server.id for server in servers],
            **({"references": allowed} if allowed else {}),
            **({"changed_secrets": sorted(changed_secrets)} if changed_secrets else {}),
            **{name: _plain(getattr(options, name)) for name in OPTIONS},
        },
        secret_inputs=dict(checked.secrets),
        targets=[server.id for server in servers],
        playbook_id=playbook.id,
        engine=queries.project_of(actor, playbook).engine,
        lock_mode=LockMode.SHARED if shared else LockMode.EXCLUSIVE,
        timeout_seconds=timeout,
        is_check=options.check,
        source=source,
        relaunch_of=relaunch_of,
        origin=origin,
        extra_vars=checked.extra_vars,
        noted={"references": dict(sorted(checked.references.items()))} if checked.references else {},
    )


def _submit(actor: Actor, submission: Submission) -> Launch:
    """Submit; where the project is to be read again before each launch, ask for a sync that the launch waits for."""
    project = queries.project_of(actor, queries.get_playbook(actor, submission.subject_id))
    if project.sync_on_launch and project.source is ProjectSource.GIT and project.is_active:
        sync = queue_sync(actor, project, reason="launch")
        submission = replace(submission, inputs={**submission.inputs, PREPARE: sync.id})
    return jobs.submit(actor, submission)


def relaunch(
    actor: Actor,
    launch_uuid: str,
    *,
    only: str = "all",
    changes: Mapping[str, Any] | None = None,
    selection: Selection | None = None,
    source: str = "relaunch",
    confirmed_by_name: str | None = None,
) -> Launch:
    """Launch the same again, on the servers that failed or were left out (``only="failed"``) or on all of them.

    ``changes`` are fields of LaunchOptions that replace the old ones; its ``extra_vars`` are merged over the old
    values, secrets included. ``selection`` replaces the servers, or narrows them if it is a limit alone.
    The playbook runs as it is now and needs its approval. Conflict while the old launch is open, or if nothing failed.
    """
    require(actor, Permission.JOB_LAUNCH)
    _, submission = prepare_relaunch(
        actor,
        launch_uuid,
        only=only,
        changes=changes,
        selection=selection,
        source=source,
        confirmed_by_name=confirmed_by_name,
    )
    return _submit(actor, submission)


def prepare_relaunch(
    actor: Actor,
    launch_uuid: str,
    *,
    only: str = "all",
    changes: Mapping[str, Any] | None = None,
    selection: Selection | None = None,
    source: str = "relaunch",
    confirmed_by_name: str | None = None,
) -> tuple[Launch, Submission]:
    """Return the old launch and what ``relaunch`` would submit; nothing is stored."""
    require(actor, Permission.JOB_LAUNCH)
    old = get_launch(actor, launch_uuid)
    if selection is not None:
        check_selection(actor, selection)  # unknown servers are told whatever the old launch's state
    if old.status not in JOB_FINAL:
        raise Conflict("This launch is not finished yet. Wait for its end, or cancel it first.", error="still_open")
    kept = {name: old.inputs[name] for name in OPTIONS if old.inputs.get(name) is not None}
    fields = {**kept, **{name: value for name, value in (changes or {}).items() if name != "extra_vars"}}
    values, secrets = _still_declared(actor, old)
    given = (changes or {}).get("extra_vars") or {}
    if selection is None or selection.is_empty:
        limit = selection.limit if selection else None
        selection = Selection(server_ids=tuple(servers_of_launch(actor, old, only)), limit=limit)
    return old, prepare_launch(
        actor,
        old.subject_id,
        selection=selection,
        options=options_from(fields, {**values, **secrets, **given}),
        source=source,
        relaunch_of=old.id,
        confirmed_by_name=confirmed_by_name,
        changed_secrets=[name for name in given if name in secrets and given[name] != secrets[name]],
    )


def get_launch(actor: Actor, launch_uuid: str) -> Launch:
    """Return a playbook launch of the actor's tenant; NotFound otherwise."""
    require(actor, Permission.JOB_VIEW)
    found = db.session.scalar(
        scoped(actor, Launch).where(Launch.uuid == launch_uuid, Launch.subject_type == queries.SUBJECT)
    )
    if found is None:
        raise NotFound("The launch")
    return found


def preview_selection(actor: Actor, selection: Selection) -> list[str]:
    """Return the host names that a launch with this selection would run on; errors as in ``launch_playbook``."""
    require(actor, Permission.JOB_LAUNCH)
    return [server.hostname for server in choose_servers(actor, selection)]


def _runnable_revision(actor: Actor, playbook: Playbook) -> int:
    if not playbook.is_active:
        raise Conflict(
            f"The playbook '{playbook.name}' is deactivated. Activate it, or choose another one.",
            error="playbook_inactive",
        )
    if playbook.missing_since is not None:
        raise Conflict(
            f"The file {playbook.file_path} is missing in the newest revision of its project. Bring it back there, "
            "or launch another playbook.",
            error="file_missing",
        )
    if queries.approval_of(actor, playbook) is None:
        names = queries.approver_names(actor)
        who = f" ({', '.join(names)})" if names else ""
        raise Conflict(
            f"The present content of '{playbook.name}' is not approved. An administrator{who} reads it and approves it "
            f"at {settings().public_url.rstrip('/')}/playbooks/{playbook.id}/approve; then launch again.",
            error="not_approved",
        )
    revision = content.find_revision(actor, playbook.project_id, playbook.manifest_hash)
    if revision is None:
        raise Conflict(
            f"The stored files of '{playbook.name}' do not match its hashes. Upload its file again and approve it.",
            error="hash_mismatch",
        )
    return revision.id


def _refuse_production(name: str, servers: Sequence[Server]) -> None:
    hit = [server.hostname for server in servers if server.environment == PRODUCTION]
    if hit:
        raise InvalidInput(
            confirm_name=f"Production is among the servers ({', '.join(hit[:3])}). Type {name} to go on."
        )


def _variables(actor: Actor, playbook: Playbook, given: Mapping[str, Any]) -> CheckedVariables:
    specs = parse_specs(playbook.variable_specs)
    checked = check_variables(specs, playbook.variables or {}, given)
    named = {spec.name: checked.extra_vars.get(spec.name) for spec in specs if spec.type is VariableType.SERVER}
    chosen = {
        name: value if isinstance(value, list) else [value]
        for name, value in named.items()
        if value and name not in checked.references
    }
    wanted = sorted({hostname for hostnames in chosen.values() for hostname in hostnames})
    known = active_hostnames(actor, wanted) if wanted else set()
    wrong = {
        f"extra_vars.{name}": f"There is no active server named '{hostname}'. Choose one from the list."
        for name, hostnames in chosen.items()
        for hostname in hostnames
        if hostname not in known
    }
    if wrong:
        raise InvalidInput(**wrong)
    return checked


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _still_declared(actor: Actor, old: Launch) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the old launch's plain and secret values, as far as the playbook still knows their names."""
    playbook = queries.get_playbook(actor, old.subject_id)
    known = {spec.name for spec in parse_specs(playbook.variable_specs)} | set(playbook.variables or {})
    plain, secret = old.inputs.get("extra_vars") or {}, secrets_of_launch(old)
    return {k: v for k, v in plain.items() if k in known}, {k: v for k, v in secret.items() if k in known}


def secrets_of_launch(launch: Launch) -> dict[str, Any]:
    """Return the secret values of a launch. Conflict when they cannot be opened any more."""
    if launch.secret_inputs is None:
        return {}
    keyring = Keyring(settings().master_key.get_secret_value())
    try:
        text = keyring.decrypt(jobs.secret_context(launch.uuid, launch.tenant_id), launch.secret_inputs)
    except DecryptionError as error:
        raise Conflict(
            "The secrets of that launch can no longer be opened. Start a new launch and type them again.",
            error="secrets_lost",
        ) from error
    secrets: dict[str, Any] = json.loads(text)
    return secrets


def servers_of_launch(actor: Actor, old: Launch, only: str) -> Sequence[int]:
    """Return the ids of an earlier launch's servers, or of those where it failed.

    InvalidInput for another word than "all" or "failed", Conflict when nothing failed.
    """
    require(actor, Permission.JOB_LAUNCH)
    if only not in ("all", "failed"):
        raise InvalidInput(only="Either 'failed' or 'all'.")
    statement = scoped(actor, Job).with_only_columns(Job.server_id).where(Job.launch_id == old.id)
    if only == "failed":
        statement = statement.where(Job.status.in_([JobStatus.FAILED, JobStatus.CANCELLED]))
    found = [server_id for server_id in db.session.scalars(statement) if server_id is not None]
    if not found:
        raise Conflict("No job of that launch failed. Relaunch all of it instead.", error="nothing_failed")
    return found
