"""The first start and the commands for people."""

from __future__ import annotations

import threading

import pytest
from flask import Flask

from app.accounts.first_start import FirstAdmin, ensure_first_admin, run_first_start, system_actor
from app.accounts.models import Tenant, User
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.wiring import first_start
from tests import factories


@pytest.mark.database
def test_the_first_start_makes_one_admin_whose_password_is_said_once(app: Flask) -> None:
    with app.app_context():
        made = first_start()
        assert made is not None
        assert first_start() is None
        with unit_of_work(writes=False):
            assert system_actor(1).user_id is not None
    assert [(tenant.id, tenant.slug) for tenant in factories.rows(Tenant)] == [(1, "default")]
    people = {user.username: user for user in factories.rows(User)}
    assert set(people) == {"system", "admin"}
    assert people["admin"].password_change_required
    assert made.password not in people["admin"].password_hash

    client = app.test_client()
    token = factories.csrf_token(client, "/sign-in")
    form = {"csrf_token": token, "username": "admin", "password": made.password}
    assert client.post("/sign-in", data=form).status_code == 303
    assert client.get("/me").headers["Location"] == "/me/password"


@pytest.mark.database
def test_of_several_first_starts_at_once_one_gets_the_password(app: Flask) -> None:
    made: list[FirstAdmin | None] = []
    ready = threading.Barrier(3)

    def start() -> None:
        with app.app_context():
            ready.wait(10)
            made.append(ensure_first_admin())

    threads = [threading.Thread(target=start) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(made) == 3
    assert sum(one is not None for one in made) == 1
    assert len(factories.rows(User)) == 2


def test_what_the_slices_want_at_the_first_start_is_seen_to_at_every_start(app: Flask) -> None:
    seen: list[Actor] = []
    with app.app_context():
        run_first_start([seen.append])
        run_first_start([seen.append])
    assert [(actor.tenant_id, actor.label) for actor in seen] == [(1, "system"), (1, "system")]


def test_nobody_signs_in_as_the_system_user(app: Flask) -> None:
    with app.app_context():
        first_start()
    client = app.test_client()
    for word in ("!", "", "system"):
        token = factories.csrf_token(client, "/sign-in")
        form = {"csrf_token": token, "username": "system", "password": word}
        assert client.post("/sign-in", data=form).status_code == 401


def test_commands_add_people_and_change_them(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    refused = run(args=["user", "create", "ada", "--email", "ada@example.org"])
    assert refused.exit_code == 1
    assert "first-start" in refused.output
    assert "One-time password:" in run(args=["first-start"]).output
    assert "nothing was changed" in run(args=["first-start"]).output
    assert run(args=["user", "create", "Ada", "--email", "Ada@Example.org", "--role", "admin"]).exit_code == 0
    assert run(args=["user", "set-role", "ada", "operator"]).exit_code == 0
    assert "one-time" not in run(args=["user", "set-password", "ada"]).output
    assert run(args=["user", "deactivate", "ada"]).exit_code == 0
    ada = {user.username: user for user in factories.rows(User)}["ada"]
    assert (ada.email, ada.role.value, ada.is_active) == ("ada@example.org", "operator", False)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["user", "create", "ada", "--email", "nonsense"], "name@example.org"),
        (["user", "create", "a da", "--email", "a@example.org"], "a-z"),
        (["user", "create", "admin", "--email", "a@example.org"], "taken"),
        (["user", "deactivate", "nobody"], "does not exist"),
        (["user", "deactivate", "system"], "does not exist"),
        (["user", "deactivate", "admin"], "last active administrator"),
        (["user", "set-role", "admin", "viewer"], "last active administrator"),
    ],
)
def test_commands_refuse_in_one_plain_line(app: Flask, arguments: list[str], words: str) -> None:
    run = app.test_cli_runner().invoke
    run(args=["first-start"])
    done = run(args=arguments)
    assert done.exit_code == 1
    assert words in done.output
    assert "Traceback" not in done.output
