"""From a person's wish to a launch, and from a claimed run to its RunSpec."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select, text

from app.core import runtime
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied
from app.jobs.kinds import PreparationError, RunRequest, RunTarget
from app.jobs.models import Job, Launch, Run
from app.jobs.service import secret_context
from app.jobs.status import JobStatus, LockMode
from app.playbooks import queries, service, service_approval, service_content
from app.playbooks.job_kind import AnsibleKind
from app.playbooks.service import LaunchOptions
from app.playbooks.targets import Selection
from app.runners.base import FailureCode
from tests.playbooks.conftest import GOOD, Connection, House

pytestmark = pytest.mark.database
SPECS = [
    {"name": "greeting", "default": "hi"},
    {"name": "count", "type": "number"},
    {"name": "pin", "type": "secret"},
    {"name": "near", "type": "server"},
]


@pytest.fixture
def ready(house: House) -> tuple[int, int]:
    """An approved playbook and a server: their ids."""
    server = house.add_server("web-1", environment="staging", tags=["web"])
    with house.unit():
        playbook = service_content.upload_playbook(
            house.admin, name="Greet", file_name="site.yml", data=GOOD, variable_specs=SPECS
        )
        service_approval.approve_playbook(house.admin, playbook.id)
        return playbook.id, server


def go(house: House, playbook_id: int, *servers: int, **more: Any) -> str:
    options = LaunchOptions(**more.pop("options", {}))
    with house.unit():
        launch = service.launch_playbook(
            more.pop("actor", house.operator),
            playbook_id,
            selection=more.pop("selection", Selection(server_ids=servers)),
            options=options,
            **more,
        )
        return launch.uuid


def finish(house: House, uuid: str, *failed: int) -> None:
    """End a launch: the jobs of these servers failed, the others succeeded."""
    with house.unit():
        launch = db.session.scalars(select(Launch).where(Launch.uuid == uuid)).one()
        launch.status = JobStatus.FAILED if failed else JobStatus.SUCCESS
        for job in db.session.scalars(select(Job).where(Job.launch_id == launch.id)):
            job.status = JobStatus.FAILED if job.server_id in failed else JobStatus.SUCCESS


def request_for(house: House, uuid: str, **changes: Any) -> RunRequest:
    launch = db.session.scalars(select(Launch).where(Launch.uuid == uuid)).one()
    run = db.session.scalars(select(Run).where(Run.launch_id == launch.id)).one()
    jobs = db.session.scalars(select(Job).where(Job.launch_id == launch.id)).all()
    secrets = service.secrets_of_launch(launch)
    values: dict[str, Any] = {
        "tenant_id": house.tenant_id,
        "run_id": run.id,
        "run_uuid": run.uuid,
        "attempt": 1,
        "engine": run.engine,
        "subject_id": launch.subject_id,
        "user_id": launch.user_id,
        "inputs": launch.inputs,
        "secret_inputs": secrets,
        "timeout_seconds": run.timeout_seconds,
        "is_check": launch.is_check,
        "targets": [RunTarget(job.id, job.server_id) for job in jobs],
    }
    return RunRequest(**{**values, **changes})


def test_a_launch_has_a_run_and_a_job_for_each_server(house: House, ready: tuple[int, int]) -> None:
    other = house.add_server("web-2")
    uuid = go(house, ready[0], ready[1], other, ready[1], options={"extra_vars": {"count": 3}})
    with house.unit():
        launch = service.get_launch(house.viewer, uuid)
        assert (launch.title, launch.jobs_total, launch.status) == ("Greet", 2, JobStatus.PENDING)
        jobs = db.session.scalars(select(Job).where(Job.launch_id == launch.id)).all()
        assert {job.server_id for job in jobs} == {ready[1], other}
        assert jobs[0].extra_vars == {"greeting": "hi", "count": 3}
        run = db.session.scalars(select(Run)).one()
        assert run.lock_mode is LockMode.EXCLUSIVE


def test_check_mode_shares_the_servers(house: House, ready: tuple[int, int]) -> None:
    go(house, *ready, options={"check": True})
    with house.unit():
        assert db.session.scalars(select(Run)).one().lock_mode is LockMode.SHARED


def test_content_that_nobody_approved_is_not_launched(house: House, ready: tuple[int, int]) -> None:
    with house.unit():
        service_content.replace_file(house.admin, ready[0], data=GOOD + b"# new\n")
    with pytest.raises(Conflict, match="not approved") as caught:
        go(house, *ready)
    assert caught.value.error == "not_approved"
    with house.unit():
        assert db.session.scalar(select(Launch.id)) is None


def test_unknown_inactive_and_foreign_things_are_refused(
    house: House, neighbour: House, ready: tuple[int, int]
) -> None:
    playbook, server = ready
    gone = house.add_server("old", is_active=False)
    foreign = neighbour.add_server("theirs")
    for wrong in (999_999, foreign):
        with pytest.raises(NotFound):
            go(house, playbook, wrong)
    with pytest.raises(Conflict):
        go(house, playbook, gone)
    with pytest.raises(NotFound):
        go(house, 999_999, server)
    with pytest.raises(NotFound):
        go(neighbour, playbook, foreign)
    with pytest.raises(PermissionDenied):
        go(house, playbook, server, actor=house.viewer)
    with house.unit():
        service_content.edit_playbook(house.admin, playbook, {"is_active": False})
    with pytest.raises(Conflict, match="deactivated"):
        go(house, playbook, server)


def test_the_platforms_own_machine_is_for_admins(house: House, ready: tuple[int, int]) -> None:
    controller = house.add_server("controller", connection=Connection.LOCAL, is_controller=True, environment="staging")
    with pytest.raises(PermissionDenied):
        go(house, ready[0], controller)
    go(house, ready[0], controller, actor=house.admin)
    with house.unit():
        chosen = service.preview_selection(house.operator, Selection(environment="staging"))
        assert chosen == ["web-1"]
        assert service.preview_selection(house.admin, Selection(environment="staging")) == ["controller", "web-1"]


def test_servers_are_chosen_by_tag_environment_and_name(house: House, ready: tuple[int, int]) -> None:
    for name, environment, tags in (("web-2", "live", ["web"]), ("db-1", "live", ["db"]), ("x-1", None, [])):
        house.add_server(name, environment=environment, tags=tags)
    house.add_server("web-3", environment="live", tags=["web"], is_active=False)
    cases = [
        (Selection(tags=("web",)), ["web-1", "web-2"]),
        (Selection(tags=("web", "db")), ["db-1", "web-1", "web-2"]),
        (Selection(environment="live"), ["db-1", "web-2"]),
        (Selection(tags=("db",), environment="staging"), ["db-1", "web-1"]),
        (Selection(server_ids=(ready[1],), environment="live"), ["db-1", "web-1", "web-2"]),
        (Selection(environment="live", limit="web-*"), ["web-2"]),
        (Selection(tags=("web", "db"), limit="*, !db-1"), ["web-1", "web-2"]),
    ]
    with house.unit():
        for selection, names in cases:
            assert service.preview_selection(house.operator, selection) == names, selection
        for nothing in (
            Selection(),
            Selection(tags=("nope",)),
            Selection(environment="live", limit="q*"),
            Selection(environment="live", limit="-e"),
            Selection(environment="live", limit="@/etc/passwd"),
        ):
            with pytest.raises(InvalidInput):
                service.preview_selection(house.operator, nothing)


@pytest.mark.parametrize(
    "options",
    [
        {"tags": ("-e",)},
        {"tags": ("@file",)},
        {"skip_tags": ("a b",)},
        {"tags": ("a\n",)},
        {"forks": 0},
        {"forks": 501},
        {"verbosity": 5},
        {"timeout_seconds": 1},
        {"timeout_seconds": 10**9},
        {"extra_vars": {"ansible_connection": "local"}},
        {"extra_vars": {"greeting": "{{ lookup('pipe', 'id') }}"}},
        {"extra_vars": {"count": "three"}},
        {"extra_vars": {"near": "nowhere"}},
    ],
)
def test_t_args_options_that_could_do_harm_are_refused(
    house: House, ready: tuple[int, int], options: dict[str, Any]
) -> None:
    with pytest.raises(InvalidInput):
        go(house, *ready, options=options)


def test_a_secret_is_stored_only_encrypted(house: House, ready: tuple[int, int]) -> None:
    uuid = go(house, *ready, options={"extra_vars": {"pin": "correct horse"}})
    with house.unit():
        for table in ("launches", "runs", "jobs", "audit_logs"):
            for row in db.session.execute(text(f"SELECT * FROM {table}")):
                assert "correct horse" not in repr(tuple(row)), table
        launch = service.get_launch(house.operator, uuid)
        from app.core.crypto import Keyring

        keyring = Keyring(runtime.settings().master_key.get_secret_value())
        opened = keyring.decrypt(secret_context(uuid, house.tenant_id), launch.secret_inputs or "")
        assert json.loads(opened) == {"pin": "correct horse"}


def test_production_asks_for_the_name_of_the_playbook(house: House, ready: tuple[int, int]) -> None:
    live = house.add_server("live-1", environment="production")
    with pytest.raises(InvalidInput) as caught:
        go(house, ready[0], live, confirmed_by_name="greet")
    assert "confirm_name" in caught.value.errors
    go(house, ready[0], live, confirmed_by_name="Greet")
    go(house, ready[0], live, confirmed_by_name="", options={"check": True})


def test_a_relaunch_repeats_what_failed_with_its_secrets(house: House, ready: tuple[int, int]) -> None:
    good = house.add_server("good")
    uuid = go(house, ready[0], ready[1], good, options={"extra_vars": {"pin": "correct horse", "count": 2}})
    with pytest.raises(Conflict, match="not finished"), house.unit():
        service.relaunch(house.operator, uuid, only="failed")
    finish(house, uuid, ready[1])
    with house.unit():
        again = service.relaunch(
            house.operator, uuid, only="failed", changes={"extra_vars": {"count": 7}, "check": True}
        )
        assert again.inputs["server_ids"] == [ready[1]]
        assert again.inputs["extra_vars"] == {"greeting": "hi", "count": 7}
        assert again.is_check
        assert service.secrets_of_launch(again) == {"pin": "correct horse"}
        old = service.get_launch(house.operator, uuid)
        assert again.relaunch_of == old.id
        again_uuid = again.uuid
    finish(house, again_uuid)
    with pytest.raises(Conflict, match="No job of that launch failed"), house.unit():
        service.relaunch(house.operator, again_uuid, only="failed")


def test_a_playbook_with_jobs_is_deactivated_not_deleted(house: House, ready: tuple[int, int]) -> None:
    go(house, *ready)
    with house.unit():
        assert service_content.delete_playbook(house.admin, ready[0]) is False
        assert queries.get_playbook(house.admin, ready[0]).is_active is False


def test_a_run_gets_exactly_the_approved_bytes(house: House, ready: tuple[int, int]) -> None:
    uuid = go(house, *ready, options={"extra_vars": {"pin": "correct horse"}, "tags": ("a",), "diff": True})
    with house.unit():
        service_content.replace_file(house.admin, ready[0], data=GOOD + b"# later\n")
        prepared = AnsibleKind().build_run(request_for(house, uuid))
        job = db.session.scalars(select(Job)).one()
    spec = prepared.spec
    assert [(file.path, file.data) for file in spec.files] == [("site.yml", GOOD)]
    assert spec.secrets == ("correct horse",)
    assert spec.parameters["extra_vars"] == {"greeting": "hi", "pin": "correct horse"}
    assert spec.parameters["tags"] == ["a"]
    assert spec.parameters["diff"] is True
    alone = {"hosts": ["web-1"], "children": [], "vars": {}}
    assert spec.parameters["groups"] == {"env_staging": alone, "tag_web": alone}
    assert spec.parameters["templates_in_inventory"] is False
    assert prepared.jobs_by_host == {"web-1": job.id}


def test_facts_are_variables_too_only_where_the_installation_says_so(
    house: House, ready: tuple[int, int], configure: Callable[..., None]
) -> None:
    uuid = go(house, *ready)
    for wanted in (False, True):
        configure(inject_facts=wanted)
        with house.unit():
            assert AnsibleKind().build_run(request_for(house, uuid)).spec.parameters["inject_facts"] is wanted


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE playbook_contents SET data = X'2D'",
        "UPDATE project_files SET path = 'other.yml'",
        "UPDATE project_files SET executable = 1",
        "UPDATE playbook_approvals SET manifest_hash = 'x'",
        "UPDATE playbook_approvals SET revoked_at = created_at",
        "DELETE FROM project_files",
    ],
)
def test_changed_content_is_never_run(house: House, ready: tuple[int, int], tampering: str) -> None:
    uuid = go(house, *ready)
    with house.unit():
        db.session.execute(text(tampering))
    with house.unit(), pytest.raises(PreparationError) as caught:
        AnsibleKind().build_run(request_for(house, uuid))
    assert caught.value.code is FailureCode.HASH_MISMATCH
    assert "Nothing was run" in caught.value.message


def test_a_run_says_when_its_engine_or_all_servers_are_gone(house: House, ready: tuple[int, int]) -> None:
    uuid = go(house, *ready)
    with house.unit(), pytest.raises(PreparationError, match="no usable engine 'old'"):
        AnsibleKind().build_run(request_for(house, uuid, engine="old"))
    with house.unit():
        db.session.execute(text("UPDATE servers SET is_active = 0"))
    with house.unit(), pytest.raises(PreparationError) as caught:
        AnsibleKind().build_run(request_for(house, uuid))
    assert caught.value.code is FailureCode.NO_HOSTS
