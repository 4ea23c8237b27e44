from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.inventory.models import Server
from app.jobs.events import RunFinished, run_finished
from app.runners.base import TaskStatus
from app.tickets.models import Ticket, TicketEvent, TicketStatus
from tests.tickets.world import FAILED, GREEN, NOT_REACHED, TASK, UNREACHABLE, World, coded

pytestmark = pytest.mark.database
SKIPPED = replace(GREEN, tasks={TASK: TaskStatus.SKIPPED})
LATER = replace(FAILED, task="Later", tasks={TASK: TaskStatus.CHANGED, "Later": TaskStatus.FAILED})


def finish(event: RunFinished) -> None:
    with unit_of_work(), system_scope("test"):
        run_finished.send(event)


def statuses(world: World) -> list[str]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return [ticket.status.value for ticket in db.session.scalars(select(Ticket).order_by(Ticket.id))]


def kinds(world: World) -> list[str]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return list(db.session.scalars(select(TicketEvent.kind).order_by(TicketEvent.id)))


def test_a_green_run_on_every_server_resolves(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    finish(world.run({web1: FAILED, web2: FAILED}))
    finish(world.run({web1: GREEN, web2: GREEN}))
    assert statuses(world) == ["resolved"]
    assert kinds(world) == ["opened", "resolved"]


def test_a_green_run_on_some_servers_is_noted_and_the_rest_completes_it(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    finish(world.run({web1: FAILED, web2: FAILED}))
    finish(world.run({web1: GREEN}))
    assert statuses(world) == ["open"]
    finish(world.run({web2: GREEN}))
    assert statuses(world) == ["resolved"]
    assert kinds(world) == ["opened", "cleared", "resolved"]


def test_a_skipped_task_a_rehearsal_and_another_playbook_prove_nothing(world: World) -> None:
    (web1,) = world.servers("web1")
    finish(world.run({web1: FAILED}))
    finish(world.run({web1: SKIPPED}))
    finish(world.run({web1: GREEN}, is_check=True))
    finish(world.run({web1: GREEN}, playbook_id=world.playbook("db.yml")))
    assert statuses(world) == ["open"]


def test_the_task_itself_decides_even_when_a_later_one_fails(world: World) -> None:
    (web1,) = world.servers("web1")
    finish(world.run({web1: FAILED}))
    finish(world.run({web1: LATER}))
    assert statuses(world) == ["resolved", "open"]


def test_a_run_that_fails_elsewhere_does_not_resolve_what_it_joins(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    finish(world.run({web1: FAILED}))
    finish(world.run({web1: GREEN, web2: FAILED}))
    assert statuses(world) == ["open"]
    finish(world.run({web2: GREEN}))
    assert statuses(world) == ["resolved"]


def test_servers_that_were_only_stopped_are_cleared_by_success(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    finish(world.run({web1: FAILED, web2: NOT_REACHED}))
    finish(world.run({web1: GREEN, web2: SKIPPED}))
    assert statuses(world) == ["resolved"]


@pytest.mark.parametrize("outcome", [UNREACHABLE, coded("lost"), coded("timeout")])
def test_what_no_task_caused_resolves_when_the_playbook_succeeds(world: World, outcome: object) -> None:
    (web1,) = world.servers("web1")
    finish(world.run({web1: outcome}))  # type: ignore[dict-item]
    finish(world.run({web1: GREEN}, inputs={"tags": ["one"]}))
    assert statuses(world) == ["open"]
    finish(world.run({web1: GREEN}))
    assert statuses(world) == ["resolved"]


def test_a_server_that_is_no_longer_active_need_not_be_green(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    finish(world.run({web1: FAILED, web2: FAILED}))
    with unit_of_work(), tenant_scope(world.tenant_id):
        db.session.get_one(Server, web2).is_active = False
        db.session.flush()
    finish(world.run({web1: GREEN}))
    assert statuses(world) == ["resolved"]


def test_a_resolved_problem_that_comes_back_is_the_same_ticket(world: World) -> None:
    (web1,) = world.servers("web1")
    finish(world.run({web1: FAILED}))
    finish(world.run({web1: GREEN}))
    finish(world.run({web1: FAILED}))
    assert statuses(world) == [TicketStatus.OPEN.value]
    finish(world.run({web1: GREEN}))
    assert statuses(world) == ["resolved"]
    assert kinds(world) == ["opened", "resolved", "reopened", "resolved"]
