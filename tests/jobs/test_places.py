"""Places of a worker: as the settings say, and as many heavy runs as fit into the memory that is free."""

from __future__ import annotations

import os
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from app.core import runtime
from app.jobs import kinds, places, tasks
from app.jobs.kinds import JobKind
from app.terraform.job_kind import QUEUE as TERRAFORM
from config import Settings

BOTH = ("runs", "heavy")
GB = 1_000_000_000


class Heavy(JobKind):
    """A kind whose runs need a gigabyte each."""

    name = "heavy"
    queue = "heavy"

    def memory_bytes(self) -> int:
        """A gigabyte."""
        return GB


@pytest.fixture(autouse=True)
def heavy(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kind is known, and nobody gave a number of places."""
    before = runtime.settings()
    given = set(settings.model_fields_set) - {"worker_concurrency"}
    runtime.configure(Settings.model_construct(_fields_set=given, **{**dict(settings), "worker_concurrency": 4}))
    monkeypatch.setitem(kinds._kinds, "heavy", Heavy())
    yield
    runtime.configure(before)


def free(monkeypatch: pytest.MonkeyPatch, gigabytes: float, processors: int = 2) -> None:
    monkeypatch.setattr(places, "free_memory_bytes", lambda: int(gigabytes * GB))
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(processors)))


def test_a_worker_of_common_runs_has_what_the_settings_say_and_asks_for_no_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(places, "free_memory_bytes", lambda: pytest.fail("measured for nothing"))
    assert places.of_worker(["runs"]) == places.WorkerPlaces(4)


def test_a_worker_of_heavy_runs_alone_has_one_place_for_each_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 3.9)
    found = places.of_worker(["heavy"])
    assert found.concurrency == found.by_queue["heavy"].places == 3
    assert found.by_queue["heavy"].because == "3.9 GB of memory were free when it started, 1.0 GB for each run"


def test_much_memory_does_not_make_more_places_than_processors_or_the_usual_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free(monkeypatch, 64)
    assert places.of_worker(["heavy"]).concurrency == 4
    free(monkeypatch, 64, processors=16)
    found = places.of_worker(["heavy"])
    assert found.concurrency == 16
    assert "enough for 64; it has no more places" in found.by_queue["heavy"].because


def test_a_machine_with_too_little_carries_one_and_says_that_it_is_little(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 0.4)
    found = places.of_worker(["heavy"])
    assert found.concurrency == 1
    assert "less than the 1.0 GB of one run; one at a time" in found.by_queue["heavy"].because


def test_beside_common_runs_the_worker_keeps_its_places_and_the_heavy_ones_get_those_that_fit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    free(monkeypatch, 2.5)
    found = places.of_worker(BOTH)
    assert (found.concurrency, found.by_queue["heavy"].places) == (4, 2)
    assert "runs" not in found.by_queue


def test_a_number_that_somebody_gave_wins_and_what_speaks_against_it_is_said(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 2.5)
    runtime.configure(settings.model_copy(update={"worker_concurrency": 6}))
    found = places.of_worker(["heavy"])
    assert found.concurrency == found.by_queue["heavy"].places == 6
    assert "although the 2.5 GB of memory that were free when it started are enough for 2" in (
        found.by_queue["heavy"].because
    )
    assert places.of_worker(["heavy"], 2).by_queue["heavy"] == places.QueuePlaces(2, "as its settings say")
    assert places.of_worker(BOTH).by_queue["heavy"].places == 2, "beside others memory still counts"


def test_a_worker_process_starts_as_many_children_as_it_has_places(monkeypatch: pytest.MonkeyPatch) -> None:
    free(monkeypatch, 3.9)
    app: Any = SimpleNamespace(
        conf=SimpleNamespace(worker_concurrency=4),
        amqp=SimpleNamespace(queues=SimpleNamespace(consume_from={"heavy": 1})),
        flask_app=SimpleNamespace(app_context=lambda: pytest.MonkeyPatch.context()),
    )
    monkeypatch.setattr(tasks, "celery_app", app)
    worker = SimpleNamespace(concurrency=4)
    tasks._worker_sized(worker)
    assert worker.concurrency == 3
    worker.concurrency = 7  # --concurrency 7
    tasks._worker_sized(worker)
    assert worker.concurrency == 7


def test_terraform_takes_the_memory_that_the_settings_give_it(settings: Settings) -> None:
    runtime.configure(settings.model_copy(update={"terraform_memory_megabytes": 650}))
    assert kinds.memory_of(TERRAFORM) == 650_000_000
    assert kinds.memory_of("runs") == 0
