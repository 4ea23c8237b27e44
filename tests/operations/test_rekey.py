"""A new master key: what is older stays readable, is brought over, and then needs the old key no more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from flask import Flask
from pydantic import SecretStr

from app.cli.operations import rewrap_command
from app.core import runtime
from app.core.actor import Role
from app.operations import rekey
from app.operations.rekey import SEALED, rewrap
from app.terraform.models_state import TerraformState, TerraformStateFile
from tests import factories
from tests.terraform.conftest import Backend, state_of
from tests.terraform.elsewhere import SECRET

pytestmark = pytest.mark.database
OLD, NEW = "an-old-master-key-of-thirty-two-characters", "a-new-master-key-of-thirty-two-characters-"


@pytest.fixture
def use_keys(app: Flask) -> Iterator[Callable[..., None]]:
    """Give the platform these master keys, the first of them for writing."""
    before = runtime.settings()

    def use(*keys: str) -> None:
        runtime.configure(before.model_copy(update={"master_key": SecretStr("\n".join(keys))}))

    yield use
    runtime.configure(before)


@pytest.fixture
def backend(app: Flask, use_keys: Callable[..., None]) -> Backend:
    """A project whose secrets are under the old key."""
    use_keys(OLD)
    key = factories.make_key(factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="ada"))
    made = app.test_client().post("/api/v1/terraform/projects", json={"name": "network"}, headers=factories.bearer(key))
    return Backend(app, key, made.json["id"])


def totals() -> tuple[int, int]:
    """Rewrap; how many were rewritten, and how many nobody can read."""
    with factories.context():
        found = list(rewrap())
    assert [one.column for one in found] == list(SEALED)
    return sum(one.done for one in found), sum(one.lost for one in found)


def test_versions_of_states_stay_readable_with_a_new_key_and_need_only_it_afterwards(
    backend: Backend, use_keys: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rekey, "BATCH", 2)
    older = [state_of(serial, "a", password=SECRET) for serial in range(1, 6)]
    for state in older:
        assert backend.ask("POST", state).status_code == 200
    config = {"bucket": "acme", "key": "a", "access_key": "planted-access", "secret_key": "planted-secret"}
    told = {"workspace": "shop", "backend": "s3", "backend_config": config}
    assert backend.api("POST", "/workspaces", json=told).status_code == 201
    backend.api("PUT", "/environment/AWS_ACCESS_KEY_ID", json={"value": "planted-environment"})
    bytes_before = factories.rows(TerraformStateFile)
    use_keys(NEW, OLD)
    newest = state_of(6, "a", password=SECRET)
    assert backend.ask("POST", newest).status_code == 200

    def readable() -> bool:
        paths = [f"/workspaces/default/versions/{number}/content" for number in range(1, 7)]
        return [backend.api("GET", path).data for path in paths] == [*older, newest]

    assert readable()
    assert totals() == (7, 0), "five versions, a configuration, an environment variable"
    assert totals() == (0, 0), "nothing is left to do"
    use_keys(NEW)
    assert readable()
    assert backend.api("GET", "/workspaces/shop/backend").json["secrets"] == ["access_key", "secret_key"]
    assert [row.sha256 for row in factories.rows(TerraformStateFile)][:5] == [row.sha256 for row in bytes_before]
    use_keys(OLD)
    assert backend.ask("GET").json["error"] == "state_unreadable"


def test_what_no_key_opens_is_counted_and_left_as_it_is(backend: Backend, use_keys: Callable[..., None]) -> None:
    backend.ask("POST", state_of(1, "a"))
    before = [row.uuid for row in factories.rows(TerraformState)]
    use_keys(NEW)
    assert totals() == (0, 1)

    def command() -> Result:
        with factories.context():
            return CliRunner().invoke(rewrap_command)

    stopped = command()
    assert stopped.exit_code == 1 and "Add the key that they were written with" in stopped.output
    use_keys(NEW, OLD)
    done = command()
    assert done.exit_code == 0 and "terraform_state_files.state_data: 1 rewritten" in done.output
    assert [row.uuid for row in factories.rows(TerraformState)] == before


def test_everything_that_the_code_encrypts_is_brought_over() -> None:
    found: set[tuple[str, str]] = set()
    for path in Path("app").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        found |= set(re.findall(r'f"([a-z_]+)\|([a-z_]+)\|\{', text))
        if "|credential_secret|" in text:
            found |= {("playbook_projects", "credential_secret"), ("terraform_projects", "credential_secret")}
    assert found == {(one.table, one.column) for one in SEALED}
    assert all(isinstance(one, rekey.SealedColumn) for one in SEALED)
