"""``flask user ...``: people without a browser, for instance when nobody can sign in any more."""

from __future__ import annotations

import pytest
from flask import Flask

from app.accounts.identity import Origin
from app.accounts.models import SignInAttempt, User
from app.accounts.sign_in import SignInRefused, sign_in
from app.core.actor import Role
from tests import factories


def run(app: Flask, *words: str) -> tuple[int, str]:
    found = app.test_cli_runner().invoke(args=["user", *words])
    return found.exit_code, found.output


def row(username: str) -> User:
    return next(user for user in factories.rows(User) if user.username == username)


@pytest.fixture
def admin(app: Flask) -> factories.PersonMade:
    return factories.make_person(factories.make_tenant("Default").id, Role.ADMIN, username="root-admin")


def test_a_person_is_added_promoted_deactivated_and_taken_back(app: Flask, admin: factories.PersonMade) -> None:
    code, said = run(app, "create", "Grace", "--email", "grace@example.org")
    assert code == 0, said
    assert row("grace").password_change_required
    with app.app_context():
        sign_in("grace", said.split("password ")[1].split(" ")[0], Origin("192.0.2.1"))
    assert run(app, "set-role", "grace", "operator")[0] == 0
    assert row("grace").role is Role.OPERATOR
    assert run(app, "deactivate", "grace")[0] == 0
    assert not row("grace").is_active
    assert run(app, "reactivate", "grace")[0] == 0
    assert row("grace").is_active
    code, said = run(app, "set-role", "nobody", "viewer")
    assert code == 1
    assert "does not exist" in said


def test_the_last_administrator_stays_and_a_lock_is_taken_away(app: Flask, admin: factories.PersonMade) -> None:
    code, said = run(app, "deactivate", "root-admin")
    assert code == 1
    assert "last active administrator" in said
    for _ in range(10):
        with app.app_context(), pytest.raises(SignInRefused):
            sign_in("root-admin", "wrong", Origin("192.0.2.1"))
    assert run(app, "unlock", "root-admin")[0] == 0
    assert factories.rows(SignInAttempt) == []


def test_the_platform_gets_another_administrator_and_keeps_one(app: Flask, admin: factories.PersonMade) -> None:
    assert run(app, "platform-admin", "root-admin")[0] == 0
    assert row("root-admin").is_platform_admin
    code, said = run(app, "platform-admin", "root-admin", "--remove")
    assert code == 1
    assert "platform's last" in said
