"""Sample contexts of the pages of the audit log."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.browser.sample_pages import listing, row
from tests.browser.samples import NOW, XSS, page

GOOD = row(intact=True, verified_at=NOW, entries=90, first_bad_seq=None, message="90 entries checked.")
BAD = row(intact=False, verified_at=NOW, entries=90, first_bad_seq=17, message="Entry 17 was changed.")


def entry(seq: int, **more: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "seq": seq,
        "timestamp": NOW,
        "who": "amelie.koch",
        "user_id": 4,
        "via": "session",
        "api_key_prefix": None,
        "action": "UPDATE",
        "event": "server:update",
        "outcome": "success",
        "resource_type": "server",
        "resource_label": "server web-1.example.org",
        "resource_page": "/to/server",
        "resource_url": "/to/history",
        "resource_uuid": None,
        "ip_address": "192.0.2.7",
        "user_agent": XSS,
        "request_id": "01hq",
        "details": {"environment": ["staging", XSS]},
        "rows": [row(name="environment", before="staging", after=XSS), row(name="note", before=None, after="yes")],
        "url": "/to/entry",
        "hash": "9f" * 32,
    }
    return row(**{**values, **more})


MANY = [row(name=f"field {number}", before=str(number), after=str(number + 1)) for number in range(8)]


def audit(items: list[Any], verification: Any, **more: Any) -> dict[str, Any]:
    return {
        "page": listing(items, None, None),
        "verification": verification,
        "walk": None,
        "thing": None,
        "actions": [("CREATE", "create")],
        "types": [("server", "server")],
        "people": [(1, "jonas")],
        "doors": [("session", "web pages")],
        "outcomes": [("success", "done")],
        "scan_limit": 50_000,
        **more,
    }


page("audit/index", "audit/index.html")(
    lambda: audit(
        [
            entry(90),
            entry(89, outcome="refused", via="api_key", api_key_prefix="mw_abc", rows=[]),
            entry(88, rows=MANY),
        ],
        GOOD,
    )
)
page("audit/of-a-thing", "audit/index.html")(lambda: audit([entry(90)], GOOD, thing=f"server {XSS}"))
page("audit/broken", "audit/index.html")(lambda: audit([], BAD))
page("audit/entry", "audit/entry.html")(lambda: {"e": entry(90)})


def state(**more: Any) -> dict[str, Any]:
    result = {**vars(GOOD), "started_at": NOW, "username": None}
    values: dict[str, Any] = {
        **result,
        "running": None,
        "newest_seq": 90,
        "anchor": {"seq": 80, "at": "2026-11-21T06:00:00Z", "matches": True},
        "history": [result, {**vars(BAD), "started_at": NOW, "username": "jonas"}],
        "archives": [
            {
                "file_name": "1-000000000001-000000100000.jsonl.gz",
                "first_seq": 1,
                "last_seq": 100_000,
                "newest_at": NOW,
                "sha256": "ab" * 32,
                "created_at": NOW,
            }
        ],
    }
    return {"state": {**values, **more}}


page("audit/verification", "audit/verification.html")(state)
page("audit/verification-empty", "audit/verification.html")(
    lambda: state(history=[], archives=[], anchor={"seq": None, "at": None, "matches": None})
)
page("audit/verification-running", "audit/verification.html")(
    lambda: state(
        intact=False,
        first_bad_seq=17,
        running={"started_at": NOW, "next_seq": 40_001, "newest_seq": 1_000_000},
        anchor={"seq": 80, "at": "2026-11-21T06:00:00Z", "matches": False},
    )
)
