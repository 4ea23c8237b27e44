"""From a state to servers: made, changed, taken out of use as the rules of the project say."""

from __future__ import annotations

import json
from typing import Any

from sqlalchemy import select, true

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError, Conflict
from app.core.tenancy import scoped, system_scope, tenant_scope
from app.inventory import service as inventory
from app.inventory import service_host_keys, service_tests
from app.inventory.models import HostKey, Server
from app.terraform import state_bytes
from app.terraform.models import TerraformProject
from app.terraform.models_servers import Bootstrap, TerraformServer, TerraformServerRule
from app.terraform.models_state import TerraformState, TerraformStateFile
from app.terraform.server_mapping import MappingError, server_values
from app.terraform.state_document import Instance, instances

MOST = 2000  # servers of one workspace that rules make


def sync_servers(
    actor: Actor, project: TerraformProject, workspace: str, *, execution_uuid: str | None = None
) -> dict[str, int]:
    """Bring the servers of a workspace to what its newest state says; returns counts by what was done.

    ``actor`` needs the right to edit servers. What cannot be done stands in the link's ``problem``.
    """
    rules = {
        rule.resource_type: rule
        for rule in db.session.scalars(
            scoped(actor, TerraformServerRule).where(TerraformServerRule.project_id == project.id)
        )
    }
    head = db.session.scalar(
        scoped(actor, TerraformState)
        .where(TerraformState.project_id == project.id, TerraformState.workspace == workspace)
        .with_for_update()
    )
    counts = dict.fromkeys(("made", "changed", "left", "problems", ""), 0)
    if head is None or not rules:
        del counts[""]
        return counts
    links = {
        link.address: link
        for link in db.session.scalars(scoped(actor, TerraformServer).where(TerraformServer.state_id == head.id))
    }
    for instance in _instances(actor, head, rules):
        link = links.pop(instance.address, None)
        if link is None:
            link = TerraformServer(
                tenant_id=actor.tenant_id,
                project_id=project.id,
                state_id=head.id,
                address=instance.address[:700],
                resource_type=instance.type,
            )
            db.session.add(link)
        counts[_bring(actor, rules[instance.type], link, instance, workspace, execution_uuid)] += 1
    for gone in links.values():
        if gone.resource_type in rules:
            counts["left" if _leave(actor, gone) else "problems"] += 1
        else:
            db.session.delete(gone)  # its rule was taken away: the server is the team's own now
    db.session.flush()
    del counts[""]  # nothing had to be done
    return counts


def _instances(actor: Actor, head: TerraformState, rules: dict[str, TerraformServerRule]) -> list[Instance]:
    if head.state_file_id is None:
        return []
    file = db.session.scalars(
        scoped(actor, TerraformStateFile).where(TerraformStateFile.id == head.state_file_id)
    ).one()
    parsed = json.loads(state_bytes.load(file))
    wanted = [one for one in instances(parsed) if one.mode == "managed" and one.type in rules and not one.is_deposed]
    return wanted[:MOST]


def _bring(
    actor: Actor,
    rule: TerraformServerRule,
    link: TerraformServer,
    instance: Instance,
    workspace: str,
    execution_uuid: str | None,
) -> str:
    """Make or change the server of an instance; returns what was done ("" for nothing)."""
    machine = str(instance.attributes.get("id") or "")[:500]
    link.is_leaving = False
    try:
        values: dict[str, Any] = dict(server_values(rule, instance, workspace))
        with audit.savepoint():
            done = _apply(actor, link, values, is_other=link.machine not in (None, machine))
    except (MappingError, AppError) as error:
        link.problem = _said(error)[:500]
        return "problems"
    link.problem = None
    if done or link.machine != machine:
        link.execution_uuid = execution_uuid
    if (done == "made" or link.machine not in (None, machine)) and rule.bootstrap_uuid:
        link.bootstrap, link.bootstrap_since = Bootstrap.WAITING, database_now()
        link.bootstrap_note, link.launch_uuid = None, None
        assert link.server_id is not None
        service_tests.request_server_test(actor, link.server_id)
    link.machine, link.applied = machine, values
    return done


def _apply(actor: Actor, link: TerraformServer, values: dict[str, Any], *, is_other: bool) -> str:
    if link.server_id is None:
        link.server_id = inventory.create_server(actor, values).id  # type: ignore[arg-type]
        return "made"
    server = db.session.scalars(scoped(actor, Server).where(Server.id == link.server_id)).one()
    before = link.applied or {}
    changed = {name: value for name, value in values.items() if before.get(name) != value}
    done = ""
    if changed:
        inventory.update_server(actor, server.id, changed, version=None)  # type: ignore[arg-type]
        done = "changed"
    if not server.is_active:
        inventory.reactivate_server(actor, server.id)
        done = "changed"
    if is_other:
        _forget_keys(actor, server.id)
    return done


def _forget_keys(actor: Actor, server_id: int) -> None:
    """Trust the keys of the machine before no longer: this address is another machine now."""
    accepted = scoped(actor, HostKey).where(
        HostKey.server_id == server_id, HostKey.accepted_at.is_not(None), HostKey.revoked_at.is_(None)
    )
    for key in db.session.scalars(accepted).all():
        service_host_keys.revoke_host_key(actor, server_id, key.id)


def _leave(actor: Actor, link: TerraformServer) -> bool:
    """Take the server of a destroyed resource out of use; False while it is in use, and it is tried again."""
    try:
        if link.server_id is not None:
            with audit.savepoint():
                inventory.deactivate_server(actor, link.server_id)
    except Conflict as error:
        link.is_leaving, link.problem = True, f"Its resource is gone. {error.message}"[:500]
        return False
    db.session.delete(link)
    return True


def _said(error: Exception) -> str:
    if isinstance(error, AppError):
        return " ".join(str(text) for said in error.errors.values() for text in said) or error.message
    return str(error)


def retry_leaving(limit: int = 100) -> int:
    """The keeper's chore: take servers out of use whose resource is gone and that were in use; return how many."""
    with system_scope("keeper: leaving servers"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(TerraformServer.id, TerraformServer.tenant_id)
            .where(TerraformServer.is_leaving == true())
            .order_by(TerraformServer.id)
            .limit(limit)
        ).all()
    left = 0
    for link_id, tenant_id in rows:
        with tenant_scope(tenant_id), unit_of_work():
            system = Actor.system(tenant_id)
            link = db.session.scalar(scoped(system, TerraformServer).where(TerraformServer.id == link_id))
            left += link is not None and link.is_leaving and _leave(system, link)
    return left
