"""What an engine hands over besides lines comes whole or not at all, once, whoever ships it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from app.core.clock import utc_now
from app.core.db import db
from app.jobs import artifacts, log_sink, retention
from app.jobs.database_port import DatabasePort
from app.jobs.log_models import RunArtifact
from app.jobs.log_sink import LogSink
from app.jobs.models import Run
from app.runners.masking import Masker
from app.runners.recorder import Recorder
from app.runners.spool import SPOOL_NAME, SpoolWriter
from config import Settings
from tests import factories
from tests.jobs.conftest import House
from tests.jobs.test_faces import end
from tests.jobs.test_log_sink import begin, stored

pytestmark = [pytest.mark.database, pytest.mark.usefixtures("app_context")]
PLAN = os.urandom(700_000)  # three pieces


def spool(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    writer = SpoolWriter(folder)
    recorder = Recorder(writer, Masker(["hunter22"]))
    recorder.text("before hunter22", host="a", seq=0, level="INFO")
    recorder.artifact("plan", PLAN)
    recorder.artifact("nothing", b"")
    recorder.text("after", host="a", seq=0, level="INFO")
    writer.close()
    return folder


def kept(house: House, run_id: int, name: str = "plan") -> bytes | None:
    found: bytes | None = house.read(lambda: artifacts.read(house.actor.tenant_id, run_id, name))
    return found


def test_an_artifact_comes_as_it_was_handed_over_between_the_lines(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    claim, hosts = begin(house, settings, "a")
    LogSink(DatabasePort(), claim, spool(tmp_path / "spool"), hosts).ship_all()
    assert kept(house, claim.run_id) == PLAN
    assert kept(house, claim.run_id, "nothing") == b""
    assert kept(house, claim.run_id, "another") is None
    assert [text for _number, _seq, text in stored(house, hosts["a"])] == ["before ***", "after"]


def test_a_second_shipper_goes_on_in_the_middle_of_it(
    house: House, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sink, "BATCH_RECORDS", 2)
    claim, hosts = begin(house, settings, "a")
    folder = spool(tmp_path / "spool")
    assert LogSink(DatabasePort(), claim, folder, hosts).ship_available() == 2
    assert kept(house, claim.run_id) is None  # not all of it yet
    LogSink(DatabasePort(), claim, folder, hosts).ship_all()
    assert kept(house, claim.run_id) == PLAN


def test_one_whose_writer_was_killed_is_none(house: House, settings: Settings, tmp_path: Path) -> None:
    claim, hosts = begin(house, settings, "a")
    folder = spool(tmp_path / "spool")
    whole = (folder / SPOOL_NAME).read_bytes()
    (folder / SPOOL_NAME).write_bytes(b"\n".join(whole.split(b"\n")[:3]) + b"\n")
    LogSink(DatabasePort(), claim, folder, hosts).ship_all()
    assert house.read(lambda: db.session.scalar(select(func.count(RunArtifact.id)))) == 2
    assert kept(house, claim.run_id) is None


def test_what_nobody_needs_any_more_can_go_and_the_rest_goes_with_the_lines(
    house: House, settings: Settings, tmp_path: Path
) -> None:
    claim, hosts = begin(house, settings, "a")
    LogSink(DatabasePort(), claim, spool(tmp_path / "spool"), hosts).ship_all()
    house.write(lambda: artifacts.remove(house.actor.tenant_id, claim.run_id, "plan"))
    assert (kept(house, claim.run_id), kept(house, claim.run_id, "nothing")) == (None, b"")
    end(house, claim, hosts)
    factories.set_columns(Run, claim.run_id, completed_at=utc_now() - timedelta(days=91))
    assert retention.remove_old_lines() == 1
    assert kept(house, claim.run_id, "nothing") is None
