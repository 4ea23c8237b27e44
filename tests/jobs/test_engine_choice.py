"""Which worker may carry which engine: the claim, the sweep and the reason for waiting agree."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select, update

from app.core import queue
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import dispatch, engine_list, workers
from app.jobs.database_port import DatabasePort
from app.jobs.models import Run, Worker
from app.jobs.port import Carrier
from app.jobs.waiting import waiting_because
from app.runners.installations import mentioned_collections, read_manifest
from tests.jobs.conftest import House

pytestmark = pytest.mark.database
OLD = {"default": {"version": "2.19.14"}, "old": {"version": "2.15.13"}}


def announce(name: str, engines: dict[str, object] | None) -> None:
    workers.register(name)
    with system_scope("test"), unit_of_work():
        db.session.execute(update(Worker).where(Worker.name == name).values(engines=engines))


def launch(house: House, engine: str) -> int:
    """A waiting run of this engine for which nobody was rung."""
    run_id = house.run_id(house.launch("a", engine=engine))

    def forget() -> None:
        db.session.execute(update(Run).where(Run.id == run_id, Run.tenant_id > 0).values(dispatched_at=None))

    house.write(forget)
    return run_id


def reason(house: House, run_id: int) -> str:
    return str(house.read(lambda: waiting_because(db.session.scalars(select(Run).where(Run.id == run_id)).one())))


def claim(run_id: int, worker: str) -> bool:
    return DatabasePort().claim(run_id, Carrier(workers.this_process(), "here", worker)) is not None


@pytest.fixture
def rings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the runs that somebody was rung for; there is a broker."""
    found: list[int] = []

    def ring(run_id: int, _to: str) -> bool:
        found.append(run_id)
        return True

    monkeypatch.setattr(queue, "ring", ring)
    return found


@pytest.mark.parametrize("told", [{"default": {"version": "2.19.14"}}, {"old": {"problem": "it is broken"}}])
def test_a_run_waits_for_a_worker_that_has_its_engine(
    house: House, app_context: Flask, told: dict[str, object], rings: list[int]
) -> None:
    announce("w1", told)
    run_id = launch(house, "old")
    assert not claim(run_id, "w1")
    rings.clear()
    assert (dispatch.sweep(), rings) == (0, [])
    assert "No worker that is online has the engine 'old'" in reason(house, run_id)
    assert ("it is broken" in reason(house, run_id)) is ("old" in told)
    announce("w2", OLD)
    assert (dispatch.sweep(), rings) == (1, [run_id])
    assert not claim(run_id, "w1")  # the doorbell came to the wrong one: the next sweep rings again
    assert dispatch.sweep() == 1
    assert claim(run_id, "w2")


def test_a_worker_that_says_nothing_of_engines_is_taken_at_its_word(house: House, app_context: Flask) -> None:
    announce("w1", None)
    assert claim(launch(house, "old"), "w1")


def test_known_engines_are_those_of_settings_and_workers(house: House, app_context: Flask) -> None:
    announce("w1", OLD)
    announce("w2", {"default": {"version": "2.19.14"}, "old": {"problem": "gone"}})
    rows = house.read(lambda: engine_list.known_engines(house.actor))
    assert [row.name for row in rows] == ["default", "old"]
    assert rows[1].label == "old (ansible-core 2.15.13)"
    assert rows[1].problems == {"w2": "gone"}


def test_collections_are_found_by_their_full_module_names_and_manifests() -> None:
    text = b"- community.general.ufw:\n- ansible.builtin.ping:\n- name: see docs.example.com/x and a.b\n- x.y_z.q: 1\n"
    assert {"community.general", "x.y_z"} <= mentioned_collections([text])
    good = b'{"collection_info": {"namespace": "a", "name": "b", "version": "1.2.3"}}'
    assert read_manifest(good) == ("a.b", "1.2.3")
    for wrong in (b"", b"[]", b'{"collection_info": 1}', good.replace(b"1.2.3", b"../x"), b"\xff", b"[" * 100_000):
        with pytest.raises(ValueError, match=r"."):
            read_manifest(wrong)
