"""The REST API and the pages of launches, jobs and logs, without an engine: rows are put in place."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update

from app.core.actor import Role
from app.core.clock import utc_now
from app.core.db import db
from app.inventory.models import Server
from app.jobs import closing, log_store
from app.jobs.database_port import DatabasePort
from app.jobs.kinds import PreparedRun
from app.jobs.models import Launch, Run
from app.jobs.port import Carrier, Claim, LogBatch
from app.jobs.workers import this_process
from app.runners.base import FailureCode, HostResult, RunResult, RunSpec
from tests import factories
from tests.factories import PersonMade, bearer
from tests.jobs.conftest import House


@pytest.fixture
def person(house: House) -> PersonMade:
    return PersonMade(house.actor.user_id or 0, house.actor.tenant_id, "ada", Role.ADMIN)


@pytest.fixture
def key(person: PersonMade) -> dict[str, str]:
    return bearer(factories.make_key(person))


def begun(house: House, *names: str) -> tuple[str, Claim, dict[str, int]]:
    launch = house.launch(*names)
    with house.context():
        port = DatabasePort()
        claim = port.claim(house.run_id(launch), Carrier(this_process(), "here", None))
        assert claim is not None
        hosts = {name: job.id for name, job in house.jobs(launch).items()}
        assert port.begin(claim, PreparedRun(RunSpec(claim.run_uuid, 1, "ansible", 60, {}), hosts))
    return launch, claim, hosts


def put_lines(house: House, claim: Claim, job: int, texts: list[str], first: int = 1) -> None:
    batch = LogBatch(0, len(texts), 0)
    now = utc_now().strftime("%Y-%m-%d %H:%M:%S.%f")
    batch.tasks = (
        [(claim.tenant_id, claim.run_id, 1, 0, "all", "a task", "debug", "site.yml:3", now)] if first == 1 else []
    )
    for number, text in enumerate(texts, first):
        level = "ERROR" if text.startswith("fatal") else "INFO"
        batch.lines.append((claim.tenant_id, job, number, number, 1, 0, text, level, now))
    batch.line_counts = {job: first + len(texts) - 1}
    house.write(lambda: log_store.insert_batch(claim.tenant_id, batch))


def end(house: House, claim: Claim, hosts: dict[str, int], failed: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    results = {
        name: HostResult(FailureCode.TASK_FAILED, "it broke", "a task", "debug") if name in failed else HostResult(None)
        for name in hosts
    }
    result = RunResult(2 if failed else 0, FailureCode.TASK_FAILED if failed else None, hosts=results)

    def work() -> bool:
        run = db.session.get_one(Run, claim.run_id)
        return closing.finish_run(
            run, result, hosts_by_job={job: name for name, job in hosts.items()}, log_complete=True
        )

    assert house.write(work)


def test_a_log_is_read_by_cursor_to_its_end(house: House, client: FlaskClient, key: dict[str, str]) -> None:
    _, claim, hosts = begun(house, "a")
    put_lines(house, claim, hosts["a"], [f"line {n}" for n in range(1, 26)])
    end(house, claim, hosts)
    listed = client.get("/api/v1/jobs", headers=key)
    assert listed.status_code == 200, listed.json
    job_id = listed.json[0]["job_id"]
    seen: list[str] = []
    after = 0
    while True:
        part = client.get(f"/api/v1/jobs/{job_id}/logs?after={after}&limit=10", headers=key).json
        if not part["lines"]:
            break
        seen += [line["x"] for line in part["lines"]]
        after = part["lines"][-1]["n"]
    assert seen == [f"line {n}" for n in range(1, 26)]
    assert (part["complete"], part["last_line"], part["status"]) == (True, 25, "success")
    text = client.get(f"/api/v1/jobs/{job_id}/logs?format=text", headers=key)
    assert text.mimetype == "text/plain" and text.headers["X-Content-Type-Options"] == "nosniff"
    assert [line for line in text.text.splitlines() if line.startswith("line")] == seen


def test_the_last_lines_are_read_backwards(house: House, client: FlaskClient, key: dict[str, str]) -> None:
    _, claim, hosts = begun(house, "a")
    put_lines(house, claim, hosts["a"], [f"line {n}" for n in range(1, 26)])
    job_id = house.jobs(_)["a"].job_id
    part = client.get(f"/api/v1/jobs/{job_id}/logs?before=24&limit=3", headers=key).json
    assert [line["n"] for line in part["lines"]] == [21, 22, 23]


def test_search_finds_text_literally_and_says_how_far_it_looked(
    house: House, client: FlaskClient, person: PersonMade
) -> None:
    launch, claim, hosts = begun(house, "a")
    put_lines(house, claim, hosts["a"], ["100% done", "100 done", "fatal: under_score", "undeXscore"])
    base = f"/jobs/{house.jobs(launch)['a'].job_id}"
    factories.sign_in(client, person)
    found = client.get(f"{base}/search?q=100%25", headers={"Accept": "application/json"}).json
    assert [hit["n"] for hit in found["hits"]] == [1] and not found["more"]
    assert [h["n"] for h in client.get(f"{base}/search?q=R_S").json["hits"]] == [3]
    assert [line["n"] for line in client.get(f"{base}/lines?level=ERROR").json["lines"]] == [3]


def test_a_matrix_shows_each_server_and_task(house: House, client: FlaskClient, key: dict[str, str]) -> None:
    launch, claim, hosts = begun(house, "a", "b")
    put_lines(house, claim, hosts["a"], ["ok"])
    batch = LogBatch(0, 0, 0)
    batch.results = [(claim.tenant_id, job, 1, "ok", 12, 1, 1, None) for job in hosts.values()]
    house.write(lambda: log_store.insert_batch(claim.tenant_id, batch))
    data = client.get(f"/api/v1/launches/{launch}/results", headers=key).json
    assert [task["name"] for task in data["tasks"]] == ["a task"]
    assert {row["server_name"]: row["cells"]["1"]["status"] for row in data["rows"]} == {"a": "ok", "b": "ok"}
    part = client.get(f"/api/v1/launches/{launch}/results?limit=1", headers=key).json
    assert len(part["rows"]) == 1 and part["next_after"] == part["rows"][0]["number"]


def test_the_list_as_part_of_a_servers_page_has_no_sorting_and_does_not_name_the_server_again(
    house: House, client: FlaskClient, person: PersonMade
) -> None:
    job = house.jobs(house.launch("a"))["a"]
    address = f"/jobs?server_id={job.server_id}"
    factories.sign_in(client, person)
    whole = client.get(address).text
    part = client.get(address, headers={"HX-Request": "true"}).text
    assert "sort=" in whole
    assert ">Server</th>" in whole
    assert f"/jobs/{job.job_id}" in part
    assert "sort=" not in part
    assert ">Server</th>" not in part


def test_one_job_of_a_shared_run_cannot_be_cancelled_alone(
    house: House, client: FlaskClient, key: dict[str, str]
) -> None:
    launch, _claim, _hosts = begun(house, "a", "b")
    answer = client.post(f"/api/v1/jobs/{house.jobs(launch)['a'].job_id}/cancel", headers=key)
    assert (answer.status_code, answer.json["error"]) == (409, "shared_run")
    assert f"/launches/{launch}/cancel" in answer.json["message"]
    assert client.post(f"/api/v1/launches/{launch}/cancel", headers=key).status_code == 202
    assert client.post(f"/api/v1/launches/{launch}/cancel", headers=key).status_code == 202


def test_a_pending_server_is_left_out_and_the_rest_goes_on(
    house: House, client: FlaskClient, key: dict[str, str]
) -> None:
    launch = house.launch("a", "b")
    answer = client.post(f"/api/v1/jobs/{house.jobs(launch)['a'].job_id}/cancel", headers=key)
    assert (answer.status_code, answer.json["status"]) == (202, "cancelled")
    data = client.get(f"/api/v1/launches/{launch}", headers=key).json
    assert (data["status"], data["jobs_cancelled"]) == ("pending", 1)
    again = client.post(f"/api/v1/jobs/{house.jobs(launch)['a'].job_id}/cancel", headers=key)
    assert (again.status_code, again.json["error"]) == (409, "invalid_transition")


def test_a_pending_job_says_why_it_waits(house: House, client: FlaskClient, key: dict[str, str]) -> None:
    house.launch("a")
    assert "No worker is online" in client.get("/api/v1/jobs", headers=key).json[0]["waiting_because"]


@pytest.mark.parametrize(
    "query", ["nonsense=1", "page=0", "page_size=101", "status=done", "after=x", "created_from=yesterday"]
)
def test_unknown_and_wrong_filters_are_named(client: FlaskClient, key: dict[str, str], query: str) -> None:
    answer = client.get(f"/api/v1/jobs?{query}", headers=key)
    assert answer.status_code == 422
    assert query.split("=")[0] in json.dumps(answer.json["errors"])


def test_another_tenants_launch_does_not_exist(house: House, client: FlaskClient, key: dict[str, str]) -> None:
    launch = house.launch("a")
    stranger = factories.make_person(factories.make_tenant().id)
    theirs = bearer(factories.make_key(stranger))
    for path in (f"/api/v1/launches/{launch}", f"/api/v1/jobs/{house.jobs(launch)['a'].job_id}/logs"):
        unknown = client.get(path.replace(path.split("/")[4], str(uuid.uuid4())), headers=theirs)
        foreign = client.get(path, headers=theirs)
        assert (foreign.status_code, foreign.json["message"]) == (404, unknown.json["message"])
    assert client.get("/api/v1/jobs", headers=theirs).json == []


def test_a_viewer_reads_everything_and_cancels_nothing(house: House, client: FlaskClient) -> None:
    launch = house.launch("a")
    viewer = factories.make_person(house.actor.tenant_id, Role.VIEWER)
    theirs = bearer(factories.make_key(viewer))
    assert client.get(f"/api/v1/launches/{launch}", headers=theirs).status_code == 200
    assert client.post(f"/api/v1/launches/{launch}/cancel", headers=theirs).status_code == 403


def events(text: str) -> list[tuple[str, dict[str, Any], str | None]]:
    found = []
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], json.loads(fields["data"]), fields.get("id")))
    return found


def test_a_stream_of_a_finished_job_holds_every_line_and_ends(
    house: House, client: FlaskClient, key: dict[str, str]
) -> None:
    launch, claim, hosts = begun(house, "a")
    put_lines(house, claim, hosts["a"], [f"line {n}" for n in range(1, 1501)])
    end(house, claim, hosts)
    path = f"/api/v1/jobs/{house.jobs(launch)['a'].job_id}/stream"
    found = events(client.get(path, headers=key).text)
    numbers = [line["n"] for name, data, _ in found if name == "lines" for line in data["lines"]]
    assert numbers == list(range(1, 1501))
    assert found[-1][0] == "end"
    resumed = events(client.get(path, headers={**key, "Last-Event-ID": "1490"}).text)
    assert [line["n"] for name, data, _ in resumed if name == "lines" for line in data["lines"]] == list(
        range(1491, 1501)
    )


def test_a_browser_follows_several_jobs_in_one_stream(house: House, client: FlaskClient, person: PersonMade) -> None:
    places = []
    for name in "ab":
        launch, claim, hosts = begun(house, name)
        put_lines(house, claim, hosts[name], [f"{name} {n}" for n in range(1, 4)])
        end(house, claim, hosts)
        places.append(f"job={house.jobs(launch)[name].job_id}:1")
    factories.sign_in(client, person)
    found = events(client.get("/stream?" + "&".join(places)).text)
    texts = [line["x"] for name, data, _ in found if name == "lines" for line in data["lines"]]
    assert sorted(texts) == ["a 2", "a 3", "b 2", "b 3"]
    assert client.get("/stream?job=nonsense").status_code == 422
    assert client.get(f"/stream?job={uuid.uuid4()}:0").status_code == 404


def test_pages_of_launches_and_jobs_show_names(house: House, client: FlaskClient, person: PersonMade) -> None:
    launch, claim, hosts = begun(house, "a", "b")
    put_lines(house, claim, hosts["b"], ["fatal: [b]: FAILED!"])
    end(house, claim, hosts, failed={"b"})
    factories.sign_in(client, person)
    for path in ("/launches", "/launches?status=failed", "/launches?q=test", f"/launches/{launch}", "/jobs?q=b"):
        page = client.get(path)
        assert page.status_code == 200, path
        assert "Test playbook" in page.text
    page = client.get(f"/jobs/{house.jobs(launch)['b'].job_id}").text
    assert "it broke" in page and 'data-controller="log"' in page
    assert client.get("/launches?status=nonsense").status_code == 422


def test_a_stranger_learns_nothing_about_the_query_of_a_stream(client: FlaskClient) -> None:
    answer = client.get("/stream?job=nonsense")
    assert answer.status_code in (302, 401)


def test_cancelling_on_a_page_asks_first_and_on_production_wants_the_name(
    house: House, app: Flask, client: FlaskClient, person: PersonMade
) -> None:
    app.config["WTF_CSRF_ENABLED"] = False
    factories.sign_in(client, person)
    launch = house.launch("a", "b")
    job = house.jobs(launch)["a"].job_id
    house.write(lambda: db.session.execute(update(Server).values(environment="production")))
    title = factories.rows(Launch)[0].title
    for path, name in ((f"/jobs/{job}/cancel", "a"), (f"/launches/{launch}/cancel", title)):
        for form in ({}, {"confirmed": "1"}, {"confirmed": "1", "confirm_name": "b-or-not"}):
            answer = client.post(path, data=form)
            assert (answer.status_code, 'name="confirm_name"' in answer.text) == (200, True)
        assert client.post(path, data={"confirmed": "1", "confirm_name": name}).status_code == 303
