"""Status of declared resources: what an execution sets out to do, and what the state says once it has ended."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform.configuration_work import read_configuration
from app.terraform.models_configuration import ResourceStatus, TerraformResource
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_files import TerraformRevision
from app.terraform.models_state import TerraformStateFile
from app.terraform.resource_status import TRANSITIONS, declared_address
from tests import factories
from tests.terraform.house import Workshop

TWO = """
resource "terraform_data" "a" {{}}
resource "terraform_data" "b" {{
  count      = 2
  depends_on = [terraform_data.a]
  provisioner "local-exec" {{ command = "{command}" }}
}}
"""


def declared(workshop: Workshop, command: str = "true") -> None:
    """Write the configuration, and read what it declares."""
    workshop.write(TWO.format(command=command))
    read_configuration(max(row.id for row in factories.rows(TerraformRevision)))


def statuses() -> dict[str, str]:
    return {row.terraform_address: row.status.value for row in factories.rows(TerraformResource)}


@pytest.mark.database
def test_resources_are_planned_applied_created_and_destroyed(workshop: Workshop) -> None:
    declared(workshop)
    asked = workshop.ask()
    assert set(statuses().values()) == {"planning"}
    plan = workshop.ended(asked)
    assert set(statuses().values()) == {"unknown"}, "a plan makes nothing"
    apply = workshop.call("POST", f"/executions/{plan['id']}/apply", 202, json={})
    assert set(statuses().values()) == {"applying"}
    assert workshop.ended(apply)["status"] == "success"
    assert statuses() == {"terraform_data.a": "created", "terraform_data.b": "created"}
    assert all(row.state_id for row in factories.rows(TerraformResource))
    workshop.plan(is_speculative=True)
    assert set(statuses().values()) == {"created"}
    workshop.apply(workshop.plan(is_destroy=True))
    assert set(statuses().values()) == {"destroyed"}


@pytest.mark.database
def test_what_fails_is_an_error_and_what_never_began_comes_back(workshop: Workshop) -> None:
    declared(workshop, command="false")
    failed = workshop.apply(workshop.plan())
    assert failed["status"] == "failed"
    assert statuses() == {"terraform_data.a": "created", "terraform_data.b": "error"}
    declared(workshop, command="true")
    made = workshop.call("POST", f"/executions/{workshop.plan()['id']}/apply", 202, json={})
    assert statuses()["terraform_data.b"] == "updating"
    headers = factories.bearer(workshop.key)
    workshop.app.test_client().post(f"/api/v1/jobs/{made['job_id']}/cancel", headers=headers)
    workshop.work()
    assert not set(statuses().values()) & {"planning", "applying", "updating"}


@pytest.mark.database
def test_a_state_that_cannot_be_opened_holds_up_no_review(workshop: Workshop) -> None:
    declared(workshop)
    workshop.apply(workshop.plan())
    for row in factories.rows(TerraformStateFile):
        factories.set_columns(TerraformStateFile, row.id, state_data="v1.nobody.has.this.key")
    workshop.write("# nothing is declared any more\n")
    asked = workshop.ask(is_speculative=False)
    assert workshop.ended(asked)["status"] == "failed", "terraform itself cannot read the state"
    with factories.context(), system_scope("test"), unit_of_work(writes=False):
        due = db.session.scalars(select(TerraformExecution).where(TerraformExecution.followed_at.is_(None))).all()
    assert due == []


KEYS = st.one_of(st.integers(0, 99).map(str), st.text(max_size=6).map(lambda t: f'"{t.replace(chr(34), "")}"'))
NAMES = st.lists(st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True), min_size=2, max_size=5)


@given(names=NAMES, keys=st.lists(KEYS, min_size=5, max_size=5))
def test_the_declared_address_is_the_one_without_any_key(names: list[str], keys: list[str]) -> None:
    address = ".".join(f"{name}[{key}]" for name, key in zip(names, keys, strict=False))
    assert declared_address(address) == ".".join(names)
    assert declared_address(".".join(names)) == ".".join(names)


@given(path=st.lists(st.sampled_from(list(ResourceStatus)), min_size=2, max_size=8))
def test_nothing_stays_on_its_way_and_everything_can_be_brought_back(path: list[ResourceStatus]) -> None:
    resting = {ResourceStatus.CREATED, ResourceStatus.DESTROYED, ResourceStatus.ERROR, ResourceStatus.UNKNOWN}
    for before, after in pairwise(path):
        if after not in TRANSITIONS[before]:
            break
        if after not in resting:
            assert resting <= TRANSITIONS[after], "whatever an execution set, its end can set anything at rest"
