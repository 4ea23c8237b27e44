"""After a restore: which runs were begun although the database says that they wait, host by host.

A worker compares its machine's journal with the database when it starts, and again when a restore is noted while it
lives. What it finds is reported in rows, so that ``flask ops resume`` on any machine knows of every host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from app.core.clock import iso
from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import closing, journal
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.journal import Entry
from app.jobs.models import PlatformFlag, Run, Worker
from app.jobs.models_operations import JournalReport, LostBegin
from app.jobs.status import RunStatus
from app.runners.base import FailureCode, RunResult

RESTORED_FLAG = "restored"  # platform_flags: the moment whose state the database has; gone with ``flask ops resume``
NOT_BEGUN = (RunStatus.PENDING, RunStatus.CLAIMED)
CHUNK = 500  # runs looked up in one query
HOST_DAYS = 7  # a host whose workers were last seen this long before the restored moment is not waited for
PAUSE_REASON = "runs were begun that the database does not know of; was it restored? flask ops resume"


@dataclass(slots=True)
class Compared:
    """Journal entries against the database. Entries stand in the journal's order."""

    lost: list[Entry] = field(default_factory=list)  # begun, and the database says that they wait
    unknown: list[Entry] = field(default_factory=list)  # begun, and the database has no such run


def compare(entries: Sequence[Entry]) -> Compared:
    """Compare entries with the database. Opens reading units of its own, one for each CHUNK."""
    found = Compared()
    for first in range(0, len(entries), CHUNK):
        part = entries[first : first + CHUNK]
        with system_scope("journal of begun runs"), unit_of_work(writes=False):
            rows = db.session.execute(select(Run.uuid, Run.status).where(Run.uuid.in_([e.run_uuid for e in part])))
            statuses: dict[str, RunStatus] = {row.uuid: row.status for row in rows}
        found.lost += [entry for entry in part if statuses.get(entry.run_uuid) in NOT_BEGUN]
        found.unknown += [entry for entry in part if entry.run_uuid not in statuses]
    return found


def report_if_wanted() -> bool:
    """Report this host's journal unless it was reported since the last restore; say whether it was."""
    with unit_of_work(writes=False):
        restored = db.session.get(PlatformFlag, RESTORED_FLAG)
        if restored is None:
            return False
        report = db.session.get(JournalReport, settings().host_name)
    if report is not None and report.reported_at >= restored.set_at:
        return False
    report_here()
    return True


def report_here() -> None:
    """Compare this host's journal with the database and leave a report; pause dispatch when begins were lost."""
    entries = journal.entries()
    compared = compare(entries)
    oldest = min((entry.at for entry in entries), default=None)
    with system_scope("journal of begun runs"), unit_of_work() as session:
        now = database_now()
        report = JournalReport(
            host_name=settings().host_name,
            reported_at=now,
            entries=len(entries),
            oldest_at=oldest,
            unknown=len(compared.unknown),
        )
        session.merge(report)
        for entry in compared.lost:
            session.merge(LostBegin(run_uuid=entry.run_uuid, host_name=entry.host_name, began_at=entry.at))
        if compared.lost and db.session.get(PlatformFlag, RESTORED_FLAG) is None:
            session.add(PlatformFlag(name=RESTORED_FLAG, value=iso(now) or "", set_at=now))
            if db.session.get(PlatformFlag, PAUSED_FLAG) is None:
                session.add(PlatformFlag(name=PAUSED_FLAG, value=PAUSE_REASON, set_at=now))


def reported() -> list[LostBegin]:
    """Return what the hosts reported, oldest first. Opens a unit of its own."""
    with unit_of_work(writes=False):
        return list(db.session.scalars(select(LostBegin).order_by(LostBegin.began_at, LostBegin.run_uuid)))


def silent_hosts() -> list[str]:
    """Return the hosts of workers that the database knows and that have not reported since the restore, by name."""
    with unit_of_work(writes=False):
        flag = db.session.get(PlatformFlag, RESTORED_FLAG)
        if flag is None:
            return []
        since = datetime.fromisoformat(flag.value) - timedelta(days=HOST_DAYS)
        known = db.session.scalars(select(Worker.host_name).where(Worker.last_seen_at >= since).distinct())
        seen = set(db.session.scalars(select(JournalReport.host_name).where(JournalReport.reported_at >= flag.set_at)))
        return sorted(set(known) - seen)


def end_lost(run_uuid: str, host_name: str, began_at: datetime) -> bool:
    """End a run whose begin was lost, with ticket and audit entry; False when it does not wait (any more).

    A unit of work of its own.
    """
    with system_scope("lost begin"), unit_of_work(writes=False):
        tenant_id = db.session.scalar(select(Run.tenant_id).where(Run.uuid == run_uuid))
    if tenant_id is None:
        with unit_of_work() as session:
            session.execute(delete(LostBegin).where(LostBegin.run_uuid == run_uuid))
        return False
    message = (
        f"This run began on {host_name} at {began_at:%Y-%m-%d %H:%M:%S} UTC, as that machine's journal says; the "
        "restored database did not know it any more. It was not run again. Look at the servers before you launch "
        "again: the work may be done, and its log is gone."
    )
    with tenant_scope(tenant_id), unit_of_work() as session:
        run = session.scalars(select(Run).where(Run.tenant_id == tenant_id, Run.uuid == run_uuid)).one()
        ended = run.status in NOT_BEGUN and closing.finish_run(
            run, RunResult(None, FailureCode.LOST, message), hosts_by_job={}, log_complete=False
        )
        session.execute(delete(LostBegin).where(LostBegin.run_uuid == run_uuid))
        return ended
