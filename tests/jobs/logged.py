"""Finished jobs with lines of many kinds, and all the ways to read them, for comparing before and after sealing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from app.core import runtime
from app.core.clock import utc_now
from app.jobs import log_queries, log_store, queries, sealing
from app.jobs.log_queries import line_data
from app.jobs.log_reading import Wanted, read_lines
from app.jobs.models import Job, Run
from app.jobs.port import LogBatch
from tests import factories
from tests.jobs.conftest import House
from tests.jobs.test_faces import begun, end

WORDS = ("ok: [a]", "changed: Größe ÄNDERN", "fatal: no route", "", "\x1b[31mred\x1b[0m 😀", '100% under_score \\ "q"')


def lines_of(count: int, words: Sequence[str] = WORDS) -> list[tuple[str, str | None]]:
    """Return texts with levels: every third an error, every fifth without a level."""
    return [
        (f"{words[n % len(words)]} {n}", None if n % 5 == 0 else "ERROR" if n % 3 == 0 else "INFO")
        for n in range(count)
    ]


def finished(
    house: House,
    logs: dict[str, list[tuple[str, str | None]]],
    *,
    days_ago: int = 10,
    failed: frozenset[str] = frozenset(),
) -> str:
    """Return the launch of a run that ended some days ago with these lines, printed by turns."""
    launch, claim, jobs = begun(house, *logs)
    batch = LogBatch(1, 0, 0)
    now = utc_now()
    batch.tasks = [
        (claim.tenant_id, claim.run_id, 1, 0, "a play", f"a task of {len(logs)}", "debug", "site.yml:3", now)
    ]
    batch.results = [(claim.tenant_id, job, 1, "ok", 12, 1, 2, None) for job in jobs.values()]
    longest = max(map(len, logs.values()), default=0)
    seq = 0
    for place in range(longest):
        for name, lines in logs.items():
            if place < len(lines):
                seq += 1
                text, level = lines[place]
                moment = now + timedelta(microseconds=seq * 1013)
                row = (claim.tenant_id, jobs[name], place + 1, seq, 1 + place // 7, int(place % 11 == 4), text, level)
                batch.lines.append((*row, moment))
    batch.run_lines = [(claim.tenant_id, claim.run_id, seq + 1, 0, 0, "PLAY RECAP", "INFO", now)]
    batch.line_counts = {jobs[name]: len(lines) for name, lines in logs.items()}
    house.write(lambda: log_store.insert_batch(claim.tenant_id, batch))
    end(house, claim, jobs, set(failed))
    factories.set_columns(Run, claim.run_id, completed_at=now - timedelta(days=days_ago))
    return launch


def readings(house: House, launch: str, steps: Sequence[int] = (3, 7)) -> dict[str, Any]:
    """Read a launch's jobs in every way and return what each gave."""

    def read() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, job in house_jobs.items():
            for step in steps:
                found[f"{name} pages of {step}"] = _pages(job, step)
                found[f"{name} tail of {step}"] = _back(job, step)
            for level in ("ERROR", "INFO", "DEBUG"):
                part = log_queries.tail(job, level=level, limit=5)
                found[f"{name} level {level}"] = (list(part.lines), list(part.missing))
                newest = log_queries.tail(job, level=level, limit=4, before=max(1, job.log_lines - 1))
                found[f"{name} newest {level}"] = list(newest.lines)
            for text in ("OK", "größe", "_", "%", "\\", '"', "😀", "no such text", "0", "1"):
                hits = log_queries.search(job, text, limit=4)
                found[f"{name} search {text}"] = (list(hits.hits), hits.scanned_to, hits.more, list(hits.missing))
                both = log_queries.tail(job, text=text, level="ERROR", after=2)
                found[f"{name} text {text}"] = list(both.lines)
            found[f"{name} text"] = "".join(log_queries.job_text(job))
        job = next(iter(house_jobs.values()))
        of = queries.launch_of(job)
        found["launch"] = "".join(log_queries.launch_text(of, queries.runs_of(of)))
        return found

    house_jobs = house.jobs(launch)
    return dict(house.read(read))


def whole(house: House, launch: str) -> dict[str, Any]:
    """Read a launch's jobs line by line and as text, and search: enough to see that nothing moved."""

    def read() -> dict[str, Any]:
        return {
            name: (
                _pages(job, 7),
                "".join(log_queries.job_text(job)),
                list(log_queries.search(job, "ok", limit=4).hits),
            )
            for name, job in house_jobs.items()
        }

    house_jobs = house.jobs(launch)
    return dict(house.read(read))


def _pages(job: Job, step: int) -> list[Any]:
    seen: list[Any] = []
    after = 0
    while part := read_lines(job, Wanted(after=after, limit=step)).lines:
        seen.append([line_data(line) for line in part])
        after = part[-1].line_number
    return seen


def _back(job: Job, step: int) -> list[Any]:
    seen: list[Any] = []
    before = job.log_lines + 1
    while part := log_queries.tail(job, before=before, limit=step).lines:
        seen.append(list(part))
        before = part[0]["n"]
    return seen


def use(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Run with other settings."""
    monkeypatch.setattr(runtime, "_settings", runtime.settings().model_copy(update=changes))


def seal(house: House) -> int:
    """Seal everything that is due; return how many lines were moved."""
    with house.context():
        return sealing.seal_old_lines(seconds=60)
