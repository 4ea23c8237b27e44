"""``python -m chaos.shipper FOLDER SERVER KILLS SEED``: one long spool, and shippers killed while they ship it.

The platform's settings stand in the environment. A run with one job is made and begun as a worker would, its spool is
written, then one child after the other goes on shipping it until it is killed; the last one comes to the end. Prints
one line of JSON: lines, kills, and how many children had stored something before they were killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from sqlalchemy import select

from app import create_app
from app.accounts.models import User
from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.inventory.models import Server
from app.jobs.database_port import DatabasePort
from app.jobs.kinds import PreparedRun
from app.jobs.log_sink import LogSink
from app.jobs.models import Job, Launch, Run
from app.jobs.port import Carrier, Claim
from app.jobs.status import LockMode
from app.jobs.workers import this_process
from app.runners.base import HostResult, RunResult, RunSpec
from app.runners.spool import SpoolWriter
from chaos.standin import line

LINES_A_KILL = 1_200
BATCH = 1_000  # lines; the product's
SHORTEST, LONGEST = 0.001, 0.1  # seconds that a shipper lives; longer where the machine is slow


def _make_run(server_id: int) -> tuple[int, int, str]:
    with system_scope("chaos"), unit_of_work() as session:
        host = session.scalars(select(Server).where(Server.id == server_id)).one()
        somebody = session.scalars(select(User.id).where(User.tenant_id == 1).limit(1)).one()
        launch = Launch(
            tenant_id=1, kind="chaos", subject_type="chaos", subject_id=1, title="chaos", user_id=somebody,
            source="cli", inputs={}, open_runs=1, jobs_total=1,
        )  # fmt: skip
        session.add(launch)
        session.flush()
        run = Run(tenant_id=1, launch_id=launch.id, kind="chaos", lock_mode=LockMode.SHARED, timeout_seconds=60)
        session.add(run)
        session.flush()
        job = Job(tenant_id=1, kind="chaos", launch_id=launch.id, run_id=run.id, user_id=somebody, server_id=host.id)
        session.add(job)
        session.flush()
        return run.id, job.id, host.hostname


def _ship_once(port: DatabasePort, claim: Claim, spool: Path, jobs: dict[str, int]) -> None:
    """What a child does: open connections of its own, ship to the end, say so by its exit code."""
    db.engine.dispose(close=False)
    LogSink(port, claim, spool, jobs).ship_all()
    os._exit(0)


def _stored(run_id: int) -> int:
    with system_scope("chaos"), unit_of_work(writes=False) as session:
        return int(session.scalar(select(Run.shipped_records).where(Run.id == run_id)) or 0)


def main(arguments: list[str]) -> int:
    """Do it; returns the exit code."""
    folder, server_id, kills, seed = Path(arguments[0]), int(arguments[1]), int(arguments[2]), arguments[3]
    chance = random.Random(seed)  # noqa: S311 - replayed by its seed
    lines = kills * LINES_A_KILL
    with create_app().app_context():
        run_id, job_id, host = _make_run(server_id)
        port = DatabasePort()
        claim = port.claim(run_id, Carrier(this_process(), settings().host_name, None))
        assert claim is not None
        assert port.begin(claim, PreparedRun(RunSpec(claim.run_uuid, 1, "ansible", 60, {}), {host: job_id}))
        marker = f"{claim.run_uuid}.{claim.attempt}"
        (folder / "ledger").write_text(f"{marker} {os.getpid()} {host}\n", encoding="utf-8")
        (folder / "sent").write_text(f"{marker} {host} {lines}\n", encoding="utf-8")
        spool = folder / "shipped"
        spool.mkdir()
        writer = SpoolWriter(spool)
        for number in range(1, lines + 1):
            text = line(marker, host, number, 60)
            writer.append_line(text, host=host, seq=0, level="INFO", now=time.time())
        writer.close()
        killed = midway = 0
        longest = LONGEST
        while True:
            before = _stored(run_id)
            db.engine.dispose()
            child = os.fork()
            if child == 0:
                _ship_once(port, claim, spool, {host: job_id})
            if killed < kills:
                time.sleep(chance.uniform(SHORTEST, longest))
                os.kill(child, signal.SIGKILL)
            _pid, status = os.waitpid(child, 0)
            if os.WIFEXITED(status):
                assert os.WEXITSTATUS(status) == 0, "a shipper failed"
                break
            killed += 1
            stored = _stored(run_id) - before
            midway += stored > 0
            # About every second one shall get somewhere, none far: the spool has to last for all of them.
            longest *= 1.1 if not stored else 0.8 if stored > BATCH else 1.0
        port.finish(
            claim, RunResult(0, None, "", {host: HostResult(None)}), hosts_by_job={job_id: host}, log_complete=True
        )
    print(json.dumps({"lines": lines, "kills": killed, "midway": midway}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
