"""Running one module: what is let through, what becomes of it, and that no argument is ever more than text (T-ARGS)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask, request
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.core import runtime
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, PermissionDenied
from app.jobs.kinds import PreparationError, RunRequest, RunTarget
from app.jobs.models import Job, Launch, Run
from app.jobs.status import JobStatus, LockMode
from app.playbooks import adhoc, service_adhoc
from app.playbooks.job_kind_adhoc import AdhocKind
from app.playbooks.service import LaunchOptions
from app.playbooks.targets import Selection
from tests.playbooks.conftest import House

COMMAND = "ansible.builtin.command"
PING = "ansible.builtin.ping"


def go(house: House, module: str, arguments: Any = "", *servers: int, **more: Any) -> str:
    with house.unit():
        launch = service_adhoc.launch_adhoc(
            more.pop("actor", house.admin),
            module,
            arguments,
            selection=more.pop("selection", Selection(server_ids=servers)),
            options=LaunchOptions(**more.pop("options", {})),
            **more,
        )
        return launch.uuid


def request_for(house: House, uuid: str) -> RunRequest:
    with house.unit():
        launch = db.session.scalars(select(Launch).where(Launch.uuid == uuid)).one()
        run = db.session.scalars(select(Run).where(Run.launch_id == launch.id)).one()
        jobs = db.session.scalars(select(Job).where(Job.launch_id == launch.id)).all()
        targets = [RunTarget(job.id, job.server_id) for job in jobs]
        return RunRequest(
            house.tenant_id, run.id, run.uuid, 1, run.engine, launch.subject_id, launch.user_id, launch.inputs, {},
            run.timeout_seconds, launch.is_check, targets,
        )  # fmt: skip


@pytest.mark.database
def test_a_module_becomes_a_launch_with_a_job_for_each_server(house: House) -> None:
    ids = [house.add_server(name, tags=["web"]) for name in ("web-1", "web-2")]
    uuid = go(house, "service", "name=nginx state=started", selection=Selection(tags=("web",)))
    with house.unit():
        launch = service_adhoc.get_launch(house.viewer, uuid)
        assert (launch.kind, launch.title, launch.jobs_total) == ("adhoc", "service on 2 servers", 2)
        assert launch.inputs["arguments"] == {"name": "nginx", "state": "started"}
        jobs = db.session.scalars(select(Job)).all()
        assert {job.server_id for job in jobs} == set(ids) and {job.playbook_id for job in jobs} == {None}
        assert db.session.scalars(select(Run)).one().lock_mode is LockMode.EXCLUSIVE

    request = request_for(house, uuid)
    with house.unit():
        spec = AdhocKind().build_run(request).spec
    assert [host["name"] for host in spec.parameters["hosts"]] == ["web-1", "web-2"]
    assert spec.files[0].data.decode().splitlines()[-1].strip().startswith("ansible.builtin.service: {")


def test_operators_run_what_reads_and_administrators_the_rest(house: House) -> None:
    server = house.add_server("web-1")
    go(house, "ping", "", server, actor=house.operator)
    with house.unit():
        assert db.session.scalars(select(Run)).one().lock_mode is LockMode.SHARED
    with pytest.raises(PermissionDenied):
        go(house, "command", "uptime", server, actor=house.operator)
    with pytest.raises(PermissionDenied):
        go(house, "ping", "", server, actor=house.viewer)
    go(house, "command", "uptime", server)


@pytest.mark.parametrize(
    "module", ["shell", "raw", "script", "ansible.builtin.template", "debug", "x/y", "-m", "community.general.ping", ""]
)
def test_a_module_that_is_not_on_the_list_is_refused_whoever_asks(house: House, module: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        go(house, module, "", house.add_server("web-1"))
    assert "module" in caught.value.errors


def test_the_list_is_a_setting_that_never_allows_what_runs_on_the_worker(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = house.add_server("web-1")
    names = ["shell", "debug", "ansible.builtin.raw", "ansible.legacy.script", "not a module", "ping"]
    limits = runtime.settings().model_copy(update={"adhoc_modules": names})
    monkeypatch.setattr(runtime, "_settings", limits)
    with house.unit():
        assert service_adhoc.allowed_modules(house.admin) == ["ansible.builtin.shell", PING]
    uuid = go(house, "shell", "echo $HOME | wc", server)
    request = request_for(house, uuid)
    limits = runtime.settings().model_copy(update={"adhoc_modules": ["ping"]})
    monkeypatch.setattr(runtime, "_settings", limits)
    with house.unit(), pytest.raises(PreparationError, match="not on this worker's list"):
        AdhocKind().build_run(request)


def test_production_asks_for_the_modules_name_unless_nothing_changes(house: House) -> None:
    server = house.add_server("db-1", environment="production")
    with pytest.raises(InvalidInput) as caught:
        go(house, "command", "uptime", server, confirmed_by_name="yes")
    assert "confirm_name" in caught.value.errors
    go(house, "command", "uptime", server, confirmed_by_name="command")
    go(house, "command", "uptime", server, confirmed_by_name="", options={"check": True})
    go(house, "ping", "", server, confirmed_by_name="")


def test_a_relaunch_runs_the_same_on_what_failed(house: House) -> None:
    one, two = house.add_server("web-1"), house.add_server("web-2")
    uuid = go(house, "command", "uptime", one, two, options={"forks": 7})
    with pytest.raises(Conflict), house.unit():
        service_adhoc.relaunch(house.admin, uuid)
    with house.unit():
        launch = db.session.scalars(select(Launch).where(Launch.uuid == uuid)).one()
        launch.status = JobStatus.FAILED
        for job in db.session.scalars(select(Job)):
            job.status = JobStatus.FAILED if job.server_id == two else JobStatus.SUCCESS
    with house.unit():
        again = AdhocKind().relaunch(house.admin, uuid, only="failed")
        assert again.title == "command on 1 server" and again.inputs["server_ids"] == [two]
        assert again.inputs["forks"] == 7 and again.inputs["arguments"] == {"cmd": "uptime"}
    with house.unit(), pytest.raises(PermissionDenied):
        service_adhoc.relaunch(house.operator, uuid)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name", "no name=value"),
        ("name=a name=b", "twice"),
        ("name='a", "quote"),
        ("{broken", "JSON"),
        ('{"a b": 1}', "no argument's name"),
        ("_raw_params=id", "no argument's name"),
        ("-name=x", "no argument's name"),
        ("@name=x", "no argument's name"),
        ("password=hunter2hunter2", "secret"),
        ("api_key=abc", "secret"),
        ("name={{lookup('pipe','id')}}", "never templates"),
        ('{"list": [{"k": "{% if x %}"}]}', "never templates"),
        ('{"k": "a\\u0000b"}', "NUL"),
        ('{"k": "\\ud800"}', "cannot be used"),
        ("x=" + "y" * 20_000, "KiB"),
        (json.dumps({f"k{n}": n for n in range(60)}), "arguments"),
        ('{"k":' * 50 + "1" + "}" * 50, "cannot be used"),
    ],
)
def test_t_args_arguments_that_could_mean_more_than_text_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        adhoc.read_arguments("ansible.builtin.user", text)


def test_t_args_a_file_of_the_worker_cannot_be_copied_out() -> None:
    for module in adhoc.READS_WORKER:
        with pytest.raises(ValueError, match="file of the worker"):
            adhoc.read_arguments(module, "src=/etc/shadow dest=/tmp/x")
        assert adhoc.read_arguments(module, "src=/a dest=/b remote_src=true")["src"] == "/a"


@given(st.text(max_size=200))
def test_t_args_any_text_is_refused_or_becomes_checked_arguments(text: str) -> None:
    for module in (COMMAND, PING):
        try:
            found = adhoc.read_arguments(module, text)
        except ValueError as error:
            assert str(error)
            continue
        assert b"!unsafe" in adhoc.play(module, found, become=True) or not any(
            isinstance(value, str) for value in found.values()
        )


def test_both_faces_launch_list_and_refuse(app: Flask, house: House) -> None:
    server = house.add_server("web-1")
    people: dict[str, Actor] = {"admin": house.admin, "operator": house.operator, "viewer": house.viewer}
    app.config["WTF_CSRF_ENABLED"] = False
    app.authenticator = lambda: people.get(request.headers.get("X-Test-Actor", ""))  # type: ignore[attr-defined]
    client = app.test_client()

    def ask(who: str, method: str, path: str, **more: Any) -> Any:
        return client.open(path, method=method, headers={"X-Test-Actor": who}, **more)

    listed = ask("operator", "GET", "/api/v1/adhoc-modules").json
    assert {"name": PING, "reads_only": True} in listed and COMMAND not in [one["name"] for one in listed]
    body = {"module": "command", "arguments": {"argv": ["uptime"]}, "server_ids": [server]}
    made = ask("admin", "POST", "/api/v1/adhoc-launches", json=body)
    assert made.status_code == 202 and made.json["title"] == "command on 1 server", made.json
    assert ask("admin", "GET", made.headers["Location"]).json["inputs"]["arguments"] == {"argv": ["uptime"]}
    assert ask("operator", "POST", "/api/v1/adhoc-launches", json=body).status_code == 403
    for wrong in (
        {"module": "shell"},
        {"arguments": 7},
        {"arguments": {"password": "x"}},
        {"extra_vars": {}},
        {"forks": 0},
    ):
        answer = ask("admin", "POST", "/api/v1/adhoc-launches", json={**body, **wrong})
        assert answer.status_code == 422, (wrong, answer.json)
    page = ask("admin", "GET", f"/adhoc?server_ids={server}&module={COMMAND}").get_data(as_text=True)
    assert f'value="{COMMAND}" selected' in page and f'value="{server}" checked' in page
    form = {"module": COMMAND, "arguments": "bad='", "server_ids": str(server), "become": "1"}
    refused = ask("admin", "POST", "/adhoc", data={**form, "module": PING})
    assert refused.status_code == 422 and "quote is not closed" in refused.get_data(as_text=True)
    begun = ask("admin", "POST", "/adhoc", data={**form, "arguments": "uptime -p"})
    assert begun.status_code == 303
    uuid = begun.headers["Location"].rsplit("/", 1)[1]
    again = ask("admin", "GET", f"/adhoc?again={uuid}").get_data(as_text=True)
    assert "uptime -p" in again
    shown = ask("viewer", "GET", f"/launches/{uuid}").get_data(as_text=True)
    assert "command on 1 server" in shown and "uptime -p" in shown
    jobs = ask("viewer", "GET", "/jobs").get_data(as_text=True)
    assert "command on 1 server" in jobs
