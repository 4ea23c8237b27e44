"""Shipping a spool: exactly once, in order, whoever ships and however often he is killed."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from app.core.db import db
from app.jobs import log_sink
from app.jobs.database_port import DatabasePort
from app.jobs.kinds import PreparedRun
from app.jobs.log_models import JobLogLine, RunLine, TaskResult
from app.jobs.log_sink import LogSink
from app.jobs.models import Run
from app.jobs.port import Carrier, Claim, Fenced, LogBatch
from app.jobs.workers import this_process
from app.runners.base import RunSpec
from app.runners.spool import SPOOL_NAME
from config import Settings
from tests.jobs.conftest import House

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]


def begin(house: House, settings: Settings, *names: str) -> tuple[Claim, dict[str, int]]:
    """Claim and begin a launch without starting an engine; return the claim and the jobs by host."""
    uuid = house.launch(*names)
    port = DatabasePort()
    claim = port.claim(house.run_id(uuid), Carrier(this_process(), settings.host_name, None))
    assert claim is not None
    hosts = {name: job.id for name, job in house.jobs(uuid).items()}
    spec = RunSpec(claim.run_uuid, 1, "ansible", 60, {})
    assert port.begin(claim, PreparedRun(spec, hosts))
    return claim, hosts


def line(
    host: str | None, text: str, task: int = 1, level: str = "INFO", t: float = 1_700_000_000.25
) -> dict[str, Any]:
    return {"k": "line", "h": host, "s": task, "v": level, "x": text, "t": t}


def write(folder: Path, records: list[dict[str, Any]]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / SPOOL_NAME).open("a", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)
    return folder


def stored(house: House, job_id: int) -> list[tuple[int, int, str]]:
    statement = select(JobLogLine.line_number, JobLogLine.run_seq, JobLogLine.content).where(
        JobLogLine.job_id == job_id
    )
    return house.read(lambda: [tuple(row) for row in db.session.execute(statement.order_by(JobLogLine.line_number))])


def test_lines_go_to_their_jobs_and_the_rest_to_the_run(house: House, settings: Settings, tmp_path: Path) -> None:
    claim, hosts = begin(house, settings, "a", "b")
    records = [
        {"k": "play", "p": "all", "t": 1.0},
        {"k": "task", "s": 1, "p": "all", "n": "first", "m": "debug", "f": "site.yml:3", "t": 1.0},
        line("a", "one"),
        line("b", "eins"),
        line(None, "a warning", level="WARNING"),
        line("localhost", "elsewhere"),
        line("a", "two"),
        {"k": "res", "h": "a", "s": 1, "st": "failed", "d": 12, "df": None, "t": 1.0},
        {"k": "res", "h": "b", "s": 1, "st": "ok", "d": 3, "df": "-x\n+y", "t": 1.0},
    ]
    LogSink(DatabasePort(), claim, write(tmp_path / "spool", records), hosts).ship_all()
    assert stored(house, hosts["a"]) == [(1, 2, "one"), (2, 6, "two")]
    assert stored(house, hosts["b"]) == [(1, 3, "eins")]
    run_lines = house.read(lambda: list(db.session.execute(select(RunLine.run_seq, RunLine.content))))
    assert [tuple(row) for row in run_lines] == [(4, "a warning"), (5, "elsewhere")]
    results = house.read(lambda: {row.job_id: row for row in db.session.scalars(select(TaskResult))})
    assert (results[hosts["a"]].first_line, results[hosts["a"]].last_line) == (1, 2)
    assert results[hosts["b"]].diff == "-x\n+y"
    run = house.read(lambda: db.session.scalars(select(Run)).one())
    assert run.shipped_records == len(records)


class DyingPort(DatabasePort):
    """Fails before or after the commit, by a seeded coin; its second kind of failure hides a success."""

    def __init__(self, coin: random.Random) -> None:
        self.coin = coin

    def ship(self, claim: Claim, batch: LogBatch) -> bool:
        """Ship, but sometimes say that the connection was lost, before or after the commit."""
        toss = self.coin.random()
        if toss < 0.2:
            raise OperationalError("COMMIT", {}, Exception(2013, "lost"), connection_invalidated=True)
        answer = super().ship(claim, batch)
        if toss < 0.4:
            raise OperationalError("COMMIT", {}, Exception(2013, "lost"), connection_invalidated=True)
        if toss < 0.5:
            raise Killed
        return answer


class Killed(BaseException):
    """Stands for kill -9: the shipper is gone, another one begins."""


@pytest.mark.parametrize("seed", range(3))
def test_shippers_that_die_anywhere_lose_and_double_nothing(
    house: House, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    monkeypatch.setattr(log_sink, "BATCH_RECORDS", 7)
    coin = random.Random(seed)
    claim, hosts = begin(house, settings, "a", "b")
    wanted: dict[str, list[str]] = {"a": [], "b": []}
    folder = tmp_path / "spool"
    write(folder, [])
    for part in range(6):
        records = []
        for number in range(20):
            host = coin.choice("ab")
            wanted[host].append(f"{part}.{number}")
            records.append(line(host, f"{part}.{number}", task=part + 1))
        records += [{"k": "res", "h": h, "s": part + 1, "st": "ok", "d": 1, "df": None, "t": 1.0} for h in "ab"]
        write(folder, records)
        while True:
            try:
                LogSink(DyingPort(coin), claim, folder, hosts).ship_all()
                break
            except Killed:
                continue
    for host, texts in wanted.items():
        rows = stored(house, hosts[host])
        assert [row[2] for row in rows] == texts
        assert [row[0] for row in rows] == list(range(1, len(texts) + 1))
    results = house.read(lambda: db.session.scalars(select(TaskResult)).all())
    for result in results:
        texts = [row for row in stored(house, result.job_id) if row[2].startswith(f"{result.task_seq - 1}.")]
        if texts:
            assert (result.first_line, result.last_line) == (texts[0][0], texts[-1][0])


def test_a_torn_last_line_waits_for_its_end(house: House, settings: Settings, tmp_path: Path) -> None:
    claim, hosts = begin(house, settings, "a")
    folder = write(tmp_path / "spool", [line("a", "whole")])
    with (folder / SPOOL_NAME).open("a", encoding="utf-8") as file:
        file.write('{"k":"line","h":"a"')
    sink = LogSink(DatabasePort(), claim, folder, hosts)
    sink.ship_all()
    assert [row[2] for row in stored(house, hosts["a"])] == ["whole"]
    with (folder / SPOOL_NAME).open("a", encoding="utf-8") as file:
        file.write(',"s":1,"v":"INFO","x":"late","t":1.0}\n')
    sink.ship_all()
    assert [row[2] for row in stored(house, hosts["a"])] == ["whole", "late"]


def test_a_shipper_that_was_given_up_on_writes_nothing(house: House, settings: Settings, tmp_path: Path) -> None:
    claim, hosts = begin(house, settings, "a")
    old = Claim(claim.tenant_id, claim.run_id, claim.run_uuid, claim.attempt, "another-token")
    folder = write(tmp_path / "spool", [line("a", "late")])
    with pytest.raises(Fenced):
        LogSink(DatabasePort(), old, folder, hosts).ship_all()
    assert stored(house, hosts["a"]) == []


@examples(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=st.text(max_size=300))
def test_any_text_comes_back_as_it_was(
    house: House, settings: Settings, tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    text = "".join(c for c in text if c == "\t" or (ord(c) >= 32 and not 0xD800 <= ord(c) <= 0xDFFF))
    uuid_hosts = getattr(house, "_begun", None) or begin(house, settings, "a")
    house._begun = uuid_hosts  # type: ignore[attr-defined]
    claim, hosts = uuid_hosts
    folder = getattr(house, "_folder", None) or tmp_path_factory.mktemp("spool")
    house._folder = folder  # type: ignore[attr-defined]
    LogSink(DatabasePort(), claim, write(folder, [line("a", text)]), hosts).ship_all()
    assert stored(house, hosts["a"])[-1][2] == text
