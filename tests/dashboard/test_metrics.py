"""/metrics: who may read it, what it says in each state, and that Prometheus can read it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client.metrics_core import Metric
from sqlalchemy import update

from app import create_app
from app.core import request_figures
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.probe import looking
from app.core.tenancy import system_scope
from app.dashboard import metrics, metrics_read
from app.jobs import figures, workers
from app.jobs.database_port import DatabasePort
from app.jobs.executor import execute_run
from app.jobs.keeper import Keeper
from app.jobs.models import PlatformFlag, Run, Worker
from app.jobs.port import Carrier
from app.jobs.status import RunStatus, WorkerState
from app.jobs.workers import this_process
from config import Settings
from tests.dashboard.exposition import lint, parse
from tests.jobs.conftest import House
from tests.jobs.conftest import house as house
from tests.support.sent import sent

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "0123456789abcdef" * 3


@pytest.fixture(autouse=True)
def answered_nothing_yet() -> None:
    """Other tests of this process have asked for every address that there is."""
    request_figures._requests.clear()
    request_figures._seconds.clear()


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each scrape of these tests looks anew."""
    monkeypatch.setattr(metrics.flight, "fresh_seconds", 0.0)
    yield


def scrape(client: FlaskClient) -> dict[str, Metric]:
    answer = client.get("/metrics")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    text = answer.get_data(as_text=True)
    assert lint(text) == []
    return parse(text)


def values(family: Metric, label: str | None = None) -> dict[str, float]:
    suffix = "_total" if family.type == "counter" else ""
    found = [sample for sample in family.samples if sample.name == family.name + suffix]
    return {(sample.labels[label] if label else ""): sample.value for sample in found}


def carry(house: House, settings: Settings, uuid: str) -> None:
    assert execute_run(DatabasePort(), house.run_id(uuid), Carrier(this_process(), settings.host_name, None))


@pytest.mark.database
@pytest.mark.usefixtures("app_context")
def test_a_platform_at_work_is_told_in_words_that_prometheus_reads(
    house: House, settings: Settings, client: FlaskClient
) -> None:
    house.playbook = "- hosts: all\n  gather_facts: false\n  tasks:\n    - ansible.builtin.debug: msg=hello\n"
    workers.register("w1@here")
    workers.beat("w1@here")
    done = house.launch("a", "b")
    carry(house, settings, done)
    before = scrape(client)
    keeper = Keeper("here")
    try:
        assert keeper.tick()
        assert figures.fold() == 1
        keeper._own[0].next_at = 0
        assert keeper.tick()
        house.launch("c")
        after = scrape(client)
    finally:
        keeper._leadership.release()
    # What was counted from the rows of ended runs is counted from the figures now, and not twice.
    stored = "millwright_log_records_stored"
    assert values(before[stored]) == values(after[stored]) and values(after[stored])[""] > 0
    assert values(after["millwright_runs_ended"], "outcome") == {"success": 1.0}
    assert values(after["millwright_jobs_ended"], "outcome") == {"success": 2.0}
    duration = {sample.name: sample.value for sample in after["millwright_run_duration_seconds"].samples}
    assert duration["millwright_run_duration_seconds_count"] == 1.0
    assert 0 < duration["millwright_run_duration_seconds_sum"] < 120
    assert values(after["millwright_runs"], "status") == {"pending": 1.0, "claimed": 0.0, "running": 0.0}
    assert values(after["millwright_jobs"], "status") == {"pending": 1.0, "running": 0.0}
    assert values(after["millwright_runs_waiting"], "reason")["starting"] == 1.0
    assert values(after["millwright_keeper_leading"]) == {"": 1.0}
    assert values(after["millwright_keeper_silence_seconds"])[""] < 60
    assert "dispatch sweep" in values(after["millwright_keeper_chore_last_duration_seconds"], "chore")
    assert values(after["millwright_worker_slots"], "worker") == {"w1@here": float(settings.worker_concurrency)}
    assert values(after["millwright_worker_host_disk_free_bytes"], "worker")["w1@here"] > 0
    assert values(after["millwright_log_lag_seconds"], "worker") == {"w1@here": 0.0}
    assert values(after["millwright_database_up"]) == {"": 1.0}
    routes = {sample.labels["route"] for sample in after["millwright_http_requests"].samples}
    assert "/metrics" in routes
    assert alerted() <= {sample.name for family in after.values() for sample in family.samples}
    without_redis = {"redis_latency_seconds"}
    assert {family.removeprefix("millwright_") for family in after} | without_redis == documented()


