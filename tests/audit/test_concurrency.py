"""Several writers of one tenant at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from app.audit.service import Resource, record
from app.audit.verify import verify_chain
from app.core.actor import Actor
from app.core.db import unit_of_work

WRITERS, EACH = 8, 6


@pytest.mark.database
def test_eight_writers_make_one_chain_without_gaps_even_for_its_first_entry(app: Flask, actor: Actor) -> None:
    def write(number: int) -> None:
        with app.app_context():
            for place in range(EACH):
                with unit_of_work():
                    record(actor, "server:update", Resource("server", number * 100 + place))

    with ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(write, range(WRITERS)))
    with unit_of_work(writes=False):
        result = verify_chain(actor.tenant_id)
    assert result.is_intact, result.message
    assert result.entries == WRITERS * EACH
