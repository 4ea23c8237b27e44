"""Sample contexts of the pages of one's own account."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.accounts.models import Plan
from app.accounts.scope_words import SCOPE_WORDS
from app.core.actor import Role
from tests.browser.sample_pages import listing, row
from tests.browser.samples import ADMIN, NOW, XSS, page


@page("accounts/sign-in", "accounts/sign_in.html")
def sign_in() -> dict[str, Any]:
    errors = {"_form": ["User name or password is wrong."]}
    return {"form": {"username": XSS}, "errors": errors, "next": "/jobs", "current_actor": None}


@page("accounts/change-password", "accounts/change_password.html")
def change_password() -> dict[str, Any]:
    return {
        "forced": True,
        "max_age_days": 90,
        "minimum_length": 12,
        "errors": {"new_password": ["Too short."]},
        "form": {},
    }


def person(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "username": f"person.{number}",
        "first_name": XSS if number == 2 else "Amelie",
        "last_name": "Koch",
        "email": f"person.{number}@example.org",
        "role": list(Role)[number % 3],
        "is_active": number != 3,
        "is_platform_admin": number == 1,
        "password_change_required": number == 4,
        "password_changed_at": NOW - timedelta(days=40),
        "last_login": None if number == 4 else NOW - timedelta(hours=number),
        "created_at": NOW - timedelta(days=400),
        "version": 3,
    }
    return row(**{**values, **more})


def key(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "user_id": 1,
        "owner": "person.1",
        "name": XSS if number == 1 else "nightly report",
        "prefix": "mw_3f9a",
        "scopes": None if number == 2 else ["job:view", "job:launch"],
        "expires_at": NOW + timedelta(days=number - 2),
        "last_used": None,
        "is_active": number != 3,
        "created_at": NOW,
        "version": 1,
    }
    return row(**{**values, **more})


def session(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "user_agent": f"Mozilla/5.0 {XSS}",
        "ip_address": "192.0.2.7",
        "created_at": NOW,
        "last_seen_at": NOW,
        "expires_at": NOW + timedelta(hours=8),
    }
    return row(**{**values, **more})


def team(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "name": XSS if number == 2 else f"Network {number}",
        "description": "Switches and firewalls" if number != 3 else None,
        "is_active": number != 3,
        "version": 1,
    }
    return row(**{**values, **more})


def tenant(number: int, **more: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "uuid": f"00000000-0000-4000-8000-{number:012d}",
        "name": XSS if number == 2 else f"Tenant {number}",
        "slug": f"tenant-{number}",
        "domain": None if number == 1 else f"t{number}.example.org",
        "description": "The second one",
        "plan": Plan.PRO,
        "max_services": 5,
        "is_active": number != 3,
        "created_at": NOW,
        "version": 2,
    }
    return row(**{**values, **more})


ROLES = [(role.value, role.value) for role in Role]
PLANS = [(plan.value, plan.value) for plan in Plan]
PEOPLE = [person(number) for number in range(1, 6)]


@page("accounts/me", "accounts/me.html")
def me() -> dict[str, Any]:
    return {
        "user": person(1),
        "keys": [key(1), key(2), key(3)],
        "sessions": [session(1), session(2, user_agent=None, ip_address=None)],
        "this_session_id": 1,
        "idle_minutes": 60,
        "scopes": sorted(ADMIN),
        "scope_words": SCOPE_WORDS,
        "default_days": 90,
        "new_key": {"name": "deploy", "text": "mw_3f9a_" + "x" * 40},
        "errors": {},
        "form": {},
    }


@page("accounts/profile", "accounts/profile.html")
def profile() -> dict[str, Any]:
    errors = {"current_password": ["This is not your present password."]}
    return {
        "user": person(2),
        "teams": [team(1), team(2)],
        "max_age_days": 90,
        "errors": errors,
        "form": {"email": XSS},
    }


page("accounts/key-rename", "accounts/key_rename.html")(lambda: {"key": key(1), "errors": {}, "form": {}})
page("accounts/keys", "accounts/keys.html")(lambda: {"page": listing([key(1), key(2), key(3)], 3)})
page("accounts/keys-empty", "accounts/keys.html")(lambda: {"page": listing([], 0)})
page("accounts/users", "accounts/users.html")(lambda: {"page": listing(PEOPLE, 5), "locked": {2}, "roles": ROLES})
page("accounts/user", "accounts/user.html")(
    lambda: {
        "user": person(2),
        "is_locked": True,
        "sessions": [session(1)],
        "keys": [key(1), key(3)],
        "teams": [team(1), team(2)],
    }
)
page("accounts/user-inactive", "accounts/user.html")(
    lambda: {"user": person(3), "is_locked": False, "sessions": [], "keys": [], "teams": []}
)
page("accounts/user-form", "accounts/user_form.html")(
    lambda: {
        "user": None,
        "roles": ROLES,
        "form": {"username": XSS},
        "errors": {"username": ["Use 1 to 80 of a-z."], "_form": ["Nothing was saved."]},
    }
)
page("accounts/user-edit", "accounts/user_form.html")(
    lambda: {"user": person(2), "roles": ROLES, "form": {}, "errors": {}}
)
page("accounts/one-time-password", "accounts/one_time_password.html")(
    lambda: {
        "username": "ada",
        "one_time_password": "bcdfg-hjkmn-pqrst-vwxz2",
        "done": "was added",
        "back_url": "/users/1",
        "back_label": "ada",
    }
)
page("accounts/teams", "accounts/teams.html")(
    lambda: {"page": listing([team(1), team(2), team(3)], 3), "members": {1: 4, 2: 1}}
)
page("accounts/teams-empty", "accounts/teams.html")(lambda: {"page": listing([], 0), "members": {}})
page("accounts/team", "accounts/team.html")(
    lambda: {"team": team(2), "members": PEOPLE, "form": {"username": XSS}, "errors": {"username": ["Nobody."]}}
)
page("accounts/team-form", "accounts/team_form.html")(lambda: {"team": team(1), "form": {}, "errors": {}})
page("accounts/tenants", "accounts/tenants.html")(
    lambda: {"page": listing([tenant(1), tenant(2), tenant(3)], 3), "people": {1: 12}, "plans": PLANS}
)
page("accounts/tenant", "accounts/tenant.html")(lambda: {"tenant": tenant(2), "people": 3, "is_own": False})
page("accounts/tenant-inactive", "accounts/tenant.html")(lambda: {"tenant": tenant(3), "people": 0, "is_own": False})
page("accounts/tenant-form", "accounts/tenant_form.html")(
    lambda: {"tenant": None, "plans": PLANS, "form": {"slug": XSS}, "errors": {"slug": ["Use 1 to 63 of a-z."]}}
)
page("accounts/tenant-edit", "accounts/tenant_form.html")(
    lambda: {"tenant": tenant(2), "plans": PLANS, "form": {}, "errors": {}}
)
