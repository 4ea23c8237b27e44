"""Has configurations read by a process of its own: they come from strangers, and a parser may take long or much."""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from app.runners import bounded_process
from app.runners.bounded_process import Bounds
from app.terraform.configuration.shapes import Configuration, Problem, from_data

SECONDS = 60.0
MEMORY_BYTES = 1_073_741_824  # of address space
OUTPUT_BYTES = 67_108_864
MAX_FILE_BYTES = 1_048_576  # of one file
_ROOT = Path(__file__).resolve().parents[3]
_NO_MEMORY = ("MemoryError", "Cannot allocate memory", "failed to map segment")


class ReadingFailed(Exception):
    """The reading process ended by an error of its own; nothing is known of the files."""


def read_bounded(files: Mapping[str, bytes], working_directory: str = "", *, seconds: float = SECONDS) -> Configuration:
    """Return what the configuration declares, or the one problem that it could not be read within its bounds.

    Raises ReadingFailed when the process could do nothing: an error of the platform, not of the files.
    """
    kept, problems = {}, []
    for path, data in files.items():
        if not path.endswith((".tf", ".tf.json")):
            continue
        if len(data) > MAX_FILE_BYTES:
            said = f"The file has more than {MAX_FILE_BYTES // 1024} KiB; it is not read."
            problems.append(Problem(path, None, said))
        else:
            kept[path] = base64.b64encode(data).decode()
    with tempfile.TemporaryDirectory(prefix="configuration-") as folder:
        asked = Path(folder) / "asked.json"
        asked.write_text(json.dumps({"files": kept, "working_directory": working_directory}), encoding="utf-8")
        done = bounded_process.run(
            [sys.executable, "-E", "-s", "-m", "app.terraform.configuration.child"],
            timeout=seconds,
            stdin=asked,
            cwd=_ROOT,
            bounds=Bounds(output_bytes=OUTPUT_BYTES, memory_bytes=MEMORY_BYTES),
        )
    is_too_large = (done.code is not None and done.code < 0) or any(word in done.error for word in _NO_MEMORY)
    if done.code and not is_too_large:
        words = done.error.strip().splitlines()[-1:]
        raise ReadingFailed(f"exit code {done.code}: {(words or ['no word'])[0][:500]}")
    if done.code != 0:
        why = {
            "time": f"Reading the configuration took more than {seconds:g} seconds; it was given up.",
            "output": "The configuration declares more than what is kept; it was not read.",
        }.get(done.ended_by, "Reading the configuration needed more memory than it may have; it was given up.")
        return Configuration(problems=[*problems, Problem("", None, why)], is_whole=False)
    try:
        found = from_data(json.loads(done.raw))
    except (ValueError, KeyError, TypeError) as error:
        raise ReadingFailed(f"its answer cannot be read: {type(error).__name__}") from error
    if problems:
        found.problems[:0] = problems
        found.is_whole = False
    return found