def alerted() -> set[str]:
    """Every series that the example's alert rules ask for."""
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "alerts.yml").read_text())["groups"][0]["rules"]
    assert all(rule["labels"]["severity"] in ("page", "warn") and rule["annotations"]["summary"] for rule in rules)
    assert len({rule["alert"] for rule in rules}) == len(rules)
    return {name for rule in rules for name in re.findall(r"millwright_\w+", rule["expr"])}


def documented() -> set[str]:
    """Every family that the table in docs/operations.md explains, without the prefix and _total."""
    text = (ROOT / "docs" / "operations.md").read_text()
    table = text[text.index("| metric |") :].split("\n\n")[0]
    names = re.findall(
        r"`([a-z0-9_]+)(?:\{[a-z, ]+\})?`", "".join(line.split("|")[1] for line in table.splitlines()[2:])
    )
    return {name.removesuffix("_total") for name in names}


@pytest.mark.database
@pytest.mark.usefixtures("app_context")
def test_waiting_runs_are_counted_by_their_reason(house: House, settings: Settings, client: FlaskClient) -> None:
    def reasons() -> dict[str, float]:
        found = values(scrape(client)["millwright_runs_waiting"], "reason")
        assert set(found) == set(metrics_read.REASONS)
        return {reason: count for reason, count in found.items() if count}

    first, second, third = house.launch("a"), house.launch("a", "b"), house.launch("c")
    assert reasons() == {"no_worker": 3.0}
    workers.register("w1@here")
    assert DatabasePort().claim(house.run_id(first), Carrier(this_process(), settings.host_name, "w1@here"))
    assert reasons() == {"server_lock": 1.0, "starting": 1.0}
    later, third_id = database_now_plus(house, 60), house.run_id(third)
    house.write(lambda: db.session.execute(update(Run).where(Run.id == third_id).values(not_before=later)))
    assert reasons() == {"server_lock": 1.0, "not_before": 1.0}
    with unit_of_work():
        db.session.execute(update(Worker).values(concurrency=1))
    house.launch("d")
    assert reasons() == {"server_lock": 1.0, "not_before": 1.0, "capacity": 1.0}
    with unit_of_work():
        db.session.execute(update(Worker).values(engines={"other": {"version": "1"}}))
    assert reasons() == {"engine_missing": 2.0, "not_before": 1.0}
    with unit_of_work() as session:
        session.add(PlatformFlag(name="dispatch_paused", value="x", set_at=utc_now()))
    assert reasons() == {"paused": 3.0}
    assert second


def database_now_plus(house: House, seconds: int) -> Any:
    return house.read(database_now) + timedelta(seconds=seconds)


@pytest.mark.database
@pytest.mark.usefixtures("app_context")
def test_a_lease_that_grows_old_and_a_worker_that_fell_silent_show(
    house: House, settings: Settings, client: FlaskClient
) -> None:
    workers.register("w1@here")
    uuid = house.launch("a")
    assert DatabasePort().claim(house.run_id(uuid), Carrier(this_process(), settings.host_name, "w1@here"))
    old = utc_now() - timedelta(seconds=200)
    house.write(lambda: db.session.execute(update(Run).values(lease_at=old, status=RunStatus.RUNNING)))
    with unit_of_work():
        db.session.execute(update(Worker).values(last_seen_at=old, state=WorkerState.ONLINE))
    found = scrape(client)
    assert values(found["millwright_lease_age_seconds"], "worker")["w1@here"] >= 199
    assert values(found["millwright_worker_state"], "state") == {"online": 0.0, "draining": 0.0, "silent": 1.0}


@pytest.mark.database
@pytest.mark.usefixtures("app_context")
def test_the_number_of_queries_does_not_grow_with_what_there_is(house: House, settings: Settings) -> None:
    def count() -> int:
        with system_scope("test"), looking() as session, sent("SELECT", session.get_bind().engine) as statements:
            metrics_read.read(session, utc_now())
        return len(statements)

    house.launch("a")
    few = count()
    for name in "abcd" * 3:
        workers.register(f"{name}@here")
        house.launch(name)
    assert count() == few <= 14


