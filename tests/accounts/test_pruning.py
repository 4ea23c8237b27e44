"""What the keeper clears away for accounts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from app.accounts import pruning
from app.accounts.models import IdempotencyKey, SignInAttempt, UserSession
from app.core.clock import utc_now
from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.wiring import CHORES
from tests import factories


def store(tenant_id: int, user_id: int, *ages: timedelta) -> None:
    """One row of each kind for each age."""
    with factories.context(), system_scope("test"), unit_of_work():
        for number, age in enumerate(ages):
            then = utc_now() - age
            owner = {"tenant_id": tenant_id, "user_id": user_id}
            digest = bytes([number]) * 32
            db.session.add(UserSession(**owner, token_digest=digest, last_seen_at=then, expires_at=then))
            db.session.add(SignInAttempt(user_id=user_id, succeeded=False, attempted_at=then))
            more = {"body_hash": digest, "resource_type": "launch", "resource_uuid": "x"}
            db.session.add(IdempotencyKey(**owner, key=f"key-{number}", created_at=then, **more))


@pytest.mark.database
def test_only_what_nobody_asks_for_any_more_goes_and_in_chunks(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning, "CHUNK", 1)
    monkeypatch.setattr(pruning, "CHUNKS", 2)
    person = factories.make_person(factories.make_tenant("Default").id)
    hour, day = timedelta(hours=1), timedelta(days=1)
    store(person.tenant_id, person.id, -hour, hour, 2 * day, 8 * day, 9 * day)
    left = []
    for _ in range(4):
        with app.app_context():
            pruning.prune_accounts()
        left.append([len(factories.rows(kind)) for kind in (UserSession, SignInAttempt, IdempotencyKey)])
    assert left == [[3, 3, 3], [1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert factories.rows(UserSession)[0].expires_at > utc_now()
    assert factories.rows(IdempotencyKey)[0].key == "key-0"


def test_the_keeper_does_it() -> None:
    assert "app.accounts.pruning:prune_accounts" in [entry for *_, entry in CHORES]
