"""``python -m simulation``: play histories, replay one, or play without a mechanism. See ``--help``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import shutil
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from simulation.histories import begin, close_house, play_piece, replay
from simulation.house import House, new_folder
from simulation.report import Summary

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "simulation.json"
SHARE = 250  # histories that a process plays in one piece


def main() -> int:
    """Return 0 when every invariant held, 1 when one broke (with ``--without``: the other way round)."""
    options = _options()
    # The order of sets of text decides some orders in the product: a history must be the same everywhere.
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "simulation", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    for number in (signal.SIGINT, signal.SIGTERM):  # both end it with what was played until then
        signal.signal(number, signal.default_int_handler)
    if options.replay is not None:
        return _replay(options.replay, options.without, shrink=options.shrink)
    began = time.monotonic()
    summary = _play(options)
    summary.seconds = time.monotonic() - began
    print(summary.text())
    if options.without:
        return 0 if summary.broken else 1
    OUTPUT.parent.mkdir(parents=True, exist_ok=True)
    document = {
        **summary.document(),
        "first_seed": options.seed,
        "processes": options.processes,
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    OUTPUT.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return 1 if summary.broken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--histories", type=int, default=1000, help="how many to play")
    parser.add_argument("--seed", type=int, default=1, help="the first one's seed; the others follow")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seconds", type=float, default=None, help="begin none after so many seconds")
    parser.add_argument("--without", metavar="MECHANISM", help="take a mechanism away; it has to be missed")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first broken history")
    parser.add_argument("--replay", type=int, metavar="SEED", help="print one history step by step")
    parser.add_argument("--shrink", action="store_true", help="with --replay: leave out faults that it breaks without")
    return parser.parse_args()


def _play(options: argparse.Namespace) -> Summary:
    summary = Summary()
    pieces = [
        (first, min(SHARE, options.seed + options.histories - first), options.without, not options.keep_going)
        for first in range(options.seed, options.seed + options.histories, SHARE)
    ]
    deadline = None if options.seconds is None else time.monotonic() + options.seconds
    folder = new_folder()
    try:
        template = folder / "template.db"
        House(folder=folder / "made").copy_to(template)
        context = multiprocessing.get_context("spawn")
        with context.Pool(min(options.processes, len(pieces)), initializer=begin, initargs=(template, folder)) as pool:
            for piece in pool.imap_unordered(play_piece, pieces):
                summary.add(piece)
                _say(summary, piece)
                if (summary.broken and not options.keep_going) or (deadline and time.monotonic() > deadline):
                    break
            pool.terminate()
            pool.join()
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return summary


def _say(summary: Summary, piece: Summary) -> None:
    """Tell how far it is: in one line on a terminal, else in one for each piece; what is broken at once."""
    end = "" if sys.stderr.isatty() and not piece.broken else "\n"
    print(f"\r{summary.histories} histories, {len(summary.broken)} broken", end=end, file=sys.stderr, flush=True)
    for seed, what, faults in piece.broken:
        print(f"seed {seed}: {what}\n  faults: {faults}", file=sys.stderr, flush=True)


def _replay(seed: int, name: str | None, *, shrink: bool) -> int:
    try:
        outcome = replay(seed, name, shrink=shrink)
    finally:
        close_house()
    print("\n".join(outcome.trace))
    print(f"\nseed {seed}: {outcome.broken or 'every invariant held'}")
    print("faults: " + (", ".join(map(str, outcome.faults)) or "none"))
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
