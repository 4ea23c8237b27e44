"""Queues of runs: which worker takes what, and how many places are free in each.

Every worker takes runs of one queue or more (``celery worker --queues``). A kind whose runs need another size of worker
has a queue of its own; who serves two queues has its places in both, and fewer in one whose runs need much memory.
"""

from __future__ import annotations

from collections import Counter

from sqlalchemy import func, select

from app.core.db import db
from app.core.queue import RUN_QUEUE
from app.jobs.models import Run, Worker
from app.jobs.status import RunStatus, WorkerState

_TAKEN = (RunStatus.CLAIMED, RunStatus.RUNNING)


def queues_of(worker: Worker) -> list[str]:
    """Return the queues that a worker serves; an older one that does not say serves the common one."""
    return [RUN_QUEUE] if worker.queues is None else worker.queues


def serves(worker: Worker, run: Run) -> bool:
    """Say whether the run is for this worker."""
    return run.queue in queues_of(worker)


def places_in(worker: Worker, queue: str) -> int:
    """Return how many runs of a queue a worker carries at once: all its places, unless it says fewer (memory)."""
    own = (worker.queue_places or {}).get(queue)
    return worker.concurrency if own is None else min(worker.concurrency, int(own["places"]))


def has_place(worker: Worker, run: Run) -> bool:
    """Say whether the worker may carry one more run of this queue now. Part of the claim's unit.

    Where a queue has fewer places than the worker, its row is locked, so that two claims do not count the same place.
    """
    limit = places_in(worker, run.queue)
    if limit >= worker.concurrency:
        return True
    db.session.execute(select(Worker.id).where(Worker.id == worker.id).with_for_update()).all()
    mine = (Run.worker_id == worker.id) & (Run.queue == run.queue) & Run.status.in_(_TAKEN)
    return (db.session.scalar(select(func.count()).select_from(Run).where(mine)) or 0) < limit


def places() -> dict[str, int]:
    """Return how many runs the workers that are online carry at once, by queue."""
    counted: Counter[str] = Counter()
    for worker in _online():
        counted.update({queue: places_in(worker, queue) for queue in queues_of(worker)})
    return dict(counted)


def free_places() -> dict[str, int]:
    """Return how many more runs the workers that are online could carry, by queue; may be negative.

    Needs the system scope. A run whose carrier is no worker, or none that is online, takes a place of its queue.
    """
    online = _online()
    taken: dict[int, Counter[str]] = {worker.id: Counter() for worker in online}
    elsewhere: Counter[str] = Counter()
    counts = select(Run.worker_id, Run.queue, func.count()).where(Run.status.in_(_TAKEN))
    for worker_id, queue, number in db.session.execute(counts.group_by(Run.worker_id, Run.queue)):
        if worker_id in taken:
            taken[worker_id][queue] += number
        else:
            elsewhere[queue] += number
    free: Counter[str] = Counter()
    for worker in online:
        for queue in queues_of(worker):
            own = taken[worker.id]
            free[queue] += min(worker.concurrency - own.total(), places_in(worker, queue) - own[queue])
    free.subtract({queue: number for queue, number in elsewhere.items() if queue in free})
    return dict(free)


def _online() -> list[Worker]:
    return list(db.session.scalars(select(Worker).where(Worker.state == WorkerState.ONLINE).order_by(Worker.id)))


def unserved_because(run: Run) -> str | None:
    """Return why nobody takes runs of this queue, in a sentence; None when somebody does."""
    if run.queue in places():
        return None
    return (
        f"No worker that is online takes runs of the queue '{run.queue}'. Start one: "
        f"celery -A celery_worker worker --queues {run.queue}."
    )
