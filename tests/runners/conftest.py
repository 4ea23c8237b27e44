"""Real runs: a supervisor and a real ansible-playbook on local connections."""

from __future__ import annotations

import textwrap
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app.runners import launcher
from app.runners.base import RunFile, RunResult, RunSpec
from app.runners.cgroup import NO_LIMITS
from app.runners.launcher import RunHandle
from app.runners.process import census
from app.runners.spool import SpoolReader

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": "/usr/bin/python3"}


def local_hosts(*names: str) -> list[dict[str, Any]]:
    return [{"name": name, "vars": dict(LOCAL)} for name in names]


@dataclass
class Ended:
    result: RunResult
    records: list[dict[str, Any]]
    handle: RunHandle

    def of(self, kind: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            record
            for record in self.records
            if record["k"] == kind and all(record.get(key) == value for key, value in wanted.items())
        ]

    def text(self, host: str | None) -> str:
        return "\n".join(record["x"] for record in self.of("line", h=host))

    @property
    def everything(self) -> str:
        return "\n".join(map(str, self.records))

    def codes(self) -> dict[str, str | None]:
        return {name: host.failure_code for name, host in self.result.hosts.items()}

    def states(self, task: str) -> dict[str, str]:
        seqs = {record["s"] for record in self.of("task", n=task)}
        return {record["h"]: record["st"] for record in self.of("res") if record["s"] in seqs}


def read_all(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with SpoolReader(path) as reader:
        found = []
        while batch := reader.read(1000, 1_000_000):
            found += [record for _ordinal, record in batch]
        return found


class Runs:
    def __init__(self, root: Path) -> None:
        self.workspaces, self.spools = root / "w", root / "s"
        self.handles: list[RunHandle] = []

    def spec(
        self,
        book: str,
        *,
        hosts: list[dict[str, Any]] | None = None,
        files: dict[str, str | bytes] | None = None,
        secrets: tuple[str, ...] = (),
        timeout: int = 120,
        environment: dict[str, str] | None = None,
        **parameters: Any,
    ) -> RunSpec:
        contents: dict[str, str | bytes] = {"site.yml": textwrap.dedent(book), **(files or {})}
        return RunSpec(
            run_uuid=str(uuid.uuid4()),
            attempt=1,
            engine="ansible",
            timeout_seconds=timeout,
            parameters={"playbook": "site.yml", "hosts": hosts or local_hosts("a"), **parameters},
            files=tuple(
                RunFile(path, data.encode() if isinstance(data, str) else data) for path, data in contents.items()
            ),
            secrets=secrets,
            environment=environment or {},
        )

    def start(self, book: str, **given: Any) -> RunHandle:
        limits = given.pop("run_limits", NO_LIMITS)
        spec = self.spec(book, **given)
        handle = launcher.start(spec, workspace_root=self.workspaces, spool_root=self.spools, limits=limits)
        self.handles.append(handle)
        return handle

    def run(self, book: str, **given: Any) -> Ended:
        return self.end(self.start(book, **given))

    def end(self, handle: RunHandle) -> Ended:
        assert handle.wait(150)
        result = handle.result()
        log = (handle.spool_dir / launcher.LOG_NAME).read_text()
        assert result is not None, log
        assert not log
        assert census(handle.marker) == set()
        return Ended(result, read_all(handle.spool_path), handle)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    made = Runs(tmp_path)
    yield made
    for handle in made.handles:
        handle.close()
    assert not list(made.workspaces.glob("*")), "a workspace was left behind"


Wait = Callable[[Callable[[], Any]], Any]


@pytest.fixture
def wait_for() -> Wait:
    import time

    def wait(condition: Callable[[], Any], seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := condition()):
            assert time.monotonic() < deadline, "what was waited for did not come"
            time.sleep(0.02)
        return value

    return wait
