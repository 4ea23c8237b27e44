"""Ships a run's spool to the database: numbered, in order, exactly once.

The numbering is a pure function of the spool: the ordinal of a record is its ``run_seq``, and a job's line
numbers count its line records. Where shipping goes on is stored with each batch, in the same transaction, so
a second shipper after kill -9 continues without loss or double. Lines of hosts that are not jobs of the run
(``localhost``, or none) become run lines.
"""

from __future__ import annotations

import base64
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.core.retry import retrying
from app.core.wake import wake
from app.jobs.closing import run_topic
from app.jobs.port import ArtifactPiece, Claim, EnginePort, GatheredFacts, LogBatch
from app.runners.spool import SPOOL_NAME, SpoolReader

log = logging.getLogger(__name__)

BATCH_RECORDS = 1000  # at most 1,000 rows or 1 MiB in one INSERT
BATCH_BYTES = 1_048_576
NAMED_JOBS = 50  # in the log line by which a job is found; a run may have thousands
_FAILED = frozenset({"failed", "unreachable"})


class _Clock:
    """Formats epoch seconds as the database wants them, caching the second and the last moment."""

    def __init__(self) -> None:
        self._second = -1
        self._day_time = ""
        self._epoch = -1.0  # lines that were read together carry the same moment
        self._text = ""

    def text(self, epoch: float) -> str:
        if epoch == self._epoch:
            return self._text
        second = int(epoch)
        if second != self._second:
            self._second = second
            self._day_time = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%d %H:%M:%S")
        self._epoch = epoch
        self._text = f"{self._day_time}.{int((epoch - second) * 1_000_000):06d}"
        return self._text


class LogSink:
    """The shipper of one run. Not thread-safe; one owner at a time, a second one is sorted out by the port."""

    def __init__(self, port: EnginePort, claim: Claim, spool_dir: Path, jobs_by_host: dict[str, int]) -> None:
        self._port = port
        self._claim = claim
        self._path = spool_dir / SPOOL_NAME
        self._jobs = jobs_by_host
        self._clock = _Clock()
        self._reader: SpoolReader | None = None
        self._counts: dict[int, int] = {}
        self._first_failures: dict[int, int] = {}
        self._ranges: dict[tuple[int, int], tuple[int, int]] = {}
        self._resumed = False

    def _open(self) -> SpoolReader | None:
        if self._reader is None:
            if not self._path.exists():
                return None
            state = retrying(lambda: self._port.sink_state(self._claim), attempts=None)
            job_ids = list(state.job_uuids.values())
            more = {"jobs": len(job_ids), "job_ids": job_ids[:NAMED_JOBS], "from_record": state.next_record}
            log.info("run.shipping", extra=more)
            self._reader = SpoolReader(self._path, state.next_byte, state.next_record)
            self._counts = dict(state.line_counts)
            self._first_failures = dict(state.first_failures)
            self._ranges = {}
            self._resumed = state.next_record > 0
        return self._reader

    def ship_available(self) -> int:
        """Store one batch of what the spool holds by now; return how many records (0: nothing new).

        Waits out a database that is away, for as long as it takes. Raises port.Fenced.
        """
        reader = self._open()
        if reader is None:
            return 0
        records = reader.read(BATCH_RECORDS, BATCH_BYTES)
        if not records:
            return 0
        batch = self._batch(records, reader.offset)
        stored = retrying(lambda: self._port.ship(self._claim, batch), attempts=None)
        if not stored:
            self.close()  # another shipper, or a commit whose answer was lost: go on from what is stored
            return len(records)
        self._forget_old_ranges()
        wake(run_topic(self._claim.run_id))
        return len(records)

    def ship_all(self) -> None:
        """Ship until the end of the spool as it stands."""
        while self.ship_available():
            pass

    def close(self) -> None:
        """Close the spool; shipping may go on later from what is stored."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def _forget_old_ranges(self) -> None:
        if len(self._ranges) > 20_000:  # the database still knows them (line_range)
            self._ranges.clear()
            self._resumed = True

    def _batch(self, records: list[tuple[int, dict[str, Any]]], next_byte: int) -> LogBatch:
        batch = LogBatch(records[0][0], records[-1][0] + 1, next_byte)
        for ordinal, record in records:
            kind = record["k"]
            if kind == "line":
                self._line(batch, ordinal, record)
            elif kind == "task":
                self._task(batch, ordinal, record)
            elif kind == "res":
                self._result(batch, record)
            elif kind == "art":
                data = base64.b64decode(record["d"])
                batch.artifacts.append(ArtifactPiece(record["n"], int(record["i"]), bool(record["z"]), data))
            elif kind == "facts" and (job_id := self._jobs.get(record["h"])) is not None:
                found = GatheredFacts(job_id, record["t"], record["d"], int(record["z"]), tuple(record["x"]))
                batch.facts.append(found)
        return batch

    def _line(self, batch: LogBatch, ordinal: int, record: dict[str, Any]) -> None:
        task_seq, continued = record["s"], record.get("c", 0)
        moment = self._clock.text(record["t"])
        job_id = self._jobs.get(record["h"]) if record["h"] is not None else None
        tenant_id = self._claim.tenant_id
        if job_id is None:
            batch.run_lines.append(
                (tenant_id, self._claim.run_id, ordinal, task_seq, continued, record["x"], record["v"], moment)
            )
            return
        number = self._counts.get(job_id, 0) + 1
        self._counts[job_id] = batch.line_counts[job_id] = number
        first = self._ranges.get((job_id, task_seq), (number, number))[0]
        self._ranges[job_id, task_seq] = (first, number)
        batch.lines.append((tenant_id, job_id, number, ordinal, task_seq, continued, record["x"], record["v"], moment))

    def _task(self, batch: LogBatch, ordinal: int, record: dict[str, Any]) -> None:
        batch.tasks.append(
            (
                self._claim.tenant_id,
                self._claim.run_id,
                record["s"],
                ordinal,
                record["p"][:255],
                record["n"][:255],
                record["m"][:255],
                (record.get("f") or "")[:500] or None,
                self._clock.text(record["t"]),
            )
        )

    def _result(self, batch: LogBatch, record: dict[str, Any]) -> None:
        job_id = self._jobs.get(record["h"])
        if job_id is None:
            return
        task_seq = record["s"]
        lines = self._ranges.get((job_id, task_seq))
        if self._resumed:
            # Part of the task's lines may have been shipped before this shipper began.
            stored = retrying(lambda: self._port.line_range(self._claim, job_id, task_seq), attempts=None)
            if stored is not None:
                lines = (stored[0], max(stored[1], lines[1] if lines else 0))
        if lines is not None and record["st"] in _FAILED and job_id not in self._first_failures:
            self._first_failures[job_id] = batch.first_failures[job_id] = lines[0]
            batch.line_counts.setdefault(job_id, self._counts[job_id])
        first, last = lines or (None, None)
        batch.results.append(
            (self._claim.tenant_id, job_id, task_seq, record["st"], int(record["d"]), first, last, record.get("df"))
        )
