"""Viewers of live logs by the hundred: one process, plain sockets, server-sent events.

Each line that the load prints holds the moment at which it was made (``at=<seconds since the epoch>``); a viewer
subtracts it from the moment at which the line reached it. Lines count from SETTLE seconds after the last viewer came.
Run as ``python -m bench.viewers HOST PORT SECONDS COMING`` (COMING: seconds between two viewers) with a JSON list of
requests ([{"path": ..., "headers": {...}, "kind": "reads" | "sleeps"}]) on standard input; prints JSON.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any

SETTLE = 3.0
_AT = re.compile(r"at=(\d+\.\d+)")


@dataclass
class Seen:
    """What the viewers of one process saw. ``delays`` in seconds, one for each line and viewer."""

    since: float  # lines made before do not count
    delays: list[float] = field(default_factory=list)
    gaps: int = 0  # lines that a viewer's stream left out
    doubled: int = 0
    statuses: dict[int, int] = field(default_factory=dict)
    cut: int = 0  # streams that ended with an error


async def _view(seen: Seen, host: str, port: int, request: dict[str, Any], until: float) -> None:
    reader, writer = await asyncio.open_connection(host, port, limit=64 * 1024 * 1024)
    head = "".join(f"{name}: {value}\r\n" for name, value in request["headers"].items())
    writer.write(f"GET {request['path']} HTTP/1.1\r\nHost: {host}:{port}\r\n{head}\r\n".encode())
    await writer.drain()
    try:
        status = int((await reader.readline()).split()[1])
        seen.statuses[status] = seen.statuses.get(status, 0) + 1
        while (await reader.readline()).strip():
            pass
        if status != 200:
            return
        if request.get("kind") == "sleeps":
            await asyncio.sleep(until - time.time())
            return
        await _read(seen, reader, until)
    except (ConnectionError, IndexError, ValueError, asyncio.IncompleteReadError):
        seen.cut += 1
    finally:
        writer.close()


async def _read(seen: Seen, reader: asyncio.StreamReader, until: float) -> None:
    last: dict[str, int] = {}
    rest = b""
    while (left := until - time.time()) > 0:
        try:
            size = int(await asyncio.wait_for(reader.readline(), left), 16)
        except TimeoutError:
            return
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return
        now = time.time()
        *events, rest = (rest + chunk[:-2]).split(b"\n\n")
        for event in events:
            if b"event: lines\n" in event:
                _count(seen, last, json.loads(event.partition(b"data: ")[2]), now)


def _count(seen: Seen, last: dict[str, int], data: dict[str, Any], now: float) -> None:
    for line in data["lines"]:
        before = last.get(data["job"], line["n"] - 1)
        seen.gaps += max(0, line["n"] - before - 1)
        seen.doubled += line["n"] <= before
        last[data["job"]] = line["n"]
        found = _AT.search(line["x"])
        if found and float(found[1]) > seen.since:
            seen.delays.append(now - float(found[1]))


async def _all(host: str, port: int, seconds: float, coming: float, requests: list[dict[str, Any]]) -> Seen:
    seen = Seen(time.time() + len(requests) * coming + SETTLE)
    until = seen.since + seconds

    async def later(number: int, request: dict[str, Any]) -> None:
        await asyncio.sleep(number * coming)
        await _view(seen, host, port, request, until)

    await asyncio.gather(*(later(number, request) for number, request in enumerate(requests)))
    return seen


def main(arguments: list[str]) -> int:
    """View, then print what was seen."""
    host, port, seconds, coming = arguments
    seen = asyncio.run(_all(host, int(port), float(seconds), float(coming), json.load(sys.stdin)))
    json.dump(vars(seen), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
