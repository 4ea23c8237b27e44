"""``flask audit``: what an operator's night job calls."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import text

from app.audit.models import AuditVerification
from app.audit.service import Resource, record
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.runtime import settings
from tests.audit.conftest import MakeTenant, count
from tests.audit.conftest import actor as actor
from tests.audit.conftest import make_tenant as make_tenant
from tests.audit.intruder import intruder
from tests.support.databases import TestDatabase


def fill(actor: Actor) -> None:
    with unit_of_work():
        for place in range(3):
            record(actor, "server:create", Resource("server", place))


def test_verify_says_intact_per_tenant_and_exits_0(app: Flask, actor: Actor, make_tenant: MakeTenant) -> None:
    fill(actor)
    fill(make_tenant("beta"))
    result = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert result.exit_code == 0, result.output
    assert "alpha: intact. 3 entries checked" in result.output
    assert "beta: intact. 3 entries checked" in result.output
    assert count(AuditVerification) == len(result.output.splitlines())


def test_verify_names_the_tenant_and_entry_and_exits_1(
    app: Flask, actor: Actor, make_tenant: MakeTenant, database: TestDatabase
) -> None:
    fill(actor)
    fill(make_tenant("beta"))
    with intruder(database) as connection:
        connection.execute(text("DELETE FROM audit_logs WHERE seq = 2 AND tenant_id = :t"), {"t": actor.tenant_id})
    result = app.test_cli_runner().invoke(args=["audit", "verify"])
    assert result.exit_code == 1
    assert "alpha: BROKEN. Entry 2 of the chain: missing" in result.output
    assert "beta: intact" in result.output
    assert app.test_cli_runner().invoke(args=["audit", "verify", "--tenant", "beta"]).exit_code == 0


def test_an_unknown_tenant_is_said_plainly(app: Flask, app_context: Flask) -> None:
    result = app.test_cli_runner().invoke(args=["audit", "verify", "--tenant", "nobody"])
    assert result.exit_code == 1
    assert "no tenant 'nobody'" in result.output


def test_anchor_writes_the_file_and_says_where(app: Flask, actor: Actor) -> None:
    fill(actor)
    result = app.test_cli_runner().invoke(args=["audit", "anchor"])
    assert result.output == f"1 new links in {settings().anchor_path}.\n"
    assert len(settings().anchor_path.read_text(encoding="utf-8").splitlines()) == 1


def test_a_file_that_cannot_be_written_is_said_plainly(app: Flask, actor: Actor) -> None:
    fill(actor)
    settings().anchor_path.mkdir(parents=True)
    result = app.test_cli_runner().invoke(args=["audit", "anchor"])
    assert result.exit_code == 1
    assert "MILLWRIGHT_AUDIT_ANCHOR_PATH" in result.output


@pytest.mark.database
def test_verify_runs_on_every_database(app: Flask, actor: Actor) -> None:
    fill(actor)
    assert app.test_cli_runner().invoke(args=["audit", "verify"]).exit_code == 0
