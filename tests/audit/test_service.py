"""Entries are part of the change they describe."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from app.accounts.models import Tenant
from app.audit.chain import ENTRIES, HEADS, AuditError, audit_keys
from app.audit.service import Resource, record, record_refusal
from app.core.actor import Actor
from app.core.db import UnitOfWorkError, db, unit_of_work
from app.core.tenancy import TenancyError, tenant_scope
from tests.audit.conftest import MakeTenant

pytestmark = pytest.mark.database


def entries(tenant_id: int) -> list[dict[str, Any]]:
    with unit_of_work(writes=False) as session:
        found = session.connection().execute(
            select(ENTRIES).where(ENTRIES.c.tenant_id == tenant_id).order_by(ENTRIES.c.seq)
        )
        return [dict(row) for row in found.mappings()]


def test_an_entry_holds_who_what_where_and_when(actor: Actor) -> None:
    with unit_of_work():
        record(actor, "server:update", Resource("server", 5, "u-5"), details={"hostname": ["a", "b"]})
    (entry,) = entries(actor.tenant_id)
    assert entry["seq"] == 1
    assert (entry["action"], entry["event"], entry["outcome"]) == ("UPDATE", "server:update", "success")
    assert (entry["resource_type"], entry["resource_id"], entry["resource_uuid"]) == ("server", 5, "u-5")
    assert (entry["user_id"], entry["via"], entry["ip_address"]) == (7, "session", "192.0.2.7")
    assert entry["details"] == {"hostname": ["a", "b"]}
    assert entry["timestamp"].tzinfo is not None


def test_each_entry_is_bound_to_the_one_before_it_and_the_head_to_the_last(actor: Actor) -> None:
    for name in ("first", "second"):
        with unit_of_work():
            record(actor, "server:create", Resource("server", 1), details={"name": name, "ports": [22, 80], "a": None})
            record(actor, "server:create", Resource("server", 2), details={"ü": {"z": 1, "a": True}})
    rows = entries(actor.tenant_id)
    assert [row["seq"] for row in rows] == [1, 2, 3, 4]
    previous = bytes(32)
    for row in rows:
        assert row["prev_hash"] == previous
        assert audit_keys().link(previous, row) == row["hash"]
        previous = row["hash"]
    with unit_of_work(writes=False) as session:
        head = session.connection().execute(select(HEADS).where(HEADS.c.tenant_id == actor.tenant_id)).one()
    assert (head.seq, head.hash) == (4, previous)


def test_a_rollback_takes_the_entry_along_and_leaves_no_gap(actor: Actor) -> None:
    with pytest.raises(ZeroDivisionError), unit_of_work():
        record(actor, "server:create", Resource("server", 1))
        raise ZeroDivisionError
    with unit_of_work():
        record(actor, "server:create", Resource("server", 2))
    assert [(row["seq"], row["resource_id"]) for row in entries(actor.tenant_id)] == [(1, 2)]


def test_the_change_is_undone_when_its_entry_cannot_be_written(actor: Actor, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_args: object) -> None:
        raise AuditError("no")

    monkeypatch.setattr("app.audit.chain.append", broken)
    with pytest.raises(AuditError), unit_of_work() as session:
        session.execute(update(Tenant).where(Tenant.id == actor.tenant_id).values(name="changed"))
        record(actor, "tenant:update", Resource("tenant", actor.tenant_id))
    with unit_of_work(writes=False) as session:
        assert session.scalar(select(Tenant.name).where(Tenant.id == actor.tenant_id)) == "alpha"


def test_each_tenant_has_a_chain_of_its_own(actor: Actor, make_tenant: MakeTenant) -> None:
    other = make_tenant("beta")
    with unit_of_work():
        record(other, "server:create", Resource("server", 1))
        record(actor, "server:create", Resource("server", 2))
        record(other, "server:create", Resource("server", 3))
    assert [row["seq"] for row in entries(actor.tenant_id)] == [1]
    assert [row["seq"] for row in entries(other.tenant_id)] == [1, 2]


def test_a_refusal_outlives_the_rollback_of_what_was_refused(actor: Actor) -> None:
    with pytest.raises(PermissionError), unit_of_work():
        record(actor, "server:delete", Resource("server", 1))
        raise PermissionError
    record_refusal(actor, "server:delete", Resource("server", 1))
    (entry,) = entries(actor.tenant_id)
    assert (entry["action"], entry["event"], entry["outcome"]) == ("REFUSED", "server:delete", "refused")


def test_a_refusal_inside_an_open_unit_is_a_programming_error(actor: Actor) -> None:
    with pytest.raises(UnitOfWorkError), unit_of_work():
        record_refusal(actor, "server:delete", Resource("server", 1))


def test_recording_where_nothing_is_written_is_a_programming_error(actor: Actor) -> None:
    with pytest.raises(AuditError, match="only reads"), unit_of_work(writes=False):
        record(actor, "server:update", Resource("server", 1))
    with pytest.raises(AuditError, match="open unit of work"):
        record(actor, "server:update", Resource("server", 1))


def test_an_entry_of_another_tenant_than_the_scope_is_refused(actor: Actor, make_tenant: MakeTenant) -> None:
    other = make_tenant("beta")
    with pytest.raises(TenancyError), tenant_scope(actor.tenant_id), unit_of_work():
        record(other, "server:update", Resource("server", 1))


@pytest.mark.parametrize("event", ["update", "Server:update", "server:", "server:update:x", "s:" + "u" * 100])
def test_an_event_is_subject_and_verb(actor: Actor, event: str) -> None:
    with pytest.raises(AuditError, match="no event"), unit_of_work():
        record(actor, event, Resource("server", 1))


def test_what_comes_from_outside_is_cut_to_its_column(actor: Actor) -> None:
    from dataclasses import replace

    loud = replace(actor, user_agent="x" * 1000, request_id="r" * 99, ip_address="i" * 99, api_key_prefix="k" * 99)
    with unit_of_work():
        record(loud, "user:sign_in", Resource("user"), details={"note": "\ud800"})
    (entry,) = entries(actor.tenant_id)
    assert [len(entry[name]) for name in ("user_agent", "request_id", "ip_address", "api_key_prefix")] == [
        255,
        36,
        45,
        16,
    ]
    assert entry["action"] == "LOGIN"
    assert entry["details"] == {"note": "?"}


def test_an_entry_after_the_last_statements_is_a_programming_error(actor: Actor) -> None:
    from app.core.db import before_commit

    with pytest.raises(AuditError, match="after"), unit_of_work():
        record(actor, "server:update", Resource("server", 1))
        before_commit("late", lambda: record(actor, "server:update", Resource("server", 2)))
    assert entries(actor.tenant_id) == []
    assert not db.session().info
