"""Viewers of live logs: how many there may be, and what one that is slow, silent or gone costs the others."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from app.core.actor import Role
from app.core.flask_app import PlatformFlask
from app.jobs import log_tail, streaming
from app.jobs.log_tail import QUEUE_LENGTH, TailHub, hub_of, make_news
from app.jobs.models import Job
from app.jobs.stream import Stream
from config import Settings
from tests import factories
from tests.factories import PersonMade, bearer
from tests.jobs.conftest import House
from tests.jobs.test_faces import begun, end, events, put_lines
from tests.support.processes import wait_until
from tests.support.sent import sent


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """No reader in the background: a test looks when it wants to."""
    monkeypatch.setattr(TailHub, "_read_for_ever", lambda self: None)


def look(app: Flask, hub: TailHub) -> list[log_tail.News]:
    from app.core.db import unit_of_work
    from app.core.tenancy import system_scope

    with app.app_context(), system_scope("test"), unit_of_work(writes=False):
        news = list(log_tail._look(list(hub._followed.values())))
    hub._distribute(news)
    return news


def a_job(house: House, server: str = "a") -> tuple[Job, Callable[..., None], Callable[[], None]]:
    launch, claim, hosts = begun(house, server)
    return (
        house.jobs(launch)[server],
        lambda texts, first=1: put_lines(house, claim, hosts[server], texts, first),
        lambda: end(house, claim, hosts),
    )


def numbers(text: str) -> list[int]:
    return [line["n"] for name, data, _ in events(text) if name == "lines" for line in data["lines"]]


def test_one_viewer_too_many_polls_until_another_leaves(
    house: House, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_tail, "settings", lambda: settings.model_copy(update={"max_stream_viewers": 1}))
    key = bearer(factories.make_key(PersonMade(house.actor.user_id or 0, house.actor.tenant_id, "ada", Role.ADMIN)))
    job, put, finish = a_job(house)
    put(["one"])
    path = f"/api/v1/jobs/{job.job_id}/stream"
    client = app.test_client()
    first = client.get(path, headers=key, buffered=False)
    assert next(iter(first.response))  # it streams
    refused = client.get(path, headers=key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "5")
    assert client.get(f"/api/v1/jobs/{job.job_id}/logs", headers=key).get_json()["last_line"] == 1
    first.close()
    finish()
    assert client.get(path, headers=key).status_code == 200


@pytest.mark.usefixtures("still")
def test_a_viewer_that_leaves_before_its_first_byte_gives_its_place_back(house: House, app: PlatformFlask) -> None:
    job, _put, _finish = a_job(house)
    hub = hub_of(app)
    stream = Stream(app, [job], {job.job_id: 0}, str, whole=True)
    assert hub.viewers() == 1
    stream.close()
    stream.close()
    assert (hub.viewers(), hub._followed) == (0, {})


@pytest.mark.usefixtures("still")
def test_a_viewer_that_reads_nothing_holds_a_bounded_queue_and_others_get_every_line(
    house: House, app: PlatformFlask
) -> None:
    job, put, finish = a_job(house)
    hub = hub_of(app)
    silent, reading = hub.join([job]), hub.join([job])
    for number in range(1, QUEUE_LENGTH + 20):
        put([f"line {number}"], first=number)
        look(app, hub)
        while not reading.messages.empty():
            assert not reading.overflowed.is_set()
            reading.messages.get_nowait()
    assert silent.messages.qsize() == QUEUE_LENGTH
    assert silent.overflowed.is_set()
    finish()
    late = Stream(app, [job], {job.job_id: 0}, lambda at: str(at), whole=True)
    assert numbers("".join(late.events())) == list(range(1, QUEUE_LENGTH + 20))


@pytest.mark.usefixtures("still")
def test_a_page_of_several_jobs_opens_with_one_question_for_all_of_them(house: House, app: PlatformFlask) -> None:
    """Fifty people who open their pages at once must not hold up those who read: no unit of work for each job."""
    opened = [a_job(house, server) for server in house.servers]
    for _job, put, _finish in opened:
        put(["one", "two"])
    jobs = [job for job, _put, _finish in opened]
    stream = Stream(app, jobs, {job.job_id: 0 for job in jobs}, str, whole=False)
    with app.app_context(), sent("SELECT") as statements:
        text = "".join(stream._catch_up())
    found = [(name, data["job"]) for name, data, _ in events(text)]
    assert found == [(name, job.job_id) for job in jobs for name in ("lines", "tasks", "status")]
    assert sum("FROM jobs" in statement for statement in statements) == 1
    assert len(statements) <= 1 + 3 * len(jobs)  # lines, the tasks, and where the log may be sealed
    assert list(stream._catch_up()) and stream._at == {job.job_id: 2 for job in jobs}


@pytest.mark.usefixtures("still")
def test_what_is_new_is_read_and_rendered_once_for_all_viewers(house: House, app: PlatformFlask) -> None:
    job, put, _finish = a_job(house)
    hub = hub_of(app)
    viewers = [hub.join([job]) for _ in range(3)]
    put(["one", "two"])
    look(app, hub)
    heard = [viewer.messages.get_nowait() for viewer in viewers]
    assert heard[0] is heard[1] is heard[2]
    assert heard[0].text == make_news(job.job_id, "lines", heard[0].data).text
    assert look(app, hub) == []  # nothing is new: nothing is read


@pytest.mark.usefixtures("still")
def test_of_a_flood_browsers_get_the_newest_lines_and_programs_all(house: House, app: PlatformFlask) -> None:
    job, put, finish = a_job(house)
    hub = hub_of(app)
    hub.join([job])
    put([f"line {number}" for number in range(1, 3001)])
    (lines, *_rest) = look(app, hub)
    assert [line["n"] for line in lines.data["lines"]] == list(range(3001 - log_tail.NEWEST_LINES, 3001))
    assert lines.data["last_line"] == 3000
    for whole, first in ((True, 1), (False, 3001 - log_tail.NEWEST_LINES)):
        stream = Stream(app, [job], {job.job_id: 0}, lambda at: str(at), whole=whole)
        assert numbers("".join(stream._handle(lines))) == list(range(first, 3001))
    finish()
    stream = Stream(app, [job], {job.job_id: 2999}, lambda at: str(at), whole=False)
    assert numbers("".join(stream.events())) == [3000]


@pytest.fixture
def connected() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two ends of a TCP connection whose reader has little room."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(server.getsockname())
        writer, _ = server.accept()
        with writer:
            yield writer, reader


def test_the_kernel_ends_the_connection_of_a_viewer_that_takes_nothing(
    connected: tuple[socket.socket, socket.socket],
) -> None:
    writer, _reader = connected
    streaming.limit_unread(writer, 300)
    with pytest.raises(OSError, match="timed out"):
        writer.sendall(bytes(32 * 1024 * 1024))


def test_a_viewer_that_is_slow_keeps_its_connection(connected: tuple[socket.socket, socket.socket]) -> None:
    writer, reader = connected
    streaming.limit_unread(writer, 2000)
    writer.setblocking(False)
    taken = 0

    def fill_and_sip() -> bool:
        nonlocal taken
        with contextlib.suppress(BlockingIOError):
            writer.send(bytes(65536))
        taken += len(reader.recv(2048))
        return taken > 200_000

    wait_until(fill_and_sip, timeout=30, message="a slow reader")


def test_a_unix_socket_is_left_as_it_is() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        streaming.limit_unread(one)
