"""Whatever an intruder does to the stored log, the walk names the first bad entry and how it is bad."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select, text

from app.audit.anchor import anchor_heads, read_anchors
from app.audit.chain import ENTRIES
from app.audit.models import AuditVerification
from app.audit.service import Resource, record
from app.audit.verify import Verification, store_verification, verify_chain
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.runtime import settings
from app.core.tenancy import tenant_scope
from tests.audit.conftest import MakeTenant
from tests.audit.intruder import intruder
from tests.support.databases import TestDatabase

pytestmark = pytest.mark.database
Act = Callable[[Connection, int], None]


def fill(actor: Actor, number: int) -> None:
    with unit_of_work():
        for place in range(number):
            record(
                actor,
                "server:update",
                Resource("server", place, f"uuid-{place}"),
                details={"zeta": [place, "é"], "alpha": {"nested": True, "b": None}, "n": 2**62},
            )


def verify(actor: Actor) -> Verification:
    with unit_of_work(writes=False):
        return verify_chain(actor.tenant_id)


def tamper(database: TestDatabase, actor: Actor, *statements: str) -> None:
    with intruder(database) as connection:
        for statement in statements:
            connection.execute(text(statement), {"t": actor.tenant_id} if ":t" in statement else {})


def assert_bad(result: Verification, seq: int | None, kind: str) -> None:
    assert result.finding is not None, result.message
    assert (result.finding.seq, result.finding.kind) == (seq, kind), result.message
    assert not result.is_intact


def test_an_untouched_chain_is_intact_over_several_chunks(
    actor: Actor, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.audit.verify.CHUNK", 4)
    fill(make_tenant("beta"), 3)
    fill(actor, 12)
    result = verify(actor)
    assert result.is_intact, result.message
    assert result.entries == 12


def test_a_tenant_without_entries_is_intact(actor: Actor) -> None:
    assert verify(actor).is_intact


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE audit_logs SET action = 'DELETE' WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET user_id = NULL WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET ip_address = '192.0.2.8' WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET details = '{}' WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET outcome = 'failed' WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET timestamp = '2020-01-01 00:00:00.000001' WHERE tenant_id = :t AND seq = 4",
        "UPDATE audit_logs SET resource_uuid = 'uuid-4' WHERE tenant_id = :t AND seq = 4",
    ],
)
def test_one_changed_value_is_found(database: TestDatabase, actor: Actor, change: str) -> None:
    fill(actor, 7)
    tamper(database, actor, change)
    assert_bad(verify(actor), 4, "changed")


def test_a_deleted_entry_is_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 7)
    tamper(database, actor, "DELETE FROM audit_logs WHERE tenant_id = :t AND seq IN (3, 4)")
    result = verify(actor)
    assert_bad(result, 3, "missing")
    assert "3 to 4" in result.message


def test_two_swapped_entries_are_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 7)
    move = "UPDATE audit_logs SET seq = {to} WHERE tenant_id = :t AND seq = {at}"
    tamper(database, actor, *(move.format(at=at, to=to) for at, to in ((3, 99), (5, 3), (99, 5))))
    result = verify(actor)
    assert_bad(result, 3, "swapped")
    assert "number 5 once" in result.message


def _copy_of(connection: Connection, tenant_id: int, seq: int) -> dict[str, object]:
    found = connection.execute(select(ENTRIES).where(ENTRIES.c.tenant_id == tenant_id, ENTRIES.c.seq == seq))
    row = dict(found.mappings().one())
    row.pop("id")
    return row


def test_an_inserted_entry_is_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 5)
    with intruder(database) as connection:
        forged = _copy_of(connection, actor.tenant_id, 3) | {"resource_id": 666}
        for seq in (5, 4, 3):
            connection.execute(
                text("UPDATE audit_logs SET seq = seq + 1 WHERE tenant_id = :t AND seq = :s"),
                {"t": actor.tenant_id, "s": seq},
            )
        connection.execute(insert(ENTRIES), [forged])
        connection.execute(text("UPDATE audit_heads SET seq = 6 WHERE tenant_id = :t"), {"t": actor.tenant_id})
    assert_bad(verify(actor), 3, "inserted")


def test_an_entry_after_the_head_is_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 5)
    with intruder(database) as connection:
        connection.execute(insert(ENTRIES), [_copy_of(connection, actor.tenant_id, 5) | {"seq": 6}])
    assert_bad(verify(actor), 6, "inserted")


def test_a_cut_tail_is_found_by_the_head(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 7)
    tamper(database, actor, "DELETE FROM audit_logs WHERE tenant_id = :t AND seq > 4")
    assert_bad(verify(actor), 5, "tail_missing")


def test_a_tail_cut_together_with_the_head_is_found_by_the_anchor(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 7)
    assert anchor_heads() == 1
    with intruder(database) as connection:
        last = _copy_of(connection, actor.tenant_id, 4)
        connection.execute(text("DELETE FROM audit_logs WHERE tenant_id = :t AND seq > 4"), {"t": actor.tenant_id})
        connection.execute(
            text("UPDATE audit_heads SET seq = 4, hash = :h WHERE tenant_id = :t"),
            {"t": actor.tenant_id, "h": last["hash"]},
        )
    result = verify(actor)
    assert_bad(result, 5, "tail_missing")
    assert "anchor file says 7" in result.message


def test_a_log_emptied_with_its_head_is_found_by_the_anchor(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 3)
    anchor_heads()
    tamper(
        database,
        actor,
        "DELETE FROM audit_logs WHERE tenant_id = :t",
        "DELETE FROM audit_heads WHERE tenant_id = :t",
    )
    assert_bad(verify(actor), 1, "tail_missing")


def test_a_changed_head_is_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 3)
    with intruder(database) as connection:
        connection.execute(
            text("UPDATE audit_heads SET hash = :h WHERE tenant_id = :t"), {"t": actor.tenant_id, "h": bytes(32)}
        )
    assert_bad(verify(actor), None, "head")


def test_a_missing_head_is_found(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 3)
    tamper(database, actor, "DELETE FROM audit_heads WHERE tenant_id = :t")
    assert_bad(verify(actor), None, "head")


def test_an_entry_under_an_unknown_key_is_named(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 3)
    tamper(database, actor, "UPDATE audit_logs SET key_id = 'ffff' WHERE tenant_id = :t AND seq = 2")
    assert_bad(verify(actor), 2, "unknown_key")


def test_a_log_that_differs_from_its_anchor_is_found(actor: Actor) -> None:
    fill(actor, 3)
    line = {"tenant": actor.tenant_id, "seq": 2, "hash": "00" * 32}
    settings().anchor_path.parent.mkdir(parents=True)
    settings().anchor_path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    assert_bad(verify(actor), 2, "anchor")


def test_anchoring_appends_only_what_moved(actor: Actor) -> None:
    fill(actor, 2)
    assert [anchor_heads(), anchor_heads()] == [1, 0]
    fill(actor, 1)
    assert anchor_heads() == 1
    anchors = read_anchors()
    assert sorted(anchors.links[actor.tenant_id]) == [2, 3]
    assert verify(actor).is_intact
    assert settings().anchor_path.stat().st_mode & 0o077 == 0


def test_a_line_of_the_anchor_that_a_crash_cut_short_harms_no_other(actor: Actor, tmp_path: Path) -> None:
    path = tmp_path / "anchor.jsonl"
    fill(actor, 2)
    anchor_heads(path)
    with path.open("ab") as file:
        file.write(b'{"tenant": 1, "seq')
    assert read_anchors(path).bad_lines == ()
    fill(actor, 1)
    assert anchor_heads(path) == 1
    anchors = read_anchors(path)
    assert sorted(anchors.links[actor.tenant_id]) == [2, 3]
    assert anchors.bad_lines == (2,)


def test_a_result_is_kept(database: TestDatabase, actor: Actor) -> None:
    fill(actor, 3)
    tamper(database, actor, "DELETE FROM audit_logs WHERE tenant_id = :t AND seq = 2")
    with unit_of_work() as session, tenant_scope(actor.tenant_id):
        store_verification(verify_chain(actor.tenant_id))
        session.expire_all()
        row = session.scalars(select(AuditVerification)).one()
        assert (row.intact, row.first_bad_seq, row.entries) == (False, 2, 1)
