"""Sample contexts of the servers' further pages: facts, bulk change, running a module."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.browser.sample_pages import row, server
from tests.browser.samples import NOW, XSS, page

LONG = "a-very-long-value-without-any-blank-" * 8


def facts(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "server": server(1),
        "gathered": row(
            gathered_at=NOW - timedelta(hours=2),
            job_uuid="j1",
            size=241_112,
            sent_size=50_000_000,
            left_out=["ansible_local", XSS],
        ),
        "rows": [("ansible_kernel", "6.1.0-18-amd64"), ("ansible_mounts[0].device", LONG), ("ansible_motd", XSS)],
        "total": 812,
        "key_facts": [("distribution", "debian"), ("distribution_version", "12"), ("memtotal_mb", "3921")],
    }
    return found | more


page("inventory/facts", "inventory/facts.html")(facts)
page("inventory/facts-none", "inventory/facts.html")(lambda: facts(gathered=None, rows=[], total=0, key_facts=[]))


def bulk(**more: Any) -> dict[str, Any]:
    servers = [server(n) for n in range(1, 60)]
    found: dict[str, Any] = {
        "servers": servers,
        "production": [one.hostname for one in servers if one.environment == "production"],
        "refused": {},
        "errors": {},
        "form": {},
        "jump_hosts": [(1, "jump-1")],
        "environments": ["production", "staging"],
    }
    return found | more


page("inventory/bulk", "inventory/bulk.html")(bulk)
page("inventory/bulk-refused", "inventory/bulk.html")(
    lambda: bulk(
        refused={"web-1.example.org": [f"Somebody else changed this in the meantime. {XSS}"]},
        errors={"_form": ["Nothing was changed: 1 of 59 servers refuse it."]},
        form={"add_tags": XSS, "is_active": "0"},
    )
)


def adhoc(**more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "modules": [
            ("ansible.builtin.ping", "ping", True),
            ("ansible.builtin.command", "command", False),
            ("ansible.builtin.service", "service", False),
        ],
        "servers": [server(n) for n in range(1, 20)],
        "servers_more": 12,
        "environments": ["production", "staging"],
        "tags": ["web", "db"],
        "groups": [],
        "selected": [1, 2],
        "token": "t",
        "form": {},
        "errors": {},
    }
    return found | more


page("playbooks/adhoc", "playbooks/adhoc.html")(adhoc)
page("playbooks/adhoc-error", "playbooks/adhoc.html")(
    lambda: adhoc(
        form={"module": "ansible.builtin.command", "arguments": XSS, "server_ids": ["1"], "become": "1"},
        errors={"arguments": ["A quote is not closed."], "confirm_name": ["Production is among the servers."]},
    )
)
