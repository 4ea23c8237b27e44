"""What a carrier asks of the platform while its engine works: orders each second, the lease now and then."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope
from app.jobs import heart, service
from app.jobs.database_port import DatabasePort
from app.jobs.heart import Heart
from app.jobs.models import Run
from app.jobs.port import Carrier, Fenced, Orders
from app.jobs.workers import this_process
from app.runners.base import StopReason
from tests.jobs.conftest import House
from tests.support.sent import sent

QUIET = Orders(cancel_requested=False, drain=False)


@dataclass
class Stage:
    """A port, an engine, a fence and a clock that only do what they are told, and remember it."""

    now: float = 100.0
    asked: list[str] = field(default_factory=list)
    renewed: list[float] = field(default_factory=list)
    stopped: list[StopReason] = field(default_factory=list)
    answer: Orders | Exception = QUIET

    def _say(self, what: str) -> Orders:
        self.asked.append(what)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def heart(self) -> Heart:
        port = SimpleNamespace(heartbeat=lambda claim: self._say("renew"), listen=lambda claim: self._say("listen"))
        fence = SimpleNamespace(renewed=self.renewed.append)
        made: Any = Heart
        handle = SimpleNamespace(stop=self.stopped.append, hurry=lambda: self.asked.append("hurry"))
        return made(port, None, handle, fence)  # type: ignore[no-any-return]

    def live(self, one: Heart, seconds: float) -> list[str]:
        """Beat sixteen times a second; return what was asked meanwhile."""
        before, until = len(self.asked), self.now + seconds
        while self.now < until:
            one.beat()
            self.now += 0.0625  # a binary fraction: sums are exact
        return self.asked[before:]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(heart, "time", SimpleNamespace(monotonic=lambda: made.now))
    monkeypatch.setattr(heart, "lease_clock", lambda: made.now)
    chosen = SimpleNamespace(lease_seconds=300, self_fence_seconds=0)
    monkeypatch.setattr(heart, "settings", lambda: chosen)
    return made


def test_a_cancel_that_is_forced_later_hurries_the_end_once(stage: Stage) -> None:
    one = stage.heart()
    stage.answer = Orders(cancel_requested=True, drain=False)
    stage.live(one, 2)
    assert stage.stopped == [StopReason.CANCEL] and "hurry" not in stage.asked
    stage.answer = Orders(cancel_requested=True, drain=False, cancel_forced=True)
    stage.live(one, 4)
    assert stage.asked.count("hurry") == 1
    assert set(stage.stopped) == {StopReason.CANCEL}


def test_orders_are_heard_each_second_and_the_lease_is_renewed_every_fifth(stage: Stage) -> None:
    asked = stage.live(stage.heart(), 11.5)
    assert asked == ["renew", *["listen"] * 4, "renew", *["listen"] * 4, "renew", "listen"]


@pytest.mark.parametrize(
    ("lease", "fence", "every"), [(300, 0, 5.0), (20, 0, 2.0), (10, 0, 1.0), (300, 240, 5.0), (30, 6, 1.5)]
)
def test_a_short_lease_or_an_early_end_of_ones_own_is_renewed_more_often(
    stage: Stage, lease: int, fence: int, every: float
) -> None:
    chosen = heart.settings()
    chosen.lease_seconds, chosen.self_fence_seconds = lease, fence
    assert heart.renew_seconds() == every


def test_a_renewal_that_failed_is_tried_again_a_second_later_and_the_fence_is_not_told(stage: Stage) -> None:
    one = stage.heart()
    stage.answer = OSError("the database is away")
    assert stage.live(one, 3.5) == ["renew"] * 4
    assert stage.renewed == []
    stage.answer = QUIET
    assert stage.live(one, 1.0)[:1] == ["renew"]
    assert len(stage.renewed) == 1


def test_hearing_alone_does_not_count_as_a_renewal(stage: Stage) -> None:
    one = stage.heart()
    stage.live(one, 4.5)
    assert len(stage.renewed) == 1


def test_a_cancel_stops_the_engine_once_and_the_lease_is_kept(stage: Stage) -> None:
    one = stage.heart()
    stage.answer = Orders(cancel_requested=True, drain=True)
    stage.live(one, 6.0)
    assert (stage.stopped, one.stopping, stage.asked.count("renew")) == ([StopReason.CANCEL], True, 2)


def test_whoever_lost_the_run_is_told(stage: Stage) -> None:
    stage.answer = Fenced()
    with pytest.raises(Fenced):
        stage.heart().beat()


@pytest.mark.database
def test_hearing_writes_nothing_and_hears_a_cancel_and_a_loss(house: House) -> None:
    launch = house.launch("a")
    with house.context():
        port = DatabasePort()
        claim = port.claim(house.run_id(launch), Carrier(this_process(), "here", None))
        assert claim is not None
        with sent() as statements:
            assert port.listen(claim) == QUIET
        assert not [
            one for one in statements if one.lstrip().upper().startswith(("UPDATE", "INSERT", "BEGIN IMMEDIATE"))
        ]
    house.write(lambda: service.cancel_launch(house.actor, launch))
    with house.context():
        assert port.listen(claim).cancel_requested
        with tenant_scope(claim.tenant_id), unit_of_work():
            db.session.execute(db.update(Run).where(Run.id == claim.run_id).values(claim_token="another"))
        with pytest.raises(Fenced):
            port.listen(claim)
