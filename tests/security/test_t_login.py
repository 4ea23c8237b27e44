"""T-LOGIN: nobody learns from a refusal whether a person exists, is locked or inactive."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from app.accounts import passwords
from tests import factories
from tests.factories import PASSWORD
from tests.security.conftest import sign_in

CHANGING = re.compile(r'name="csrf[-_]token"[^>]*>|Request <code>[^<]*|<input[^>]*name="username"[^>]*>')


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """One entry for each bcrypt: its cost."""
    found: list[str] = []
    compute = passwords.bcrypt.checkpw

    def counted(secret: bytes, stored: bytes) -> bool:
        found.append(stored[:7].decode())
        return compute(secret, stored)

    monkeypatch.setattr(passwords.bcrypt, "checkpw", counted)
    return found


def said(answer: TestResponse) -> tuple[int, str, tuple[str, ...]]:
    headers = tuple(sorted(name for name, _value in answer.headers))
    return answer.status_code, CHANGING.sub("", answer.get_data(as_text=True)), headers


@pytest.mark.database
def test_t_login_wrong_user_password_locked_and_inactive_sound_and_cost_the_same(
    app: Flask, computed: list[str]
) -> None:
    tenant, gone = factories.make_tenant("Default"), factories.make_tenant("Gone", is_active=False)
    factories.make_person(tenant.id, username="ada")
    factories.make_person(tenant.id, username="inactive", is_active=False)
    factories.make_person(gone.id, username="left-behind")
    factories.make_person(tenant.id, username="locked")
    for _ in range(10):
        sign_in(app.test_client(), "locked", "wrong")
    branches = {
        "wrong user": ("nobody", PASSWORD),
        "wrong password": ("ada", "wrong"),
        "locked, right password": ("locked", PASSWORD),
        "locked, wrong password": ("locked", "wrong"),
        "inactive": ("inactive", PASSWORD),
        "inactive tenant": ("left-behind", PASSWORD),
        "the platform's own user": (f"system-{tenant.id}", "!"),
        "no name": ("", ""),
    }
    answers, work = Counter[object](), {}
    for branch, (username, password) in branches.items():
        computed.clear()
        answers[said(sign_in(app.test_client(), username, password))] += 1
        work[branch] = list(computed)
    assert len(answers) == 1, [body[0] for body in answers]
    assert all(found == ["$2b$04$"] for found in work.values()), work
    computed.clear()
    assert sign_in(app.test_client(), "ada", PASSWORD).status_code == 303
    assert computed == ["$2b$04$"], "signing in costs what a refusal costs"
