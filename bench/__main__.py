"""``python -m bench [row ...]``: run the named rows, or all, and write build/bench.json."""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import platform
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import bench
from bench.rows import Row, table

OUTPUT = Path(__file__).resolve().parents[1] / "build" / "bench.json"


def rows() -> dict[str, Callable[[], Row | list[Row]]]:
    """Every row by name, from the modules of this package."""
    found: dict[str, Callable[[], Row | list[Row]]] = {}
    for module in sorted(pkgutil.iter_modules(bench.__path__), key=lambda module: module.name):
        if module.name not in ("__main__", "ground", "rows", "viewers"):
            found.update(getattr(importlib.import_module(f"bench.{module.name}"), "ROWS", {}))
    return found


def main(names: list[str]) -> int:
    """Measure and write; 1 when a row failed, 2 for an unknown name. Earlier rows not measured again are kept."""
    known = rows()
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Linux {platform.release()}"
    kept = json.loads(OUTPUT.read_text(encoding="utf-8")) if OUTPUT.exists() else []
    measured: list[Row] = []
    failed: list[str] = []
    for name in names or known:
        print(f"measuring: {name}", file=sys.stderr, flush=True)
        try:
            made = known[name]()
        except Exception:  # the other rows are measured all the same
            traceback.print_exc()
            failed.append(name)
            continue
        for row in made if isinstance(made, list) else [made]:
            measured.append(row)
            kept = [other for other in kept if other["row"] != row["row"]]
            stored = {key: value for key, value in row.items() if key != "aim"}
            moment = datetime.now(UTC).isoformat(timespec="seconds")
            kept.append({**stored, "machine": machine, "date": moment})
        OUTPUT.parent.mkdir(parents=True, exist_ok=True)
        OUTPUT.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    print(table(measured))
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
