from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text, update

from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope, tenant_scope
from app.jobs.events import RunFinished
from app.jobs.models import Job
from app.tickets.keeping import close_resolved, open_due_tickets
from app.tickets.models import Ticket, TicketEvent, TicketJob, TicketPriority, TicketStatus
from app.tickets.opening import NoSystemUser, open_for_run
from tests.tickets.world import CANCELLED, FAILED, GREEN, NOT_REACHED, TASK, UNREACHABLE, World, coded

pytestmark = pytest.mark.database


def opened(event: RunFinished) -> list[int]:
    with unit_of_work(), system_scope("test"):
        return open_for_run(event)


def tickets(world: World) -> list[Ticket]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        found = list(db.session.scalars(select(Ticket).order_by(Ticket.id)))
        db.session.expunge_all()
        return found


def joined(world: World) -> dict[int, int]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return {row.job_id: row.ticket_id for row in db.session.scalars(select(TicketJob))}


def kinds(world: World) -> list[str]:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return list(db.session.scalars(select(TicketEvent.kind).order_by(TicketEvent.id)))


def still_due(world: World) -> int:
    with unit_of_work(writes=False), tenant_scope(world.tenant_id):
        return db.session.scalar(select(func.count()).select_from(Job).where(Job.ticket_due.is_(True))) or 0


def set_ticket(world: World, **values: object) -> None:
    with unit_of_work(), tenant_scope(world.tenant_id):
        db.session.execute(update(Ticket).values(**values))


def test_the_same_failure_on_three_servers_is_one_ticket(world: World) -> None:
    web1, web2, web3, good = world.servers("web1", "web2", "web3", "web4")
    event = world.run({web1: FAILED, web2: FAILED, web3: FAILED, good: GREEN})
    assert len(opened(event)) == 1
    (ticket,) = tickets(world)
    assert ticket.title == f"web.yml: {TASK} failed"
    assert "web1, web2 and web3" in (ticket.description or "")
    assert "Unable to start service nginx" in (ticket.description or "")
    assert ticket.created_by == world.system_id
    assert ticket.priority is TicketPriority.MEDIUM
    assert ticket.due_at == event.completed_at + timedelta(days=3)
    assert (ticket.occurrences, ticket.source, ticket.failed_task) == (1, "job", TASK)
    assert set(joined(world)) == {job.id for job in event.jobs if job.server_id != good}
    assert still_due(world) == 0
    with unit_of_work(writes=False), system_scope("test"):
        assert db.session.execute(text("SELECT event, user_id FROM audit_logs")).all() == [
            ("ticket:open", world.system_id)
        ]


def test_a_repeat_joins_and_only_some_repeats_are_told(world: World) -> None:
    (web1,) = world.servers("web1")
    for _ in range(6):
        opened(world.run({web1: FAILED}))
    (ticket,) = tickets(world)
    assert ticket.occurrences == 6
    assert len(joined(world)) == 6
    assert kinds(world) == ["opened", "joined", "joined"]  # the 1st, 2nd and 5th


def test_two_different_failures_are_two_tickets(world: World) -> None:
    web1, web2, web3 = world.servers("web1", "web2", "web3")
    event = world.run({web1: FAILED, web2: replace(FAILED, task="Copy the page"), web3: UNREACHABLE})
    assert len(opened(event)) == 3
    assert {ticket.failure_code for ticket in tickets(world)} == {"task_failed", "unreachable"}


def test_servers_that_the_play_never_reached_join_the_failure_that_stopped_it(world: World) -> None:
    web1, web2, web3 = world.servers("web1", "web2", "web3")
    opened(world.run({web1: FAILED, web2: NOT_REACHED, web3: replace(NOT_REACHED, code="incomplete")}))
    (ticket,) = tickets(world)
    assert len(joined(world)) == 3
    assert "The play then stopped before its end on web2 and web3." in (ticket.description or "")


def test_the_last_of_two_failures_is_the_one_that_stopped_the_play(world: World) -> None:
    web1, web2, web3 = world.servers("web1", "web2", "web3")
    later = replace(FAILED, task="Later", tasks={TASK: GREEN.tasks[TASK], "Later": FAILED.tasks[TASK]})
    event = world.run({web1: FAILED, web2: later, web3: NOT_REACHED})
    opened(event)
    by_task = {ticket.failed_task: ticket.id for ticket in tickets(world)}
    of_job = joined(world)
    assert of_job[next(job.id for job in event.jobs if job.server_id == web3)] == by_task["Later"]


