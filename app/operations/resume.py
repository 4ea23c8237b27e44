"""``flask ops resume``: runs go on, except those that were begun before the database was put back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import delete, func, select

from app.accounts.models import Tenant
from app.audit.service import Resource, record
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import journal, lost_begins
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.journal import Entry
from app.jobs.models import Job, Launch, PlatformFlag, Run
from app.jobs.models_operations import LostBegin
from app.operations.errors import OperationStopped

Say = Callable[[str], None]
SHOWN = 50  # lines of one kind; the rest is a number


@dataclass(slots=True)
class Findings:
    """What the journals say. ``lost`` by run; ``silent`` are hosts whose journal nobody has seen."""

    lost: dict[str, Entry] = field(default_factory=dict)
    unknown: dict[str, Entry] = field(default_factory=dict)
    silent: list[str] = field(default_factory=list)


def resume(files: Sequence[Path], without: Sequence[str], *, dry_run: bool, say: Say) -> None:
    """Compare the journals, end the runs whose begin was lost, and let dispatch go on.

    ``files`` are journals of machines that cannot report themselves, ``without`` names hosts to go on without.
    Raises OperationStopped, with nothing changed, while another host's journal was not seen.
    """
    with unit_of_work(writes=False):
        paused = db.session.get(PlatformFlag, PAUSED_FLAG)
    if paused is None:
        say("Dispatch was not paused.")
        return
    found = look(files, without)
    _tell(found, say)
    if found.silent:
        raise OperationStopped(
            f"The journal of {', '.join(found.silent)} was not seen: runs that were begun there could be run again. "
            "Start the workers of that host (they report by themselves), or bring its data_dir/journal/began.jsonl and "
            "name it with --journal, or say --without HOST when that machine is gone."
        )
    if dry_run:
        say("Nothing was changed (--dry-run).")
        return
    ended = sum(lost_begins.end_lost(entry.run_uuid, entry.host_name, entry.at) for entry in found.lost.values())
    _go_on(ended, len(found.unknown), without)
    if ended:
        say(f"{ended} runs ended as lost; each has a ticket.")
    say("Dispatch goes on.")


def look(files: Sequence[Path], without: Sequence[str]) -> Findings:
    """Return what this machine's journal, the given files and the reports of the other hosts say."""
    here = journal.entries()
    brought = [entry for path in files for entry in _read(path)]
    compared = lost_begins.compare([*here, *brought])
    found = Findings({entry.run_uuid: entry for entry in compared.lost})
    found.unknown = {entry.run_uuid: entry for entry in compared.unknown}
    for row in lost_begins.reported():
        found.lost.setdefault(row.run_uuid, Entry(row.run_uuid, 0, "", row.began_at, row.host_name, ()))
    seen = {entry.host_name for entry in brought} | set(without)
    if here:
        seen.add(settings().host_name)
    found.silent = [host for host in lost_begins.silent_hosts() if host not in seen]
    return found


def _read(path: Path) -> list[Entry]:
    try:
        return journal.read_file(path)
    except ValueError as error:
        raise OperationStopped(str(error)) from error


def _tell(found: Findings, say: Say) -> None:
    if found.lost:
        say(f"{len(found.lost)} runs were begun and wait in this database; they end as lost and are not run again:")
        names = _names(list(found.lost)[:SHOWN])
        for uuid, entry in list(found.lost.items())[:SHOWN]:
            say(f"  {names.get(uuid, 'a launch')}: run {uuid}, begun {_when(entry)}{_servers(entry)}")
        _rest(len(found.lost), say)
    else:
        say("No run waits in this database that a journal says was begun.")
    if found.unknown:
        say(
            f"{len(found.unknown)} runs were begun whose launch this database does not have; nobody can run them again:"
        )
        for uuid, entry in list(found.unknown.items())[-SHOWN:]:
            say(f"  launch {entry.launch_uuid}: run {uuid}, begun {_when(entry)}{_servers(entry)}")
        _rest(len(found.unknown), say)


def _when(entry: Entry) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC on {entry.host_name}"


def _servers(entry: Entry) -> str:
    return f", servers {', '.join(entry.servers)}" if entry.servers else ""


def _rest(number: int, say: Say) -> None:
    if number > SHOWN:
        say(f"  and {number - SHOWN:,} more")


def _names(run_uuids: list[str]) -> dict[str, str]:
    """Return how people know these runs: the launch's number, title, number of servers, by run."""
    jobs = (
        select(func.count())
        .select_from(Job)
        .where(Job.tenant_id == Run.tenant_id, Job.run_id == Run.id)
        .scalar_subquery()
    )
    with system_scope("names of lost runs"), unit_of_work(writes=False):
        rows = db.session.execute(
            select(Run.uuid, Launch.id, Launch.title, jobs)
            .join(Launch, (Launch.tenant_id == Run.tenant_id) & (Launch.id == Run.launch_id))
            .where(Run.uuid.in_(run_uuids))
        ).all()
    return {uuid: f"L-{number} {title} ({count} jobs)" for uuid, number, title, count in rows}


def _go_on(ended: int, unknown: int, without: Sequence[str]) -> None:
    with unit_of_work() as session:
        # A host that reported in between: better once more than a run twice.
        if session.scalar(select(LostBegin.run_uuid).limit(1)) is not None:
            raise OperationStopped("A worker reported further runs just now. Say `flask ops resume` again.")
        names = (PAUSED_FLAG, lost_begins.RESTORED_FLAG)
        session.execute(delete(PlatformFlag).where(PlatformFlag.name.in_(names)))
        tenant_id = session.scalar(select(Tenant.id).order_by(Tenant.id).limit(1))
        if tenant_id is None:
            return
        actor = Actor(tenant_id, None, Role.ADMIN, "system", Via.CLI)
        details = {"lost": ended, "unknown": unknown, "without": list(without)}
        with tenant_scope(tenant_id):
            record(actor, "dispatch:resume", Resource("platform"), action="UPDATE", details=details)
