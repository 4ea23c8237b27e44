"""Sealed lines that cannot be read are said to be so, by every door, and counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import delete, func, select, update

from app.accounts.models import User
from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_queries, log_state, sealing, segment_care, segment_store
from app.jobs.models import Job
from app.jobs.segment_models import LogSegment, LogSegmentBlob
from tests import factories
from tests.factories import PersonMade, bearer
from tests.jobs.conftest import House
from tests.jobs.logged import finished, lines_of, readings, seal, use

pytestmark = pytest.mark.database


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three segments for 25 lines."""
    monkeypatch.setattr(sealing, "SEGMENT_LINES", 10)


@pytest.fixture
def folder(app: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The folder of segments."""
    use(monkeypatch, segment_store="folder", segment_dir=tmp_path / "segments")
    return tmp_path / "segments"


@pytest.fixture
def key(house: House) -> dict[str, str]:
    """The header of an administrator's API key."""
    return bearer(factories.make_key(PersonMade(house.actor.user_id or 0, house.actor.tenant_id, "ada", Role.ADMIN)))


def segment_file(folder: Path, house: House, place: int) -> Path:
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        names = list(db.session.scalars(select(LogSegment.uuid).order_by(LogSegment.id)))
    return next(folder.rglob(f"{names[place]}.zst"))


def damaged(house: House) -> int:
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        return log_state.log_state().damaged


def command(house: House, *options: str) -> Any:
    with house.context():
        return house.app.test_cli_runner().invoke(args=["ops", "logs", *options])


def read(house: House, job: Job, **wanted: Any) -> Any:
    return house.read(lambda: log_queries.tail(job, **wanted))


def test_a_page_has_each_number_and_says_which_lines_cannot_be_read(
    house: House, folder: Path, client: FlaskClient, key: dict[str, str]
) -> None:
    launch = finished(house, {"a": lines_of(25)})
    seal(house)
    path = segment_file(folder, house, 1)
    whole = path.read_bytes()
    path.write_bytes(whole[:-3] + b"abc")
    job = house.jobs(launch)["a"]
    answer = client.get(f"/api/v1/jobs/{job.job_id}/logs?after=8&limit=14", headers=key)
    assert answer.status_code == 200
    lines = answer.json["lines"]
    assert [line["n"] for line in lines] == list(range(9, 23))
    assert [line["n"] for line in lines if line.get("m")] == list(range(11, 21))
    assert "Lines 11 to 20 cannot be read: the sealed segment" in lines[2]["x"]
    assert [(gap["first_line"], gap["last_line"]) for gap in answer.json["missing"]] == [(11, 20)]
    assert damaged(house) == 1  # noted by the reader itself
    path.write_bytes(whole)
    with house.context():
        assert segment_care.check_segments(everything=True) == 3
    assert damaged(house) == 0
    assert not read(house, job).missing


def test_search_and_levels_name_the_ranges_they_could_not_look_at(house: House, folder: Path) -> None:
    launch = finished(house, {"a": lines_of(25)})
    seal(house)
    segment_file(folder, house, 1).unlink()
    job = house.jobs(launch)["a"]
    hits = house.read(lambda: log_queries.search(job, "ok"))
    assert [hit["n"] for hit in hits.hits] == [1, 7, 25]
    assert [(gap.first_line, gap.last_line) for gap in hits.missing] == [(11, 20)]
    assert "is missing" in hits.missing[0].why
    assert [(gap.first_line, gap.last_line) for gap in read(house, job, level="ERROR").missing] == [(11, 20)]
    assert not read(house, job, level="ERROR", limit=2).missing  # the page was full before it


def test_texts_have_one_sentence_in_the_place_of_a_segment(
    house: House, folder: Path, client: FlaskClient, key: dict[str, str]
) -> None:
    launch = finished(house, {"a": lines_of(25), "b": lines_of(2)})
    seal(house)
    segment_file(folder, house, 1).unlink()
    job = house.jobs(launch)["a"]
    for address in (f"/api/v1/jobs/{job.job_id}/logs?format=text", f"/api/v1/launches/{launch}/logs"):
        answer = client.get(address, headers=key)
        assert answer.status_code == 200
        assert answer.text.count("cannot be read") == 1
        for n in (0, 9, 20, 24):
            assert lines_of(25)[n][0] in answer.text
    assert lines_of(25)[15][0] not in client.get(f"/api/v1/jobs/{job.job_id}/logs?format=text", headers=key).text


def test_a_store_that_is_away_is_no_damage(house: House, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    launch = finished(house, {"a": lines_of(5)})
    before = readings(house, launch)
    seal(house)
    use(monkeypatch, segment_dir=folder.with_name("elsewhere"))
    job = house.jobs(launch)["a"]
    assert {line["m"] for line in read(house, job).lines} == {1}
    assert "does not answer" in read(house, job).missing[0].why
    with house.context():
        segment_care.check_segments(everything=True)
    assert damaged(house) == 0
    use(monkeypatch, segment_dir=folder)
    assert readings(house, launch) == before


def test_bytes_that_are_gone_or_changed_in_the_database_are_said_too(house: House) -> None:
    launch = finished(house, {"a": lines_of(25)})
    seal(house)
    with house.context(), system_scope("test"), unit_of_work() as session:
        ids = list(session.scalars(select(LogSegment.id).order_by(LogSegment.id)))
        session.execute(delete(LogSegmentBlob).where(LogSegmentBlob.segment_id == ids[0]))
        session.execute(update(LogSegmentBlob).where(LogSegmentBlob.segment_id == ids[2]).values(data=b"other"))
    gaps = read(house, house.jobs(launch)["a"]).missing
    assert [(gap.first_line, gap.last_line) for gap in gaps] == [(1, 10), (21, 25)]
    assert damaged(house) == 2


def test_a_segments_name_never_leaves_its_folder(tmp_path: Path) -> None:
    store = segment_store.FolderStore(tmp_path)
    for name in ("../../etc/passwd", "a" * 36, "", "00000000-0000-0000-0000-00000000000g", "/etc/passwd"):
        with pytest.raises(ValueError, match="not the name"):
            store.get(name)


def test_another_tenants_segments_are_never_read(house: House, client: FlaskClient) -> None:
    launch = finished(house, {"a": lines_of(5)})
    seal(house)
    job = house.jobs(launch)["a"]
    other = factories.make_person(factories.make_tenant("Two").id, role=Role.ADMIN)
    assert client.get(f"/api/v1/jobs/{job.job_id}/logs", headers=bearer(factories.make_key(other))).status_code == 404
    factories.sign_in(client, other)
    assert client.get(f"/jobs/{job.job_id}/lines").status_code == 404


def test_lines_put_back_are_rows_as_they_were(house: House, folder: Path) -> None:
    launch = finished(house, {"a": lines_of(25), "b": lines_of(3)})
    before = readings(house, launch)
    seal(house)
    outcome = command(house, "--unseal")
    assert (outcome.exit_code, "28 lines put back" in outcome.output) == (0, True), outcome.output
    assert not [path for path in folder.rglob("*") if path.is_file()]
    with house.context(), system_scope("test"), unit_of_work(writes=False):
        assert db.session.scalar(select(func.count()).select_from(LogSegment)) == 0
    assert readings(house, launch) == before
    assert seal(house) == 28


def test_the_command_shows_the_state_and_fails_when_something_is_damaged(house: House, folder: Path) -> None:
    finished(house, {"a": lines_of(25)})
    shown = command(house)
    assert "1 runs wait for sealing" in shown.output
    sealed = command(house, "--seal", "--rules")
    assert sealed.exit_code == 0, sealed.output
    assert "folder: 25 lines in 3 segments" in sealed.output
    assert "90 days" in sealed.output
    segment_file(folder, house, 0).unlink()
    checked = command(house, "--check")
    assert checked.exit_code == 1
    assert "3 segments read" in checked.output and "is missing" in checked.output


def test_the_platforms_administrator_sees_how_the_log_is_kept_on_a_page_and_by_the_api(
    house: House, folder: Path, client: FlaskClient
) -> None:
    finished(house, {"a": lines_of(25)})
    person = factories.make_person(house.actor.tenant_id, role=Role.ADMIN)
    factories.set_columns(User, person.id, is_platform_admin=True)
    factories.sign_in(client, person)
    assert "Nothing is sealed yet" in client.get("/log-store").text
    assert "1 runs wait" in client.get("/log-store").text
    seal(house)
    segment_file(folder, house, 0).unlink()
    with house.context():
        segment_care.check_segments(everything=True)
    page = client.get("/log-store").text
    assert "1 sealed segment is missing or changed" in page
    assert ">25<" in page
    key = bearer(factories.make_key(person, scopes=["platform:admin"]))
    said: Any = client.get("/api/v1/log-store", headers=key).json
    assert (said["damaged"], said["waiting_runs"]) == (1, 0)
    assert [(store["store"], store["lines"], store["segments"]) for store in said["stores"]] == [("folder", 25, 3)]
    assert [(found["lines"], "is missing" in found["damage"]) for found in said["damaged_segments"]] == [(10, True)]