def test_two_ended_runs_are_folded_once_although_two_keepers_try(
    house: House, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context():
        from app.jobs import service
        from app.jobs.models_operations import Figure, RunEnd

        uuid = house.launch("a")
        house.write(lambda: service.cancel_launch(house.actor, uuid))
        real = figures._add

        def other_keeper_meanwhile(row: RunEnd, sums: Any) -> None:
            real(row, sums)
            db.session.query(RunEnd).delete()

        with monkeypatch.context() as patch:
            patch.setattr(figures, "_add", other_keeper_meanwhile)
            assert figures.fold() == 0
        assert figures.fold() == 1
        assert figures.fold() == 0
        with unit_of_work(writes=False) as session:
            figure = session.get(Figure, "runs|test|cancelled")
            assert figure is not None and figure.value == 1


def test_without_a_database_metrics_say_so_and_nothing_secret(make_settings: Callable[..., Settings]) -> None:
    url = "mysql+pymysql://somebody:hidden-word@127.0.0.1:1/db"
    client = create_app(make_settings(database_url=url)).test_client()
    found = scrape(client)
    assert values(found["millwright_database_up"]) == {"": 0.0}
    assert "millwright_runs" not in found
    text = client.get("/metrics").get_data(as_text=True)
    assert "hidden-word" not in text and "somebody" not in text


def test_metrics_without_a_token_answer_this_machine_alone(app: Flask) -> None:
    client = app.test_client()
    assert client.get("/metrics").status_code == 200
    assert client.get("/metrics", environ_base={"REMOTE_ADDR": "203.0.113.9"}).status_code == 404
    assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 404


def test_metrics_with_a_token_answer_whoever_sends_it_and_nobody_else(app: Flask) -> None:
    settings: Settings = app.config["MILLWRIGHT_SETTINGS"]
    client = create_app(Settings(**{**settings.model_dump(), "metrics_token": TOKEN})).test_client()
    far = {"REMOTE_ADDR": "203.0.113.9"}
    for headers in (
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
    ):
        answer = client.get("/metrics", headers=headers, environ_base=far)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert "millwright_" not in answer.get_data(as_text=True)
    assert client.get("/metrics").status_code == 401  # from this machine too, once there is a token
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, environ_base=far)
    assert answer.status_code == 200
    assert answer.content_type.startswith("text/plain; version=")
    assert "Set-Cookie" not in answer.headers
    assert TOKEN not in answer.get_data(as_text=True)


def test_a_short_token_stops_the_start(make_settings: Callable[..., Settings]) -> None:
    with pytest.raises(ValueError, match="at least 32 characters"):
        make_settings(metrics_token="guess-me")


def test_ids_and_unknown_addresses_make_no_series_of_their_own(app: Flask) -> None:
    client = app.test_client()
    for number in range(5):
        client.get(f"/servers/{number}")
        client.get(f"/no-such-page-{number}")
        client.open("/health", method=f"ODD{number}")
    found = scrape(client)["millwright_http_requests"].samples
    routes = {sample.labels["route"] for sample in found}
    assert {"/servers/<int:server_id>", "(none)"} <= routes
    assert not any("no-such-page" in route for route in routes)
    assert not any(sample.labels["method"].startswith("ODD") for sample in found)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("# HELP millwright_a A.\n# TYPE millwright_a gauge\nmillwright_a 1\nmillwright_a 2\n", "twice"),
        ("# HELP millwright_a_ms A.\n# TYPE millwright_a_ms gauge\nmillwright_a_ms 1\n", "seconds and bytes"),
        (
            "# HELP millwright_a A.\n# TYPE millwright_a gauge\n# TYPE millwright_b gauge\nmillwright_b 1\n",
            "once for each",
        ),
        ("# HELP millwright_a a\n# TYPE millwright_a gauge\nmillwright_a 1\n", "no sentence"),
    ],
)
def test_the_lint_sees_what_it_is_for(text: str, word: str) -> None:
    assert any(word in problem for problem in lint(text))


def test_the_example_of_a_scrape_configuration_is_one() -> None:
    (job,) = yaml.safe_load((ROOT / "deploy" / "prometheus" / "scrape.yml").read_text())["scrape_configs"]
    assert (job["metrics_path"], job["authorization"]["type"]) == ("/metrics", "Bearer")
