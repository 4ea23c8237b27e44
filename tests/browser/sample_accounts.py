"""Sample contexts of the pages of one's own account."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.browser.sample_pages import row
from tests.browser.samples import ADMIN, NOW, XSS, page


@page("accounts/sign-in", "accounts/sign_in.html")
def sign_in() -> dict[str, Any]:
    errors = {"_form": ["User name or password is wrong."]}
    return {"form": {"username": XSS}, "errors": errors, "next": "/jobs", "current_actor": None}


@page("accounts/change-password", "accounts/change_password.html")
def change_password() -> dict[str, Any]:
    return {"forced": True, "minimum_length": 12, "errors": {"new_password": ["Too short."]}, "form": {}}


@page("accounts/me", "accounts/me.html")
def me() -> dict[str, Any]:
    key = row(
        id=1,
        name=XSS,
        prefix="mw_3f9a",
        scopes=["job:view"],
        expires_at=NOW - timedelta(days=1),
        last_used=None,
        is_active=True,
        created_at=NOW,
    )
    browser = {"user_agent": f"Mozilla/5.0 {XSS}", "ip_address": "192.0.2.7", "created_at": NOW, "last_seen_at": NOW}
    return {
        "keys": [key],
        "sessions": [row(id=1, **browser), row(id=2, **{**browser, "user_agent": None, "ip_address": None})],
        "this_session_id": 1,
        "scopes": sorted(ADMIN),
        "default_days": 90,
        "new_key": {"name": "deploy", "text": "mw_3f9a_" + "x" * 40},
        "errors": {},
        "form": {},
    }
