"""Whether this process lives, and whether the platform can do its work: each part on its own, without secrets.

Every answer is bounded: the database is asked on a connection of its own that waits ``probe.ANSWER_SECONDS``, Redis
for a third of a second, and who asks while another is asking shares the answer.
"""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import redis
from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from app.core import wake
from app.core.clock import iso
from app.core.db import db
from app.core.db_time import db_now
from app.core.probe import looking
from app.core.queue import PROTOCOL
from app.core.runtime import settings
from app.core.schema_version import schema_problem
from app.core.single_flight import SingleFlight
from app.core.version import VERSION
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.keeper import KEEPER_FLAG, STUCK_SECONDS
from app.jobs.leader import LOCK_NAME
from app.jobs.models import PlatformFlag, Worker
from app.jobs.workers import SILENT_SECONDS

log = logging.getLogger(__name__)

MEBIBYTE = 1_048_576
# An answer that is being asked for is waited for this long, then the database counts as hanging: with the time of
# the asking itself, nobody waits two seconds.
SHARED_SECONDS = 0.9
PROBE_KEY = "millwright:probe"  # written by whoever asks for Redis's state; gone a minute later


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
    """Return whether this process can serve requests, and the state of every part. Wants no unit of work."""
    parts = _flight.get(SHARED_SECONDS)
    if parts is None:
        parts = [Part("database", False, True, "does not answer")]
    return all(part.ok for part in parts if part.needed), parts


def _look() -> list[Part]:
    parts: list[Part] = []
    try:
        with looking() as session:
            now: datetime = session.scalars(select(db_now())).one()
            parts.append(Part("database", True, True, "ok"))
            problem = schema_problem(session)
            parts.append(Part("schema", problem is None, True, problem or "ok"))
            if problem is None:  # the tables of another version may have other columns
                parts += [_workers(session, now), _versions(session, now), _keeper(session, now), _dispatch(session)]
    except (SQLAlchemyError, OSError) as error:
        # The text of such errors names hosts and accounts: it belongs into the log only.
        log.warning("database is not ready: %s", type(error).__name__)
        parts = [Part("database", False, True, "does not answer"), *(part for part in parts if part.name == "schema")]
    return [*parts, _asked("redis", ask_redis), _disk()]


_flight: SingleFlight[list[Part]] = SingleFlight(_look)


def _asked(name: str, ask: Callable[[], str | None]) -> Part:
    try:
        problem = ask()
    except (redis.RedisError, OSError) as error:
        log.warning("%s is not ready: %s", name, type(error).__name__)
        problem = "does not answer; launches are taken and start later, live logs look once a second"
    return Part(name, problem is None, False, problem or "ok")


def ask_redis() -> str | None:
    """Return None when Redis takes a write, else why it takes none; redis.RedisError or OSError when it is not there.

    Waits 0.3 s at most for each answer. A Redis whose disk is full, or that has lost its replicas, answers a ping and
    refuses doorbells.
    """
    client = wake.connect()
    try:
        client.set(PROBE_KEY, b"1", ex=60)
    except redis.ResponseError as error:
        log.warning("redis refuses writes: %s", error)
        return f"refuses writes ({type(error).__name__}); launches are taken and start when it writes again"
    finally:
        client.close()
    return None


def _workers(session: Session, now: datetime) -> Part:
    seen = session.scalar(select(Worker.id).where(Worker.last_seen_at > _since(now)).limit(1))
    problem = None if seen is not None else f"no worker has been seen for {SILENT_SECONDS} s; launches wait"
    return Part("worker", problem is None, False, problem or "ok")


def _since(now: datetime) -> datetime:
    return now - timedelta(seconds=SILENT_SECONDS)


def _versions(session: Session, now: datetime) -> Part:
    """Workers of another version: said while an upgrade is under way, wrong when they cannot understand each other."""
    rows = session.execute(
        select(Worker.version, Worker.protocol, func.count())
        .where(Worker.last_seen_at > _since(now))
        .group_by(Worker.version, Worker.protocol)
    ).all()
    others = [f"{count} of version {version}" for version, _protocol, count in rows if version != VERSION]
    strangers = [version for version, protocol, _count in rows if abs(protocol - PROTOCOL) > 1]
    if strangers:
        text = f"workers of version {', '.join(sorted(strangers))} take nothing from this one ({VERSION}): upgrade them"
        return Part("versions", False, False, text)
    return Part("versions", True, False, f"{', '.join(others)}; this is {VERSION}" if others else "ok")


def _keeper(session: Session, now: datetime) -> Part:
    problem = keeper_problem(session, now)
    return Part("keeper", problem is None, False, problem or "ok")


def keeper_problem(session: Session, now: datetime) -> str | None:
    """Say what is wrong with the keeper, None when one leads and has lately finished a round of its chores."""
    if not keeper_leads(session):
        return "no keeper leads; lost runs and due tickets are not noticed. Start `flask keeper`"
    seen = session.get(PlatformFlag, KEEPER_FLAG)
    silent = None if seen is None else (now - seen.set_at).total_seconds()
    if silent is not None and silent > STUCK_SECONDS:
        return (
            f"a keeper holds the lead and has finished no round for {silent:.0f} s; lost runs and due tickets are not "
            "noticed. Look at its log, restart it"
        )
    return None


def keeper_leads(session: Session) -> bool:
    """Say whether a keeper holds the leader's lock, on whichever host it runs."""
    if not settings().is_sqlite:
        return session.scalar(select(func.is_used_lock(LOCK_NAME))) is not None
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


def _dispatch(session: Session) -> Part:
    """A pause is somebody's wish and no failure; why stands on the page of workers, not here where anybody reads."""
    flag = session.get(PlatformFlag, PAUSED_FLAG)
    return Part(
        "dispatch", True, False, "ok" if flag is None else f"paused since {iso(flag.set_at)}; nothing is started"
    )


def _disk() -> Part:
    path = settings().data_dir
    while not path.exists() and path != path.parent:  # before the first worker has made it
        path = path.parent
    try:
        status = os.statvfs(path)
    except OSError as error:
        return Part("disk", False, False, f"the data folder cannot be read ({error.strerror})")
    free = status.f_bavail * status.f_frsize
    if free < settings().minimum_free_bytes:
        return Part("disk", False, False, f"{free // MEBIBYTE} MiB are free; workers of this machine take nothing")
    return Part("disk", True, False, "ok")


def present_keeper_problem() -> str | None:
    """Say what is wrong with the keeper, for a page; part of the request's unit of work."""
    session = db.session()
    return keeper_problem(session, session.scalars(select(db_now())).one())