def test_a_play_that_stopped_without_a_failing_server_still_opens_one_ticket(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    opened(world.run({web1: NOT_REACHED, web2: NOT_REACHED}))
    (ticket,) = tickets(world)
    assert ticket.title == "web.yml: stopped before it reached its servers"
    assert len(joined(world)) == 2


def test_cancelled_jobs_open_nothing(world: World) -> None:
    (web1,) = world.servers("web1")
    assert opened(world.run({web1: CANCELLED})) == []
    assert tickets(world) == []


def test_check_mode_opens_tickets_for_the_platform_but_not_for_the_playbook(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    opened(world.run({web1: FAILED, web2: UNREACHABLE}, is_check=True))
    assert tickets(world) == []
    assert still_due(world) == 0
    opened(world.run({web1: coded("lost")}, is_check=True))
    assert [ticket.failure_code for ticket in tickets(world)] == ["lost"]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("lost", "may be half done"),
        ("timeout", "stopped"),
        ("hash_mismatch", "approve"),
        ("disk_full", "Free space"),
    ],
)
def test_each_cause_has_its_own_words(world: World, code: str, words: str) -> None:
    (web1,) = world.servers("web1")
    opened(world.run({web1: coded(code)}))
    (ticket,) = tickets(world)
    assert words in (ticket.description or "")
    assert "task" not in ticket.title


def test_production_is_high_and_critical_when_half_of_it_is_hit(world: World) -> None:
    p1, p2, p3, p4 = world.servers("p1", "p2", "p3", "p4", environment="production")
    opened(world.run({p1: FAILED, p2: GREEN, p3: GREEN, p4: GREEN}))
    opened(world.run({p1: replace(FAILED, task="Other"), p2: replace(FAILED, task="Other"), p3: GREEN, p4: GREEN}))
    assert [ticket.priority for ticket in tickets(world)] == [TicketPriority.HIGH, TicketPriority.CRITICAL]


def test_the_same_failure_within_the_time_reopens_the_ended_ticket(world: World) -> None:
    (web1,) = world.servers("web1")
    opened(world.run({web1: FAILED}))
    set_ticket(world, status=TicketStatus.CLOSED, resolved_at=utc_now() - timedelta(days=6))
    opened(world.run({web1: FAILED}))
    (ticket,) = tickets(world)
    assert (ticket.status, ticket.occurrences, ticket.resolved_at) == (TicketStatus.OPEN, 2, None)
    assert ticket.reopened_at is not None
    assert kinds(world) == ["opened", "reopened"]


def test_the_same_failure_after_the_time_is_a_new_ticket(world: World) -> None:
    (web1,) = world.servers("web1")
    opened(world.run({web1: FAILED}))
    set_ticket(world, status=TicketStatus.CLOSED, resolved_at=utc_now() - timedelta(days=8))
    opened(world.run({web1: FAILED}))
    assert [ticket.status for ticket in tickets(world)] == [TicketStatus.CLOSED, TicketStatus.OPEN]


def test_the_same_run_twice_counts_once(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    event = world.run({web1: FAILED, web2: NOT_REACHED})
    assert opened(event) == opened(event)
    (ticket,) = tickets(world)
    assert ticket.occurrences == 1
    assert len(joined(world)) == 2


def test_another_tenant_with_the_same_failure_has_its_own_ticket(world: World) -> None:
    other = World("beta")
    for one in (world, other):
        (web1,) = one.servers("web1")
        opened(one.run({web1: FAILED}))
    assert [ticket.tenant_id for ticket in tickets(world)] == [world.tenant_id]
    assert [ticket.tenant_id for ticket in tickets(other)] == [other.tenant_id]


def test_without_a_system_user_the_job_stays_due(app_context: object) -> None:
    world = World("gamma", system=False)
    (web1,) = world.servers("web1")
    with pytest.raises(NoSystemUser):
        opened(world.run({web1: FAILED}))
    with unit_of_work():
        assert open_due_tickets() == 0
    assert still_due(world) == 1


def test_the_keeper_opens_what_was_left_due(world: World) -> None:
    web1, web2 = world.servers("web1", "web2")
    world.run({web1: FAILED, web2: NOT_REACHED})
    world.run({web1: FAILED})
    with unit_of_work():
        assert open_due_tickets() == 2
    with unit_of_work():
        assert open_due_tickets() == 0
    (ticket,) = tickets(world)
    assert ticket.occurrences == 2
    assert still_due(world) == 0


def test_resolved_tickets_are_closed_after_their_time(world: World) -> None:
    (web1,) = world.servers("web1")
    opened(world.run({web1: FAILED}))
    set_ticket(world, status=TicketStatus.RESOLVED, resolved_at=utc_now() - timedelta(days=6))
    with unit_of_work():
        assert close_resolved() == 0
    set_ticket(world, resolved_at=utc_now() - timedelta(days=8))
    with unit_of_work():
        assert close_resolved() == 1
    assert [ticket.status for ticket in tickets(world)] == [TicketStatus.CLOSED]
    assert kinds(world)[-1] == "closed"
