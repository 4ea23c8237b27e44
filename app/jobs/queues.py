"""Queues of runs: which worker takes what, and how many places are free in each.

Every worker takes runs of one queue or more (``celery worker --queues``). A kind whose runs need another size of worker
has a queue of its own; who serves two queues has its places in both.
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


def places() -> dict[str, int]:
    """Return how many runs the workers that are online carry at once, by queue."""
    counted: Counter[str] = Counter()
    for worker in _online():
        counted.update(dict.fromkeys(queues_of(worker), worker.concurrency))
    return dict(counted)


def free_places() -> dict[str, int]:
    """Return how many more runs the workers that are online could carry, by queue; may be negative.

    Needs the system scope. A run whose carrier is no worker, or none that is online, takes a place of its queue.
    """
    online = _online()
    taken = {worker.id: 0 for worker in online}
    elsewhere: Counter[str] = Counter()
    counts = select(Run.worker_id, Run.queue, func.count()).where(Run.status.in_(_TAKEN))
    for worker_id, queue, number in db.session.execute(counts.group_by(Run.worker_id, Run.queue)):
        if worker_id in taken:
            taken[worker_id] += number
        else:
            elsewhere[queue] += number
    free: Counter[str] = Counter()
    for worker in online:
        for queue in queues_of(worker):
            free[queue] += worker.concurrency - taken[worker.id]
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
