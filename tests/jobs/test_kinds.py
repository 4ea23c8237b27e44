"""What every job kind answers."""

from __future__ import annotations

from typing import Any

import pytest

from app.jobs import kinds
from app.jobs.kinds import JobKind, PreparationError
from app.runners.base import FailureCode


def test_a_kind_that_prepares_nothing_says_so_when_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    class Plain(JobKind):
        name = "plain"

        def relaunch(self, actor: Any, launch_uuid: str, *, only: str) -> Any:
            """Not used."""

        def build_run(self, request: Any) -> Any:
            """Not used."""

    monkeypatch.setitem(kinds._kinds, "plain", Plain())
    with pytest.raises(PreparationError, match="'plain' have nothing to prepare") as refused:
        kinds.prepare("plain", 1, 1)
    assert refused.value.code is FailureCode.ENGINE_ERROR
