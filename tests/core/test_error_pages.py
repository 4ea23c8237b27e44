from __future__ import annotations

import logging

import pytest
from flask import Flask
from sqlalchemy.exc import InternalError, OperationalError

from app.core import error_pages, retry
from app.core.actor import Role
from app.core.db import COMMIT_UNKNOWN
from tests.tickets.faces import client_of
from tests.tickets.world import World


@pytest.fixture
def world(app_context: Flask) -> World:
    return World()


def test_an_unknown_address_is_answered_inside_the_frame_with_its_navigation(app: Flask, world: World) -> None:
    answer = client_of(app, world, Role.VIEWER).get("/no/such/place")
    assert answer.status_code == 404
    assert 'aria-label="Main"' in answer.text
    assert 'href="/tickets"' in answer.text


def test_a_stranger_at_an_unknown_address_gets_no_navigation(app: Flask, world: World) -> None:
    app.authenticator = lambda: None  # type: ignore[attr-defined]
    answer = app.test_client().get("/no/such/place")
    assert answer.status_code == 404
    assert 'aria-label="Main"' not in answer.text


def test_a_condition_that_a_list_does_not_have_is_named_with_a_way_on(app: Flask, world: World) -> None:
    answer = client_of(app, world).get("/tickets?colour=red")
    assert answer.status_code == 422
    assert "<strong>colour</strong>: There is no such field here." in answer.text
    assert "The same page without conditions" in answer.text


def test_a_database_that_is_away_is_told_at_length_once_a_minute(
    app: Flask, world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    moment = [1000.0]
    monkeypatch.setattr(error_pages.time, "monotonic", lambda: moment[0])
    error_pages._told.clear()

    def away() -> None:
        raise OperationalError("SELECT 1", {}, Exception(2003, "Can't connect"))

    client = client_of(app, world)
    app.authenticator = away  # type: ignore[attr-defined]
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert client.get("/tickets").status_code == 503
        moment[0] += 61
        assert client.get("/tickets").status_code == 503
    told = [record for record in caplog.records if record.name == "app.core.error_pages"]
    assert [record.exc_info is not None and bool(record.exc_info) for record in told] == [True, False, False, True]
    assert all("2003" in record.getMessage() for record in told)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (1114, "The table 'jobs' is full"),
        (1021, "Disk full (/tmp/x); waiting for someone to free some space"),
        (1026, "Error writing file 'binlog' (Errno: 28 \"No space left on device\")"),
        (3, "Error writing file '/x' (Errno: 28)"),
        (1030, 'Got error 28 "No space left on device" from storage engine InnoDB'),
    ],
)
def test_r19_a_full_disk_of_the_database_is_503_with_advice_and_waited_for_by_the_engine(
    app: Flask, monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    error = (InternalError if code < 1000 else OperationalError)("INSERT", {}, Exception(code, text))
    assert retry.is_transient(error)
    with app.test_request_context("/api/v1/jobs", method="POST"):
        answer = app.make_response(error_pages.render_error(error))
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "30"
    assert "disk is full" in answer.get_json()["message"]


def test_r6_a_commit_without_an_answer_does_not_say_that_nothing_was_changed(app: Flask) -> None:
    error = OperationalError("COMMIT", {}, Exception(2013, "Lost connection"), connection_invalidated=True)
    setattr(error, COMMIT_UNKNOWN, True)
    with app.test_request_context("/api/v1/jobs", method="POST"):
        answer = app.make_response(error_pages.render_error(error))
    message = answer.get_json()["message"]
    assert answer.status_code == 503 and "may be done or not" in message and "Idempotency-Key" in message
