"""The state backend: versions, locks, refusals; encrypted, audited, of one tenant."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from app.audit.models import AuditEntry
from app.core.actor import Role
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.terraform.models_state import TerraformStateChunk, TerraformStateFile
from tests import factories
from tests.factories import bearer
from tests.terraform.conftest import LINEAGE, Backend, state_of

pytestmark = pytest.mark.database
SECRET = "a-password-that-nobody-may-see"
BIG = 50_000_000


def events(app: Flask) -> list[str]:
    return [entry.event for entry in factories.rows(AuditEntry) if entry.event.startswith("terraform_state")]


def test_a_state_comes_back_byte_by_byte_and_each_write_is_a_version(backend: Backend) -> None:
    assert backend.ask("GET").status_code == 404
    first, second = state_of(1, "a"), state_of(2, "a", "b")
    assert backend.ask("POST", first).status_code == 200
    assert backend.ask("POST", second).status_code == 200
    assert backend.ask("GET").data == second
    versions = backend.api("GET", "/workspaces/default/versions").json
    assert [(row["version"], row["serial"], row["resources_count"], row["source"]) for row in versions] == [
        (2, 2, 2, "cli"),
        (1, 1, 1, "cli"),
    ]
    assert backend.api("GET", "/workspaces/default/versions/1/content").data == first
    shown = backend.api("GET", "/workspaces/default").json
    assert (shown["serial"], shown["lineage"], shown["resources_count"]) == (2, LINEAGE, 2)
    assert shown["state_file_hash"] == hashlib.sha256(second).hexdigest()


def test_the_same_bytes_again_are_no_new_version(backend: Backend) -> None:
    for _ in range(2):
        assert backend.ask("POST", state_of(1, "a")).status_code == 200
    assert len(backend.api("GET", "/workspaces/default/versions").json) == 1


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (state_of(3, "a"), "stale_serial"),  # another content under a serial that is taken
        (state_of(2, "b"), "stale_serial"),
        (state_of(9, "b", lineage="another"), "wrong_lineage"),
    ],
)
def test_what_does_not_follow_the_newest_is_refused_and_changes_nothing(
    backend: Backend, data: bytes, error: str
) -> None:
    backend.ask("POST", state_of(3, "a", "b"))
    refused = backend.ask("POST", data)
    assert (refused.status_code, refused.json["error"]) == (409, error)
    assert backend.ask("GET").data == state_of(3, "a", "b")


@pytest.mark.parametrize(
    "data",
    [
        b"", b"nothing", b"[]", b'{"version": 3}', b"[" * 100_000,
        state_of(1).replace(b'"serial": 1', b'"serial": -1'),
        state_of(1).replace(b'"serial": 1', b'"serial": true'),
        state_of(1).replace(LINEAGE.encode(), b""),
        state_of(1).replace(b'"resources": []', b'"resources": [1]'),
        state_of(1).replace(b"1.11.4", b"1" * 30),
    ],
)  # fmt: skip
def test_what_is_no_state_is_refused_with_advice(backend: Backend, data: bytes) -> None:
    refused = backend.ask("POST", data)
    assert refused.status_code == 422, refused.data
    assert refused.json["message"]
    assert backend.ask("GET").status_code == 404


def test_bytes_that_were_cut_on_their_way_are_refused(backend: Backend) -> None:
    data = state_of(1, "a")
    basic = base64.b64encode(f"x:{backend.key}".encode()).decode()
    digest = base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode()
    headers = {"Authorization": f"Basic {basic}", "Content-MD5": digest}
    client = backend.app.test_client()
    assert client.post(backend.path, data=data[:-5] + b"     ", headers=headers).status_code == 422
    assert client.post(backend.path, data=data, headers=headers).status_code == 200


def test_the_lock_is_one_holders_who_alone_writes_and_gives_it_back(backend: Backend) -> None:
    assert backend.lock("one").status_code == 200
    assert backend.lock("one").status_code == 200  # the answer was lost, and it asks again
    refused = backend.lock("two", "eve@desk")
    assert refused.status_code == 423
    assert (refused.json["ID"], refused.json["Who"]) == ("one", "ada (ada@laptop)")  # the holder, not who asks
    assert backend.ask("POST", state_of(1, "a")).status_code == 423
    assert backend.ask("POST", state_of(1, "a"), ID="two").status_code == 423
    assert backend.ask("POST", state_of(1, "a"), ID="one").status_code == 200
    shown = backend.api("GET", "/workspaces/default").json["lock"]
    assert (shown["lock_id"], shown["who"], shown["operation"]) == ("one", "ada (ada@laptop)", "apply")
    assert backend.unlock("two").status_code == 423
    assert backend.unlock("one").status_code == 200
    assert backend.unlock("one").status_code == 200
    assert backend.api("GET", "/workspaces/default").json["lock"] is None


def test_a_write_whose_lock_was_taken_away_is_refused(backend: Backend) -> None:
    backend.lock("one")
    assert backend.ask("UNLOCK").status_code == 200  # as 'terraform force-unlock' does: no body
    refused = backend.ask("POST", state_of(1, "a"), ID="one")
    assert (refused.status_code, refused.json["error"]) == (409, "lock_lost")
    assert "terraform_state:force_unlock" in events(backend.app)


def test_locks_taken_at_the_same_moment_have_one_holder(backend: Backend) -> None:
    answers: list[int] = []
    start = threading.Barrier(4)

    def take(number: int) -> None:
        start.wait()
        answers.append(backend.lock(f"lock-{number}").status_code)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 423, 423, 423]


def test_writes_at_the_same_moment_leave_one_line_of_versions(backend: Backend) -> None:
    answers: list[int] = []
    start = threading.Barrier(4)

    def write(number: int) -> None:
        start.wait()
        answers.append(backend.ask("POST", state_of(1, f"n{number}")).status_code)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409]
    assert len(backend.api("GET", "/workspaces/default/versions").json) == 1


def test_an_older_version_is_put_back_as_a_new_one_with_a_higher_serial(backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    backend.ask("POST", state_of(7, "b"))
    made = backend.api("POST", "/workspaces/default/versions/1/restore")
    assert (made.status_code, made.json["version"], made.json["serial"], made.json["source"]) == (201, 3, 8, "restore")
    now = json.loads(backend.ask("GET").data)
    assert (now["serial"], now["lineage"], now["resources"][0]["name"]) == (8, LINEAGE, "a")
    backend.lock("x")
    assert backend.api("POST", "/workspaces/default/versions/1/restore").status_code == 423


def test_differences_name_addresses_and_hide_what_is_sensitive(backend: Backend) -> None:
    before = json.loads(state_of(1, "gone", "same", "changed", size=1, password=SECRET))
    after = json.loads(state_of(2, "same", "changed", "new", size=2, password=f"{SECRET}2"))
    for state in (before, after):
        for resource in state["resources"]:
            resource["instances"][0]["sensitive_attributes"] = [[{"type": "get_attr", "value": "password"}]]
            if resource["name"] == "same":
                resource["instances"][0]["attributes"] = {"id": "same"}
    backend.ask("POST", json.dumps(before).encode())
    backend.ask("POST", json.dumps(after).encode())
    answer = backend.api("GET", "/workspaces/default/differences?before=1&after=2")
    found = {row["address"]: (row["kind"], row["attributes"]) for row in answer.json}
    assert found == {
        "terraform_data.gone": ("removed", {}),
        "terraform_data.new": ("added", {}),
        "terraform_data.changed": (
            "changed",
            {"size": [1, 2], "password": ["(sensitive value)", "(sensitive value)"]},
        ),
    }
    assert SECRET not in answer.get_data(as_text=True)


def test_an_empty_state_can_be_forgotten_and_one_with_resources_not(backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    assert backend.ask("DELETE").json["error"] == "has_resources"
    backend.ask("POST", state_of(2))
    assert backend.ask("DELETE").status_code == 200
    assert backend.ask("GET").status_code == 404
    assert backend.ask("POST", state_of(1, "b", lineage="another")).status_code == 200
    assert [row["version"] for row in backend.api("GET", "/workspaces/default/versions").json] == [3, 2, 1]


def test_states_are_encrypted_and_compressed_and_a_large_one_is_kept_in_pieces(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.terraform.state_bytes.PIECE_BYTES", 100)
    data = state_of(1, "a", password=SECRET, text="x" * 100_000)
    assert backend.ask("POST", data).status_code == 200
    assert backend.ask("GET").data == data
    with factories.context(), system_scope("test"), unit_of_work(writes=False):
        pieces = db.session.scalars(select(TerraformStateChunk.data).order_by(TerraformStateChunk.piece)).all()
        wrapped = db.session.scalars(select(TerraformStateFile.state_data)).one()
    assert len(pieces) > 1
    assert len(b"".join(pieces)) < 2_000
    assert SECRET.encode() not in b"".join(pieces)
    assert wrapped.startswith("v1.")


def test_every_reading_and_writing_leaves_an_entry(backend: Backend) -> None:
    backend.lock("one")
    backend.ask("POST", state_of(1, "a"), ID="one")
    backend.ask("GET")
    backend.api("GET", "/workspaces/default/versions/1/content")
    backend.unlock("one")
    assert events(backend.app) == [
        "terraform_state:lock",
        "terraform_state:write",
        "terraform_state:read",
        "terraform_state:read",
        "terraform_state:unlock",
    ]
    assert SECRET not in str([entry.details for entry in factories.rows(AuditEntry)])


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR])
def test_other_roles_see_that_there_is_a_state_and_nothing_of_it(
    backend: Backend, as_other: Callable[..., Backend], role: Role
) -> None:
    backend.ask("POST", state_of(1, "a"))
    other = as_other(role)
    assert other.api("GET", "/workspaces/default").json["serial"] == 1
    for method in ("GET", "POST", "DELETE", "LOCK", "UNLOCK"):
        data = b'{"ID": "x"}' if method in ("LOCK", "UNLOCK") else state_of(2, "b")
        assert other.ask(method, data).status_code == 403, method
    assert other.api("GET", "/workspaces/default/versions/1/content").status_code == 403
    assert other.api("POST", "/workspaces/default/versions/1/restore").status_code == 403
    assert other.api("POST", "/workspaces/default/unlock").status_code == 403


def test_who_may_write_may_not_take_anothers_lock_away(backend: Backend, as_other: Callable[..., Backend]) -> None:
    backend.lock("one")
    narrow = as_other(Role.ADMIN, scopes=["terraform_state:read", "terraform_state:lock", "terraform_state:write"])
    assert narrow.ask("UNLOCK").status_code == 403
    assert narrow.unlock("another").status_code == 423
    assert backend.api("POST", "/workspaces/default/unlock").status_code == 204


def test_another_tenant_finds_no_project(backend: Backend, as_other: Callable[..., Backend]) -> None:
    backend.ask("POST", state_of(1, "a"))
    stranger = as_other(Role.ADMIN, elsewhere=True)
    for method in ("GET", "POST", "DELETE", "LOCK", "UNLOCK"):
        data = b'{"ID": "x"}' if method in ("LOCK", "UNLOCK") else state_of(2, "b")
        assert stranger.ask(method, data).status_code == 404, method
    assert stranger.api("GET", "/workspaces/default").status_code == 404


def test_without_a_key_or_with_one_that_is_wrong_nobody_gets_in(backend: Backend) -> None:
    client = backend.app.test_client()
    assert client.get(backend.path).status_code == 401
    for text in ("Basic !!!", f"Basic {base64.b64encode(b'no colon').decode()}", "Basic w7w=", "Digest x"):
        assert client.get(backend.path, headers={"Authorization": text}).status_code == 401
    assert client.get(backend.path, headers=bearer(backend.key)).status_code == 404  # a bearer is as good
    basic = base64.b64encode(f"x:{backend.key}".encode()).decode()
    assert client.get("/api/v1/me", headers={"Authorization": f"Basic {basic}"}).status_code == 401


@pytest.mark.parametrize("workspace", ["a b", ".x", "x" * 91, "ä", "a%2fb"])
def test_names_that_no_workspace_can_have_are_refused(backend: Backend, workspace: str) -> None:
    backend.workspace = workspace
    assert backend.ask("GET").status_code in (404, 422)
    assert backend.ask("POST", state_of(1)).status_code in (404, 422)


def test_a_project_out_of_use_gives_no_state_and_takes_none(backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    assert backend.api("PATCH", json={"is_active": False}).status_code == 200
    assert backend.ask("GET").status_code == 404
    assert backend.ask("POST", state_of(2, "a")).status_code == 404
    assert backend.api("PATCH", json={"is_active": True}).status_code == 200
    assert backend.ask("GET").data == state_of(1, "a")


def test_a_state_over_the_limit_is_refused_and_one_of_50_mb_is_not(backend: Backend) -> None:
    large = state_of(1, "a", text="x" * BIG)
    assert backend.ask("POST", large).status_code == 200
    assert hashlib.sha256(backend.ask("GET").data).digest() == hashlib.sha256(large).digest()
    assert backend.ask("POST", state_of(2, "a", text="x" * 105_000_000)).status_code == 413
    with factories.context(), system_scope("test"), unit_of_work(writes=False):
        assert db.session.scalar(select(func.count(TerraformStateFile.id))) == 1


def test_sensitive_outputs_are_hidden_unless_somebody_with_the_right_asks(
    backend: Backend, as_other: Callable[..., Backend]
) -> None:
    state = json.loads(state_of(1, "a"))
    state["outputs"] = {
        "address": {"value": "192.0.2.1", "type": "string"},
        "password": {"value": "planted-output-77", "type": "string", "sensitive": True},
    }
    assert backend.ask("POST", json.dumps(state).encode()).status_code == 200
    path = "/workspaces/default/outputs"
    seen = {row["name"]: row["value"] for row in as_other(Role.VIEWER).api("GET", path).json}
    assert seen == {"address": "192.0.2.1", "password": "(sensitive value)"}
    assert as_other(Role.OPERATOR).api("GET", f"{path}?sensitive=true").status_code == 403
    before = len(factories.rows(AuditEntry))
    told = {row["name"]: row["value"] for row in backend.api("GET", f"{path}?sensitive=true").json}
    assert told["password"] == "planted-output-77"
    assert len(factories.rows(AuditEntry)) == before + 1
    assert backend.api("GET", "/workspaces/nowhere/outputs").json == []


def test_a_state_that_no_master_key_opens_is_refused_with_what_to_do(backend: Backend) -> None:
    backend.ask("POST", state_of(1, "a"))
    (row,) = factories.rows(TerraformStateFile)
    factories.set_columns(TerraformStateFile, row.id, state_data="v1.nobody.has.this.key")
    for answer in (backend.ask("GET"), backend.api("GET", "/workspaces/default/outputs")):
        assert answer.status_code == 409 and answer.json and answer.json["error"] == "state_unreadable"
        assert "master key" in answer.json["message"]
