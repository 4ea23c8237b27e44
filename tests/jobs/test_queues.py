"""Queues of runs: each is heard by the workers that serve it, and counts its own places."""

from __future__ import annotations

import threading

import pytest
from sqlalchemy import select, update

from app.core.actor import Role
from app.core.db import db
from app.jobs import dispatch, queues, workers
from app.jobs.database_port import DatabasePort
from app.jobs.models import Run, Worker
from app.jobs.places import QueuePlaces, WorkerPlaces
from app.jobs.port import Carrier, Claim
from app.jobs.status import LockMode
from app.jobs.workers import this_process
from config import Settings
from tests.factories import PersonMade, bearer, make_key
from tests.jobs.conftest import House
from tests.jobs.test_locks import online, why

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]
HEAVY = "heavy@here"


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, str]]:
    """Doorbells: (run, queue)."""
    heard: list[tuple[int, str]] = []
    monkeypatch.setattr("app.core.queue.ring", lambda run_id, to: bool(heard.append((run_id, to))) or True)
    return heard


def in_queue(house: House, uuid: str, queue: str) -> int:
    run_id = house.run_id(uuid)
    house.write(lambda: db.session.execute(update(Run).where(Run.id == run_id).values(queue=queue, dispatched_at=None)))
    return run_id


def claim_as(house: House, settings: Settings, run_id: int, worker: str) -> Claim | None:
    return DatabasePort().claim(run_id, Carrier(this_process(), settings.host_name, worker))


def test_a_run_goes_into_the_queue_of_its_kind(
    house: House, rung: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.jobs.kinds.queue_of", lambda _kind: "heavy")
    run_id = house.run_id(house.launch("a"))
    assert rung == [(run_id, "heavy")]
    assert house.read(lambda: db.session.get_one(Run, run_id).queue) == "heavy"


def test_nobody_who_serves_the_queue_is_said_and_not_rung_for(house: House, rung: list[tuple[int, str]]) -> None:
    uuid = house.launch("a")
    in_queue(house, uuid, "heavy")
    online(house)
    rung.clear()
    assert dispatch.sweep() == 0
    assert "No worker that is online takes runs of the queue 'heavy'" in (why(house, uuid) or "")
    workers.register(HEAVY, ("heavy",))
    assert dispatch.sweep() == 1
    assert why(house, uuid) == "It is about to start."


def test_a_worker_claims_no_run_of_a_queue_that_it_does_not_serve(house: House, settings: Settings) -> None:
    uuid = house.launch("a")
    run_id = in_queue(house, uuid, "heavy")
    workers.register("common@here")
    workers.register(HEAVY, ("heavy", "runs"))
    assert claim_as(house, settings, run_id, "common@here") is None
    assert claim_as(house, settings, run_id, HEAVY) is not None


def test_a_full_queue_neither_holds_up_nor_hides_another(
    house: House, settings: Settings, rung: list[tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "SWEEP_LIMIT", 2)
    heavy = [in_queue(house, house.launch("a", lock_mode=LockMode.SHARED), "heavy") for _ in range(4)]
    common = in_queue(house, house.launch("b"), "runs")
    online(house)
    workers.register(HEAVY, ("heavy",))
    places = house.read(lambda: db.session.scalars(select(Worker).where(Worker.name == HEAVY)).one().concurrency)
    house.write(lambda: db.session.execute(update(Worker).where(Worker.name == HEAVY).values(concurrency=1)))
    assert places >= 1
    assert claim_as(house, settings, heavy[0], HEAVY) is not None
    rung.clear()
    assert dispatch.sweep() == 1
    assert rung == [(common, "runs")]


def test_places_are_counted_by_queue_and_a_worker_of_two_has_its_own_in_both(house: House, settings: Settings) -> None:
    online(house, 4)
    workers.register(HEAVY, ("heavy", "runs"))
    house.write(lambda: db.session.execute(update(Worker).where(Worker.name == HEAVY).values(concurrency=2)))
    run_id = in_queue(house, house.launch("a"), "heavy")
    assert house.read(queues.places) == {"runs": 6, "heavy": 2}
    assert claim_as(house, settings, run_id, HEAVY) is not None
    assert house.read(queues.free_places) == {"runs": 5, "heavy": 1}


def narrow(heavy: int) -> WorkerPlaces:
    """A worker of two queues that has four places, and less memory than that."""
    return WorkerPlaces(4, {"heavy": QueuePlaces(heavy, "0.9 GB of memory were free when it started")})


def test_a_worker_of_two_queues_takes_no_more_heavy_runs_than_fit(
    house: House, settings: Settings, rung: list[tuple[int, str]]
) -> None:
    workers.register(HEAVY, ("heavy", "runs"), narrow(1))
    uuid = house.launch("c")
    first, second, third = (in_queue(house, made, "heavy") for made in (house.launch("a"), house.launch("b"), uuid))
    common = in_queue(house, house.launch("d"), "runs")
    taken = claim_as(house, settings, first, HEAVY)
    assert taken is not None
    assert claim_as(house, settings, second, HEAVY) is None
    assert house.read(queues.free_places) == {"heavy": 0, "runs": 3}
    assert "All 1 places of the workers are taken" in (why(house, uuid) or "")
    rung.clear()
    assert dispatch.sweep() == 1
    assert rung == [(common, "runs")], "nobody is rung for a place that is not there"
    assert claim_as(house, settings, common, HEAVY) is not None, "the other places are for others"
    assert DatabasePort().release(taken, "back")
    assert claim_as(house, settings, third, HEAVY) is not None


def test_two_claims_at_the_same_moment_do_not_count_the_same_place(house: House, settings: Settings) -> None:
    workers.register(HEAVY, ("heavy", "runs"), narrow(2))
    runs = [in_queue(house, house.launch(name), "heavy") for name in "abcd"]
    ready, taken = threading.Barrier(len(runs)), list[int]()

    def work(run_id: int) -> None:
        ready.wait()
        with house.app.app_context():
            if claim_as(house, settings, run_id, HEAVY) is not None:
                taken.append(run_id)

    threads = [threading.Thread(target=work, args=(run_id,)) for run_id in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 2


def test_the_page_and_the_api_say_how_many_heavy_runs_fit_and_why(house: House, settings: Settings) -> None:
    workers.register(HEAVY, ("heavy", "runs"), narrow(2))
    assert claim_as(house, settings, in_queue(house, house.launch("a"), "heavy"), HEAVY) is not None
    person = PersonMade(house.actor.user_id or 0, house.actor.tenant_id, "ada", Role.ADMIN)
    answer = house.app.test_client().get("/api/v1/workers", headers=bearer(make_key(person)))
    because = "0.9 GB of memory were free when it started"
    assert answer.json is not None and answer.json[0]["queues"] == [
        {"name": "heavy", "places": 2, "running": 1, "because": because},
        {"name": "runs", "places": 4, "running": 0, "because": None},
    ]
