"""The sweep: rings for pending runs whose doorbell was lost, and only for those that could start now."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Select, or_, select, update

from app.accounts.queries_tenants import inactive_tenants
from app.core import queue
from app.core.db import after_commit, db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.jobs import engine_list, locks, queues
from app.jobs.database_port import MAX_ATTEMPTS, PAUSED_FLAG, may_start_at
from app.jobs.models import PlatformFlag, Run
from app.jobs.status import RunStatus

RING_AGAIN = timedelta(seconds=10)  # a doorbell unanswered this long is rung again; doubling it is harmless
SWEEP_LIMIT = 200
UNHEARD_FLAG = "doorbells_unheard"  # set by each sweep that Redis took no doorbell from, once a second; never removed
UNHEARD_SECONDS = 10  # older than this it tells of the past


def sweep() -> int:
    """Ring for runs that wait without reason; return for how many. A unit of work, and one more without a broker."""
    unheard: list[int] = []
    rung = _sweep(unheard)
    if unheard:  # no broker: nobody was rung, so the next sweep may try again at once
        with system_scope("dispatch sweep"), unit_of_work() as session:
            session.merge(PlatformFlag(name=UNHEARD_FLAG, value=str(len(unheard)), set_at=database_now()))
            db.session.execute(
                update(Run)
                .where(Run.id.in_(unheard), Run.tenant_id > 0, Run.status == RunStatus.PENDING)
                .values(dispatched_at=None)
                .execution_options(synchronize_session=False)
            )
    return rung - len(unheard)


def _sweep(unheard: list[int]) -> int:
    with system_scope("dispatch sweep"), unit_of_work():
        if db.session.get(PlatformFlag, PAUSED_FLAG) is not None:
            return 0
        free = {name: places for name, places in queues.free_places().items() if places > 0}
        if not free:
            return 0
        now = database_now()
        waiting = db.session.scalars(_waiting(now).where(Run.queue.in_(free))).all()
        if not waiting:
            return 0
        rung = 0
        engines = engine_list.carried_engines()
        for run in waiting:
            if free[run.queue] <= 0:
                continue
            if engines is not None and run.engine not in engines:
                continue  # ringing would only go round: waiting.py says why it waits
            if locks.find_blocker(run, now) is not None:
                continue
            _ring(run, now, unheard)
            free[run.queue] -= 1
            rung += 1
        return rung


def _waiting(now: datetime) -> Select[Run]:
    stale = now - RING_AGAIN
    return (
        select(Run)
        .where(
            Run.status == RunStatus.PENDING,
            Run.cancel_requested_at.is_(None),
            Run.attempt < MAX_ATTEMPTS,
            Run.tenant_id.not_in(inactive_tenants()),
            # Later than now: the clock was set back since, and would be waited for.
            or_(Run.dispatched_at.is_(None), Run.dispatched_at < stale, Run.dispatched_at > now + RING_AGAIN),
            may_start_at(now),
            # Not sorted out below: hundreds that wait for one server would hide what could start.
            ~locks.is_held(),
        )
        .order_by(Run.id)
        .limit(SWEEP_LIMIT)
    )


def _ring(run: Run, now: datetime, unheard: list[int]) -> None:
    db.session.execute(
        update(Run)
        .where(Run.id == run.id, Run.tenant_id == run.tenant_id, Run.status == RunStatus.PENDING)
        .values(dispatched_at=now)
        .execution_options(synchronize_session=False)
    )
    run_id, to = run.id, run.queue

    def send() -> None:
        if not queue.ring(run_id, to):
            unheard.append(run_id)

    after_commit(send)
