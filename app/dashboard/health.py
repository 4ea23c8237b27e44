"""Whether this process lives, and whether the platform can do its work: each part on its own, without secrets."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import redis
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError

from app.core import wake
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.schema_version import schema_problem
from app.core.version import VERSION
from app.jobs.leader import LOCK_NAME
from app.jobs.models import Worker
from app.jobs.workers import SILENT_SECONDS

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """One dependency. ``needed`` parts decide the answer; without the others pages still work."""

    name: str
    ok: bool
    needed: bool
    message: str


def alive() -> dict[str, str]:
    """Return the answer of a living process; asks nothing else."""
    return {"status": "ok", "version": VERSION}


def readiness() -> tuple[bool, list[Part]]:
    """Return whether this process can serve requests, and the state of every part. Opens units of its own."""
    database = _asked("database", True, _database)
    parts = [database]
    if database.ok:
        schema = _asked("schema", True, _schema)
        parts.append(schema)
    parts.append(_asked("redis", False, ask_redis))
    if database.ok:
        parts += [_asked("worker", False, _worker), _asked("keeper", False, _keeper)]
    return all(part.ok for part in parts if part.needed), parts


def _asked(name: str, needed: bool, ask: Callable[[], str | None]) -> Part:
    try:
        problem = ask()
    except (SQLAlchemyError, redis.RedisError, OSError) as error:
        # The text of such errors names hosts and accounts: it belongs into the log only.
        log.warning("%s is not ready: %s", name, type(error).__name__)
        problem = "does not answer"
    return Part(name, problem is None, needed, problem or "ok")


def _database() -> str | None:
    with unit_of_work(writes=False):
        database_now()
    return None


def _schema() -> str | None:
    return schema_problem()


def ask_redis() -> str | None:
    """Return None when Redis answers a ping; redis.RedisError or OSError otherwise. Waits 0.3 s at most."""
    client = wake.connect()
    try:
        client.ping()
    finally:
        client.close()
    return None


def _worker() -> str | None:
    with unit_of_work(writes=False):
        since = database_now() - timedelta(seconds=SILENT_SECONDS)
        seen = db.session.scalar(select(Worker.id).where(Worker.last_seen_at > since).limit(1))
    return None if seen is not None else f"no worker has been seen for {SILENT_SECONDS} s; launches wait"


def _keeper() -> str | None:
    with unit_of_work(writes=False):
        return None if keeper_leads() else "no keeper leads; lost runs and due tickets are not noticed"


def keeper_leads() -> bool:
    """Say whether a keeper holds the leader's lock, on whichever host it runs. Wants an open unit of work."""
    if not settings().is_sqlite:
        return db.session.scalar(select(func.is_used_lock(LOCK_NAME))) is not None
    try:
        descriptor = os.open(settings().data_dir / "keeper.lock", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
