"""The list of servers: what it can be narrowed by, its order, its downloads, and what it costs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from app.core.actor import Actor
from app.core.clock import utc_now
from app.inventory import last_jobs, queries
from app.inventory.fact_keeping import Gathered, keep_facts
from app.inventory.last_jobs import Ended
from app.inventory.models import Server
from tests import factories
from tests.inventory.conftest import Acting

Make = Callable[..., int]
UUID = "00000000-0000-4000-8000-00000000000a"


@pytest.fixture
def fleet(acting: Acting, admin: Actor, make_server: Make) -> dict[str, int]:
    """Four servers that differ in what the filters look at."""
    ids = {
        "web": make_server(hostname="web", environment="qa", tags=["front"], os_type="debian"),
        "db": make_server(hostname="db", environment="production", connection="winrm"),
        "app": make_server(hostname="app"),
        "old": make_server(hostname="old"),
    }
    factories.set_columns(Server, ids["web"], last_test_code="ok", last_test_ok=True)
    factories.set_columns(Server, ids["db"], last_test_code="unreachable", last_test_ok=False)
    factories.set_columns(Server, ids["old"], is_active=False)
    with acting(admin):
        ended = [Ended(ids["web"], 1, UUID, "success"), Ended(ids["db"], 2, UUID, "success")]
        last_jobs.note_ended(admin.tenant_id, ended, utc_now())
        last_jobs.note_ended(admin.tenant_id, [Ended(ids["db"], 3, UUID, "failed")], utc_now())
        found = {"ansible_distribution_version": "12", "ansible_kernel": "6.1"}
        keep_facts(admin.tenant_id, ids["app"], Gathered(utc_now(), None, None, found))
    return ids


@pytest.mark.database
@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("environment=QA", "web"),
        ("tag=front", "web"),
        ("connection=winrm", "db"),
        ("os_type=debian", "web"),
        ("test=ok", "web"),
        ("test=failed", "db"),
        ("test=never&is_active=true", "app"),
        ("last_job=success", "web"),
        ("last_job=failed", "db"),
        ("last_job=none&is_active=true", "app"),
        ("fact=distribution_version:12", "app"),
        ("fact=ansible_kernel:6.1&tag=front", ""),
        ("is_active=false", "old"),
        ("sort=hostname", "app db old web"),
        ("sort=-hostname&page_size=2", "web old"),
    ],
)
def test_each_filter_and_order_finds_what_it_says(
    fleet: dict[str, int], http: Callable[[str], Any], query: str, names: str
) -> None:
    answer = http("viewer").get(f"/api/v1/servers?{query}")
    assert answer.status_code == 200 and [one["hostname"] for one in answer.json] == names.split(), query


@pytest.mark.database
@pytest.mark.parametrize(
    ("text", "names"),
    [("we", ["web"]), ("eb", []), ("10.2.", ["db"]), ("10.", ["db"]), ("192", []), ("fe80:", ["app"])],
)
def test_where_servers_are_many_beginnings_are_looked_for(
    acting: Acting, admin: Actor, make_server: Make, monkeypatch: pytest.MonkeyPatch, text: str, names: list[str]
) -> None:
    for hostname, address in (("web", "192.0.2.1"), ("db", "10.2.0.9"), ("app", "fe80::1")):
        make_server(hostname=hostname, ip_address=address)
    monkeypatch.setattr(queries, "COUNT_CAP", 2)
    with acting(admin):
        found = queries.list_servers(admin, queries.ServerFilter(text=text))
        assert [server.hostname for server in found.items] == names


@pytest.mark.parametrize(
    "query", ["fact=motd:x", "fact=kernel", "test=maybe", "last_job=running", "sort=version", "x=1"]
)
def test_a_filter_that_means_nothing_is_refused_on_both_faces(http: Callable[[str], Any], query: str) -> None:
    assert http("viewer").get(f"/api/v1/servers?{query}").status_code == 422
    assert http("viewer").get(f"/servers?{query}").status_code == 422


def test_the_page_links_its_words_and_shows_buttons_by_right(fleet: dict[str, int], http: Callable[[str], Any]) -> None:
    page = http("operator").get("/servers?sort=hostname").get_data(as_text=True)
    assert "tag=front" in page and "environment=qa" in page and UUID in page and "Change the ticked" in page
    assert "old" not in [line.strip() for line in page.splitlines()]
    viewed = http("viewer").get("/servers").get_data(as_text=True)
    assert "Change the ticked" not in viewed and 'name="server_ids"' not in viewed


def test_the_download_holds_all_that_match(fleet: dict[str, int], http: Callable[[str], Any]) -> None:
    text = http("viewer").get("/servers/download?active=all&sort=hostname").get_data(as_text=True)
    lines = text.splitlines()
    assert lines[0].startswith("hostname,ip_address,environment,tags") and len(lines) == 5
    assert lines[4].startswith("web,") and "success" in lines[4]
    assert http("viewer").get("/servers/download?format=jsonl&tag=front").get_data(as_text=True).count("\n") == 1
    assert http("viewer").get("/servers/download?format=xml").status_code == 422


def test_the_list_costs_the_same_for_one_server_and_for_many(
    make_server: Make, http: Callable[[str], Any], statements: Callable[[], AbstractContextManager[list[str]]]
) -> None:
    client, counts = http("operator"), []
    for number in (1, 6):
        for _ in range(number):
            make_server(tags=["a"], environment="qa")
        with statements() as sent:
            assert client.get("/servers").status_code == 200
        counts.append(len(sent))
    assert counts[0] == counts[1]
