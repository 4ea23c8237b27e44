"""Outputs of Terraform workspaces as values of launches: who may use them, and that nothing of them is stored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select, text

from app.audit.models import AuditEntry
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.jobs import references
from app.jobs.kinds import PreparationError
from app.jobs.listings import inputs_in_words
from app.jobs.models import Job, Launch
from app.playbooks import service, service_approval, service_content, service_saved, service_saved_launch
from app.playbooks.job_kind import AnsibleKind
from app.playbooks.launch_options import LaunchOptions
from app.playbooks.models_saved import GrantAct, SavedLaunch
from app.playbooks.service_saved import SavedInput
from app.playbooks.targets import Selection
from app.terraform import service as terraform
from app.terraform import state_store
from app.terraform.models import TerraformProject
from app.terraform.models_configuration import TerraformOutput
from app.terraform.service import ProjectInput
from tests.playbooks.conftest import GOOD, House, with_scopes
from tests.playbooks.test_launch import finish, request_for
from tests.playbooks.test_saved_rights import give, http

assert http  # a fixture
pytestmark = pytest.mark.database
SECRET = "a-token-that-nobody-may-see"
NETWORK = "terraform://network%20one/default"
SPECS: list[dict[str, Any]] = [
    {"name": "greeting", "default": "hi"},
    {"name": "count", "type": "number", "integer": True, "maximum": 9},
    {"name": "pin", "type": "secret"},
    {"name": "where", "type": "server"},
]
OUTPUTS: dict[str, tuple[Any, bool]] = {
    "vpc": ("vpc-123", False),
    "number": (3, False),
    "many": (300, False),
    "host": ("web-1", False),
    "token": (SECRET, True),
    "short": ("abc", True),
    "settings": ({"password": SECRET, "port": 5432}, True),
    "template": ("{{ lookup('pipe', 'id') }}", False),
}


def write_outputs(house: House, outputs: dict[str, tuple[Any, bool]], serial: int = 1) -> None:
    document = {
        "version": 4,
        "terraform_version": "1.11.4",
        "serial": serial,
        "lineage": "one",
        "outputs": {
            name: {"value": value, "type": "string", "sensitive": sensitive}
            for name, (value, sensitive) in outputs.items()
        },
        "resources": [],
    }
    with house.unit():
        project = db.session.scalars(select(TerraformProject)).one()
        state_store.write_state(house.admin, project.uuid, "default", json.dumps(document).encode())


@pytest.fixture
def ready(house: House) -> tuple[int, int]:
    """An approved playbook and a server, and a Terraform project with outputs."""
    server = house.add_server("web-1")
    with house.unit():
        playbook = service_content.upload_playbook(
            house.admin, name="Greet", file_name="site.yml", data=GOOD, variable_specs=SPECS
        )
        service_approval.approve_playbook(house.admin, playbook.id)
        terraform.create_project(house.admin, ProjectInput(name="network one"))
    write_outputs(house, OUTPUTS)
    return playbook.id, server


def launch(house: House, ready: tuple[int, int], actor: Actor | None = None, **values: Any) -> str:
    with house.unit():
        return service.launch_playbook(
            actor or house.admin,
            ready[0],
            selection=Selection(server_ids=(ready[1],)),
            options=LaunchOptions(extra_vars=values),
        ).uuid


@contextmanager
def refused(words: str) -> Iterator[None]:
    """What happens in it is refused with these words beside a field."""
    with pytest.raises(InvalidInput) as caught:
        yield
    said = [text for texts in caught.value.errors.values() for text in texts]
    assert any(words in text for text in said), said


def built(house: House, uuid: str) -> tuple[dict[str, Any], tuple[str, ...]]:
    """What the engine gets: its variables, and what is masked."""
    with house.unit():
        spec = AnsibleKind().build_run(request_for(house, uuid)).spec
        return spec.parameters["extra_vars"], spec.secrets


def test_outputs_reach_the_engine_and_are_never_stored_with_the_job(house: House, ready: tuple[int, int]) -> None:
    given: dict[str, Any] = {"greeting": f"{NETWORK}/vpc", "count": f"{NETWORK}/number", "pin": f"{NETWORK}/token"}
    uuid = launch(house, ready, **given)
    values, masked = built(house, uuid)
    assert values == {"greeting": "vpc-123", "count": 3, "pin": SECRET}
    assert SECRET in masked
    with house.unit():
        rows = [
            *db.session.execute(select(Launch.inputs, Launch.secret_inputs)),
            *db.session.execute(select(Job.extra_vars)),
            *db.session.execute(select(AuditEntry.details)),
        ]
        assert not any(SECRET in str(row) or "vpc-123" in str(row) for row in rows)
        job = db.session.scalars(select(Job)).one()
        assert job.extra_vars == given
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "launch:create")).one()
        assert entry.details is not None and entry.details["references"] == given


def test_the_value_is_the_newest_one_when_the_run_is_built(house: House, ready: tuple[int, int]) -> None:
    uuid = launch(house, ready, greeting=f"{NETWORK}/vpc")
    write_outputs(house, {"vpc": ("vpc-456", False)}, serial=2)
    assert built(house, uuid)[0]["greeting"] == "vpc-456"


def test_a_project_is_found_by_its_uuid_too(house: House, ready: tuple[int, int]) -> None:
    with house.unit():
        uuid = db.session.scalars(select(TerraformProject)).one().uuid
    assert built(house, launch(house, ready, greeting=f"terraform://{uuid}/default/vpc"))[0]["greeting"] == "vpc-123"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        (f"{NETWORK}/nothing", "has no output 'nothing'. It has: host, many"),
        ("terraform://elsewhere/default/vpc", "no Terraform project named 'elsewhere'"),
        ("terraform://network%20one/blue/vpc", "no state in workspace 'blue' yet"),
        ("terraform://network%20one/vpc", "terraform://<project>/<workspace>/<output>"),
        ("terraform://network%20one/../vpc", "no reference to an output"),
        (f"{NETWORK}/{'x' * 500}", "at most 500 characters"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_at_the_launch(
    house: House, ready: tuple[int, int], reference: str, words: str
) -> None:
    with refused(words):
        launch(house, ready, greeting=reference)
    with house.unit():
        assert db.session.scalar(select(Launch.id)) is None


def test_sensitive_outputs_are_for_those_who_may_read_states(house: House, ready: tuple[int, int]) -> None:
    launch(house, ready, house.operator, greeting=f"{NETWORK}/vpc")
    with refused("terraform_state:read"):
        launch(house, ready, house.operator, pin=f"{NETWORK}/token")
    blind = with_scopes(house.admin, "job:launch", "playbook:view", "server:view")
    with refused("no right to see Terraform projects"):
        launch(house, ready, blind, greeting=f"{NETWORK}/vpc")


def test_an_output_that_became_sensitive_after_the_launch_is_not_handed_out(
    house: House, ready: tuple[int, int]
) -> None:
    uuid = launch(house, ready, house.operator, greeting=f"{NETWORK}/vpc")
    write_outputs(house, {"vpc": (SECRET, True)}, serial=2)
    with pytest.raises(PreparationError, match="no right to such values") as caught:
        built(house, uuid)
    assert SECRET not in str(caught.value)


def test_another_tenants_outputs_are_not_there(house: House, neighbour: House, ready: tuple[int, int]) -> None:
    server = neighbour.add_server("theirs")
    with neighbour.unit():
        playbook = service_content.upload_playbook(
            neighbour.admin, name="Greet", file_name="site.yml", data=GOOD, variable_specs=SPECS
        )
        service_approval.approve_playbook(neighbour.admin, playbook.id)
    with refused("no Terraform project"):
        launch(neighbour, (playbook.id, server), greeting=f"{NETWORK}/vpc")
    with neighbour.unit(), pytest.raises(references.ReferenceRefused):
        references.find(neighbour.tenant_id, f"{NETWORK}/vpc", may_be_sensitive=True)


@pytest.mark.parametrize(
    ("name", "output", "words"),
    [
        ("count", "vpc", "count must be a number"),
        ("count", "many", "count must be at most 9"),
        ("greeting", "template", "never templates"),
        ("greeting", "settings", "greeting must be text"),
        ("pin", "short", "at least 8|8 to 4,096"),
        ("where", "vpc", "must name active servers"),
    ],
)
def test_what_does_not_fit_the_declaration_ends_the_run_before_it_begins(
    house: House, ready: tuple[int, int], name: str, output: str, words: str
) -> None:
    uuid = launch(house, ready, None, **{name: f"{NETWORK}/{output}"})
    with pytest.raises(PreparationError, match=words) as caught:
        built(house, uuid)
    assert "Nothing was run." in caught.value.message


def test_a_server_may_be_named_by_an_output(house: House, ready: tuple[int, int]) -> None:
    assert built(house, launch(house, ready, where=f"{NETWORK}/host"))[0]["where"] == "web-1"


def test_texts_inside_a_sensitive_value_are_masked(house: House, ready: tuple[int, int]) -> None:
    with house.unit():
        playbook = service_content.edit_playbook(house.admin, ready[0], {"variables": {"settings": {}}}, version=None)
        service_approval.approve_playbook(house.admin, playbook.id)
    values, masked = built(house, launch(house, ready, settings=f"{NETWORK}/settings"))
    assert values["settings"] == {"password": SECRET, "port": 5432}
    assert masked == (SECRET,)


def test_a_relaunch_looks_up_anew_with_the_rights_of_whoever_relaunches(house: House, ready: tuple[int, int]) -> None:
    uuid = launch(house, ready, greeting=f"{NETWORK}/vpc", pin=f"{NETWORK}/token")
    finish(house, uuid)
    with house.unit():
        again = service.relaunch(house.admin, uuid).uuid
    assert built(house, again)[0]["pin"] == SECRET
    with refused("terraform_state:read"), house.unit():
        service.relaunch(house.operator, uuid)


def saved(house: House, ready: tuple[int, int], actor: Actor, **values: Any) -> str:
    with house.unit():
        return service_saved.create_saved(
            actor,
            SavedInput(
                name="Greet",
                playbook_id=ready[0],
                selection=Selection(server_ids=(ready[1],)),
                extra_vars=values,
                ask=["extra_vars.greeting"],
            ),
        ).uuid


def press(house: House, uuid: str, actor: Actor, **given: Any) -> str:
    with house.unit():
        return service_saved_launch.launch_saved(actor, uuid, {"extra_vars": given} if given else {}).uuid


def test_the_owner_of_a_saved_launch_answers_for_its_references(house: House, ready: tuple[int, int]) -> None:
    uuid = saved(house, ready, house.admin, pin=f"{NETWORK}/token")
    give(house, uuid, GrantAct.LAUNCH, by=house.admin, user_id=house.viewer.user_id)
    assert built(house, press(house, uuid, house.viewer))[0]["pin"] == SECRET
    with refused("no right"):  # their own is their own
        press(house, uuid, house.viewer, greeting=f"{NETWORK}/token")


def test_nobody_saves_a_reference_that_they_may_not_use(house: House, ready: tuple[int, int]) -> None:
    with refused("terraform_state:read"):
        saved(house, ready, house.operator, pin=f"{NETWORK}/token")
    uuid = saved(house, ready, house.admin, greeting=f"{NETWORK}/later")  # what is not there yet may come
    with refused("has no output 'later'"):
        press(house, uuid, house.admin)
    give(house, uuid, GrantAct.EDIT, by=house.admin, user_id=house.operator.user_id)
    with refused("terraform_state:read"), house.unit():
        service_saved.edit_saved(house.operator, uuid, {"extra_vars": {"pin": f"{NETWORK}/token"}})


def test_a_saved_launch_whose_owner_lost_the_right_is_refused(house: House, ready: tuple[int, int]) -> None:
    uuid = saved(house, ready, house.admin, pin=f"{NETWORK}/token")
    with house.unit():
        db.session.execute(text("UPDATE users SET role = 'operator' WHERE id = :id"), {"id": house.admin.user_id})
    with refused("terraform_state:read"):
        press(house, uuid, house.operator)


def test_what_is_offered_is_what_a_workspace_with_a_state_declares(
    app: Flask, house: House, neighbour: House, ready: tuple[int, int]
) -> None:
    with house.unit():
        project = db.session.scalars(select(TerraformProject)).one()
        for name in ("vpc", "token"):
            db.session.add(TerraformOutput(tenant_id=house.tenant_id, project_id=project.id, name=name))
    with house.unit():
        assert references.offered(house.viewer) == [f"{NETWORK}/token", f"{NETWORK}/vpc"]
        assert references.offered(replace(house.admin, scopes=frozenset())) == []
    with neighbour.unit():
        assert references.offered(neighbour.admin) == []


def test_the_forms_take_a_reference_in_place_of_a_value(
    house: House, ready: tuple[int, int], http: Callable[[str], FlaskClient]
) -> None:
    with house.unit():
        project = db.session.scalars(select(TerraformProject)).one()
        db.session.add(TerraformOutput(tenant_id=house.tenant_id, project_id=project.id, name="vpc"))
    admin, path = http("admin"), f"/playbooks/{ready[0]}/launch"
    assert f'<option value="{NETWORK}/vpc">'.encode() in admin.get(path).data
    typed = {"server_ids": str(ready[1]), "var_greeting": "hi", "ref_greeting": f"{NETWORK}/vpc"}
    wrong = admin.post(path, data={**typed, "ref_count": f"{NETWORK}/nothing"})
    assert wrong.status_code == 422
    assert b"has no output" in wrong.data
    assert f'value="{NETWORK}/vpc"'.encode() in wrong.data
    made = admin.post(path, data={**typed, "ref_pin": f"{NETWORK}/token"})
    assert made.status_code == 303, made.data
    uuid = made.location.rsplit("/", 1)[-1]
    assert built(house, uuid)[0] == {"greeting": "vpc-123", "pin": SECRET}
    with house.unit():
        words = inputs_in_words(service.get_launch(house.admin, uuid))
    assert [value for name, value in words if name == "pin"] == [f"{NETWORK}/token"]
    finish(house, uuid)
    again = admin.get(f"/launches/{uuid}/relaunch/edit").data
    assert f'value="{NETWORK}/token"'.encode() in again and SECRET.encode() not in again
    form = {**typed, "playbook_id": ready[0], "name": "Nightly", "ref_pin": f"{NETWORK}/token"}
    kept = admin.post("/saved-launches/new", data=form)
    assert kept.status_code == 303, kept.data
    with house.unit():
        row = db.session.scalars(select(SavedLaunch)).one()
        assert row.variables == {"greeting": f"{NETWORK}/vpc", "pin": f"{NETWORK}/token"}
        assert row.secret_names is None
    assert f'value="{NETWORK}/vpc"'.encode() in admin.get(f"{kept.location}/edit").data
