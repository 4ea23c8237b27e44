"""R11: many equal requests with one Idempotency-Key, at the same moment and over real connections, launch once."""

from __future__ import annotations

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask
from werkzeug.serving import make_server

from app import create_app
from app.core.actor import Role
from app.core.db import db
from app.jobs.models import Job, Launch
from config import Settings
from tests import factories
from tests.holdings import make_holdings
from tests.support.databases import TestDatabase
from tests.support.tcp_proxy import Commit, TcpProxy

POSTS = 50
PATIENCE = 60.0  # seconds


@pytest.fixture
def served(make_settings: Callable[..., Settings]) -> Iterator[tuple[Flask, str]]:
    """An application without a general limit, in a server of many threads: (application, address)."""
    app = create_app(make_settings(rate_limit_per_minute=1_000_000))
    factories.use(app)
    server = make_server("127.0.0.1", 0, app, threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield app, f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(10)
    server.server_close()
    factories.use(None)


@pytest.mark.database
@pytest.mark.parametrize("door", ["launches", "saved-launches"])
def test_r11_fifty_equal_posts_with_one_key_give_one_launch(
    served: tuple[Flask, str], door: str, summary_line: Callable[[str], None]
) -> None:
    app, base = served
    owner = factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)
    held = make_holdings(app, owner)
    before = len(factories.rows(Launch))
    path = f"/saved-launches/{held.saved_uuid}/launch" if door == "saved-launches" else "/launches"
    body = {} if door == "saved-launches" else {"playbook_id": held.playbook_id, "server_ids": [held.server_id]}
    headers = {**factories.bearer(factories.make_key(owner)), "Content-Type": "application/json"}
    headers["Idempotency-Key"] = "the-only-one"
    gate, answers = threading.Barrier(POSTS, timeout=PATIENCE), Counter[int]()

    def post(_number: int) -> str:
        gate.wait()
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            request = urllib.request.Request(
                f"{base}/api/v1{path}", data=json.dumps(body).encode(), headers=headers, method="POST"
            )
            try:
                with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                    answers[answer.status] += 1
                    uuid: str = json.load(answer)["uuid"]
                    return uuid
            except urllib.error.HTTPError as error:
                answers[error.code] += 1
                assert error.code in (409, 503), error.read()  # "is being worked on": send it again
        raise AssertionError("no answer in time")

    with ThreadPoolExecutor(POSTS) as pool:
        found = set(pool.map(post, range(POSTS)))
    assert len(found) == 1
    assert len(factories.rows(Launch)) == before + 1
    assert len(factories.rows(Job)) == before + 1
    assert answers[202] == POSTS
    told = ", ".join(f"{count} x {code}" for code, count in sorted(answers.items()))
    summary_line(f"R11: {POSTS} posts at once to {door}, one launch: {told}")


@pytest.mark.parametrize("outcome", list(Commit))
@pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)
def test_r6_a_launch_whose_commit_got_no_answer_is_sent_again_with_its_key_and_launches_once(
    make_settings: Callable[..., Settings], database: TestDatabase, outcome: Commit
) -> None:
    assert database.server is not None
    with TcpProxy("127.0.0.1", database.server.port, mysql=True) as proxy:
        app = create_app(make_settings(database_url=proxy.url(database.app_url)))
        factories.use(app)
        owner = factories.make_person(factories.make_tenant("Default").id, Role.ADMIN)
        held = make_holdings(app, owner)
        before = len(factories.rows(Launch))
        body = {"playbook_id": held.playbook_id, "server_ids": [held.server_id]}
        headers = {**factories.bearer(factories.make_key(owner)), "Idempotency-Key": "lost"}
        client = app.test_client()
        fault = proxy.lose_commit("INSERT INTO launches", outcome)
        first = client.post("/api/v1/launches", json=body, headers=headers)
        assert first.status_code == 503 and "Retry-After" in first.headers, first.json
        assert "may be done or not" in first.json["message"]
        fault.wait(1)
        again = client.post("/api/v1/launches", json=body, headers=headers)
        assert again.status_code == 202, again.json
        assert len(factories.rows(Launch)) == before + 1
        factories.use(None)
        with app.app_context():
            db.engine.dispose()
