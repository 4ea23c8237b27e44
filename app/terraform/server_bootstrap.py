"""The first launch on a server that an apply has made: once it is reached, with its host key accepted."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.errors import AppError
from app.core.tenancy import scoped, system_scope, tenant_scope
from app.inventory import service_host_keys, service_tests
from app.inventory.failures import Outcome
from app.inventory.models import HostKey, Server
from app.jobs import launchers
from app.jobs.service import Origin
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_servers import Bootstrap, TerraformServer, TerraformServerRule

PATIENCE = timedelta(minutes=15)  # clouds say "created" long before ssh answers
AGAIN = timedelta(seconds=10)  # between two connection tests of one server
ORIGIN = "terraform_execution"


def advance(limit: int = 50) -> int:
    """The keeper's chore: look at each server that waits for its first launch; return how many were launched."""
    with system_scope("keeper: bootstraps"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(TerraformServer.id, TerraformServer.tenant_id)
            .where(TerraformServer.bootstrap == Bootstrap.WAITING)
            .order_by(TerraformServer.updated_at, TerraformServer.id)
            .limit(limit)
        ).all()
    return sum(_advance_one(tenant_id, link_id) for link_id, tenant_id in rows)


def _advance_one(tenant_id: int, link_id: int) -> bool:
    with tenant_scope(tenant_id), unit_of_work():
        system = Actor.system(tenant_id)
        statement = scoped(system, TerraformServer).where(TerraformServer.id == link_id).with_for_update()
        link = db.session.scalar(statement)
        if link is None or link.bootstrap is not Bootstrap.WAITING:
            return False
        server = db.session.scalars(scoped(system, Server).where(Server.id == link.server_id)).one()
        rule = db.session.scalar(
            scoped(system, TerraformServerRule).where(
                TerraformServerRule.project_id == link.project_id,
                TerraformServerRule.resource_type == link.resource_type,
            )
        )
        if rule is None or rule.bootstrap_uuid is None or not server.is_active:
            link.bootstrap, link.bootstrap_note = Bootstrap.NONE, "Its rule has no first launch any more."
            return False
        return _step(system, link, server, rule)


def _step(system: Actor, link: TerraformServer, server: Server, rule: TerraformServerRule) -> bool:
    now, since = database_now(), link.bootstrap_since
    assert since is not None
    if server.test_requested_at is not None:
        return False  # a worker is at it
    tested = server.last_tested_at
    if tested is not None and tested >= since:
        if server.last_test_ok:
            return _launch(system, link, server, rule)
        link.bootstrap_note = (server.last_test_message or "")[:500]
        if server.last_test_code == Outcome.HOST_KEY_WAITING and rule.trusts_first_key and _trust(system, server):
            service_tests.request_server_test(system, server.id)
            return False
    if now - since > PATIENCE:
        link.bootstrap = Bootstrap.FAILED
        link.bootstrap_note = f"Not reached within 15 minutes. {link.bootstrap_note or ''}".strip()[:500]
    elif tested is None or now - tested >= AGAIN:
        service_tests.request_server_test(system, server.id)
    return False


def _trust(system: Actor, server: Server) -> bool:
    """Accept the keys that a new machine shows, once: never where a key was accepted before."""
    keys = db.session.scalars(scoped(system, HostKey).where(HostKey.server_id == server.id)).all()
    live = [key for key in keys if key.revoked_at is None]
    if not live or any(key.accepted_at is not None for key in live):
        return False
    for key in live:
        service_host_keys.accept_host_key(system, server.id, key.id)
    return True


def _launch(system: Actor, link: TerraformServer, server: Server, rule: TerraformServerRule) -> bool:
    execution = db.session.scalar(
        scoped(system, TerraformExecution).where(TerraformExecution.uuid == (link.execution_uuid or ""))
    )
    # In the name of whoever had it applied: a launch needs a person behind it.
    actor = Actor.system(link.tenant_id, execution.initiated_by if execution else None)
    title = f"{link.address} of #{execution.id}" if execution else link.address
    origin = Origin(ORIGIN, link.execution_uuid or "", title)
    try:
        with audit.savepoint():
            launch = launchers.launchers[launchers.SAVED](actor, rule.bootstrap_uuid or "", [server.id], origin)
    except AppError as error:
        words = " ".join(str(text) for said in error.errors.values() for text in said) or error.message
        link.bootstrap, link.bootstrap_note = Bootstrap.FAILED, words[:500]
        return False
    link.bootstrap, link.bootstrap_note, link.launch_uuid = Bootstrap.LAUNCHED, None, launch.uuid
    return True
