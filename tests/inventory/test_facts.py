"""Facts kept per server: stored once, searched by, shown as text (T-FACTS at the inventory's end)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.actor import Actor
from app.core.clock import utc_now
from app.inventory import facts, queries_kept
from app.inventory.fact_keeping import Gathered, keep_facts
from app.inventory.models import Server
from app.runners.facts import MAX_BYTES
from tests.inventory.conftest import Acting

WHOLE: dict[str, Any] = {
    "ansible_distribution": "Debian",
    "ansible_distribution_version": "12",
    "ansible_kernel": "6.1.0-18-amd64",
    "ansible_memtotal_mb": 3921,
    "ansible_processor": ["0", "QEMU"],
    "ansible_mounts": [{"device": "/dev/vda1", "size_total": 5}],
}
HOSTILE = "{{ lookup('pipe', 'id') }}<script>alert(1)</script>"


def gather(acting: Acting, admin: Actor, server_id: int, found: dict[str, Any], **more: Any) -> None:
    with acting(admin):
        keep_facts(admin.tenant_id, server_id, Gathered(more.pop("at", utc_now()), 7, "u" * 36, found, **more))


@pytest.mark.database
def test_a_whole_gathering_replaces_a_part_adds_and_an_older_one_is_dropped(
    acting: Acting, admin: Actor, make_server: Callable[..., int], row: Callable[[int], Server]
) -> None:
    server_id = make_server()
    gather(acting, admin, server_id, {**WHOLE, "ansible_gone": 1}, sent_size=10)
    gather(acting, admin, server_id, WHOLE)
    gather(acting, admin, server_id, {"ansible_local": {"a": 1}, "ansible_kernel": "6.2"})
    gather(acting, admin, server_id, {"ansible_kernel": "5.0"}, at=utc_now() - timedelta(days=1))
    with acting(admin):
        known = queries_kept.key_facts(admin, server_id)
        assert known["kernel"] == "6.2" and known["distribution"] == "debian" and known["memtotal_mb"] == "3921"
        text = queries_kept.get_facts(admin, server_id).data
        assert "ansible_gone" not in text and "ansible_local" in text
    assert (row(server_id).os_type, row(server_id).os_version) == ("debian", "12")


def test_what_a_person_said_of_the_system_stays(
    acting: Acting, admin: Actor, make_server: Callable[..., int], row: Callable[[int], Server]
) -> None:
    server_id = make_server(os_type="appliance")
    gather(acting, admin, server_id, WHOLE)
    assert row(server_id).os_type == "appliance"


def test_t_facts_hostile_facts_are_stored_small_and_shown_as_text(
    acting: Acting,
    admin: Actor,
    make_server: Callable[..., int],
    row: Callable[[int], Server],
    http: Callable[[str], Any],
) -> None:
    server_id = make_server()
    gather(acting, admin, server_id, {**WHOLE, "ansible_distribution": HOSTILE, "ansible_motd": HOSTILE})
    big = {f"ansible_{n}": "x" * 60_000 for n in range(8)}
    gather(acting, admin, server_id, big, sent_size=50_000_000, left_out=("ansible_huge",))
    client = http("viewer")
    answer = client.get(f"/api/v1/servers/{server_id}/facts").json
    assert answer["facts"]["ansible_motd"] == HOSTILE and answer["sent_size"] == 50_000_000
    assert answer["size"] <= MAX_BYTES and answer["left_out"][0] == "ansible_huge" and len(answer["left_out"]) > 1
    page = client.get(f"/servers/{server_id}/facts?q=motd").get_data(as_text=True)
    assert "<script>alert" not in page and "&lt;script&gt;" in page and "Not everything was kept" in page
    assert row(server_id).os_type == "unknown"  # no name that a person could have typed
    download = client.get(f"/servers/{server_id}/facts/download")
    assert download.headers["Content-Disposition"].startswith("attachment") and download.json["ansible_motd"] == HOSTILE


def test_the_facts_page_teaches_finds_and_stays_with_the_tenant(
    acting: Acting,
    admin: Actor,
    make_server: Callable[..., int],
    http: Callable[[str], Any],
    statements: Callable[[], AbstractContextManager[list[str]]],
) -> None:
    server_id = make_server()
    client = http("operator")
    assert "No facts yet" in client.get(f"/servers/{server_id}/facts").get_data(as_text=True)
    assert client.get(f"/api/v1/servers/{server_id}/facts").status_code == 404
    gather(acting, admin, server_id, WHOLE)
    page = client.get(f"/servers/{server_id}/facts?q=vda1").get_data(as_text=True)
    assert "ansible_mounts[0].device" in page and "ansible_kernel" not in page
    assert "No fact matches" in client.get(f"/servers/{server_id}/facts?q=nothing-of-it").get_data(as_text=True)
    assert "6.1.0-18-amd64" in client.get(f"/servers/{server_id}").get_data(as_text=True)
    assert http("stranger").get(f"/servers/{server_id}/facts").status_code == 404


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1, max_size=5), JSON, max_size=5))
def test_every_scalar_of_any_facts_has_a_row(found: dict[str, Any]) -> None:
    def scalars(value: Any) -> int:
        if isinstance(value, dict) and value:
            return sum(scalars(item) for item in value.values())
        if isinstance(value, list) and value:
            return sum(map(scalars, value))
        return 1

    assert len(list(facts.rows(found))) == (scalars(found) if found else 0)
    facts.searchable(found), facts.system_of(found)


@pytest.mark.parametrize("text", ["distribution", "distribution:", "secret:1", ":x", "ansible_motd:x"])
def test_a_filter_by_an_unknown_fact_says_which_there_are(text: str) -> None:
    with pytest.raises(ValueError):
        facts.parse_wanted(text)
    assert facts.parse_wanted("ansible_distribution_version: 12 ") == ("distribution_version", "12")
