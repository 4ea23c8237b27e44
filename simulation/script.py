"""What a simulated engine will write, drawn from the seed, and what the database has to hold of it.

The expectation is computed here from the records, on its own: not by the code under test.
"""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from app.runners.base import FailureCode, HostResult, RunResult

_HANDS_OVER = 0.3  # share of runs that hand over an artifact
_NEVER_ENDS_WELL = 0.25  # share of runs with a server that fails


@dataclass
class Script:
    """Records in their order, with the pauses between them."""

    records: list[dict[str, Any]]
    lines: list[bytes]
    pauses: list[float]
    at_once: int  # records appended together
    tears: bool  # sometimes half a record stands there for a while
    leaves_word: bool
    notices_after: float  # seconds until it sees that its executor is gone
    result: RunResult
    ended_after: dict[str, int] = field(default_factory=dict)  # host -> records after which it was done


@dataclass
class Expected:
    """Rows that belong to a number of records; hosts by name."""

    lines: dict[str, list[tuple[int, int, int, str]]]  # host -> (number, run_seq, task_seq, text)
    run_lines: list[tuple[int, int, str]]
    tasks: list[tuple[int, int]]  # (task_seq, run_seq)
    results: dict[str, list[tuple[int, str, int | None, int | None]]]  # host -> (task_seq, status, first, last)
    first_failure: dict[str, int]
    artifacts: list[tuple[str, int, int, bytes]] = field(default_factory=list)  # name, piece, is it the last, bytes


def write_script(rng: random.Random, hosts: Sequence[str], moment: float) -> Script:
    """Draw an engine's whole output."""
    records: list[dict[str, Any]] = [{"k": "play", "p": "Play", "t": moment}]
    alive = list(hosts)
    failed: dict[str, int] = {}
    ended: dict[str, int] = {}
    tasks = rng.choice((1, 1, 2, 3))
    bad = rng.choice(hosts) if hosts and rng.random() < _NEVER_ENDS_WELL else None
    bad_task = rng.randint(1, tasks)
    for task in range(1, tasks + 1):
        records.append({"k": "task", "s": task, "p": "Play", "n": f"Task {task}", "m": "debug", "f": "", "t": moment})
        for host in list(alive):
            for number in range(rng.choice((0, 1, 1, 3))):
                text = f"{host} task {task} line {number}"
                records.append(_line(host, task, f"{text} {zlib.crc32(text.encode()):08x}", moment))
            if rng.random() < 0.1:
                records.append(_line(rng.choice((None, "localhost")), task, f"beside {host} {task}", moment))
            fails = host == bad and task == bad_task
            status = "failed" if fails else rng.choice(("ok", "changed"))
            records.append({"k": "res", "h": host, "s": task, "st": status, "d": 5, "df": None, "t": moment})
            if fails:
                failed[host] = task
                alive.remove(host)
                ended[host] = len(records)
    for host in alive:
        ended[host] = len(records)
    if rng.random() < _HANDS_OVER:
        last = rng.choice((0, 1, 2))
        for piece in range(last + 1):
            data = base64.b64encode(f"piece {piece}".encode()).decode()
            records.append({"k": "art", "n": "plan", "i": piece, "z": int(piece == last), "d": data})
    results = {
        host: HostResult(FailureCode.TASK_FAILED, "A task failed.", f"Task {failed[host]}", "debug")
        if host in failed
        else HostResult(None)
        for host in hosts
    }
    code = FailureCode.TASK_FAILED if failed else None
    return Script(
        records=records,
        lines=[json.dumps(record, separators=(",", ":")).encode() for record in records],
        pauses=[rng.choice((0.01, 0.05, 0.2, 0.6)) for _ in range(5)],
        at_once=rng.choice((1, 2, 5)),
        tears=rng.random() < 0.3,
        leaves_word=rng.random() < 0.95,
        notices_after=rng.choice((0.01, 0.2, 2.0)),
        result=RunResult(2 if failed else 0, code, "", results, "simulated"),
        ended_after=ended,
    )


def _line(host: str | None, task: int, text: str, moment: float) -> dict[str, Any]:
    return {"k": "line", "h": host, "s": task, "v": "INFO", "x": text, "t": moment}


def expect(records: Sequence[dict[str, Any]], hosts: Sequence[str]) -> Expected:
    """Return the rows that belong to these records."""
    found = Expected({host: [] for host in hosts}, [], [], {host: [] for host in hosts}, {})
    for ordinal, record in enumerate(records):
        host = record.get("h")
        if record["k"] == "task":
            found.tasks.append((record["s"], ordinal))
        elif record["k"] == "art":
            found.artifacts.append((record["n"], record["i"], record["z"], base64.b64decode(record["d"])))
        elif record["k"] == "line" and host in found.lines:
            mine = found.lines[host]
            mine.append((len(mine) + 1, ordinal, record["s"], record["x"]))
        elif record["k"] == "line":
            found.run_lines.append((ordinal, record["s"], record["x"]))
        elif record["k"] == "res" and host in found.results:
            numbers = [line[0] for line in found.lines[host] if line[2] == record["s"]]
            first, last = (numbers[0], numbers[-1]) if numbers else (None, None)
            found.results[host].append((record["s"], record["st"], first, last))
            if record["st"] in ("failed", "unreachable") and first is not None:
                found.first_failure.setdefault(host, first)
    return found
