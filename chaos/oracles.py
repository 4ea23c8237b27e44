"""Oracles: what must be true after the storm, judged without a line of the platform's own code.

Status changes are written down by triggers of the rig in the database, so none is missed between two looks.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from chaos.payload import Ledger, Seen, read_ledger
from chaos.rig import ORPHAN_SECONDS, Site

FINAL = {"success", "failed", "cancelled"}
LEGAL = {
    "jobs": {("pending", "running"), ("running", "success")}
    | {(old, new) for old in ("pending", "running") for new in ("failed", "cancelled")},
    "runs": {("pending", "claimed"), ("claimed", "pending"), ("claimed", "running"), ("running", "success")}
    | {(old, new) for old in ("pending", "claimed", "running") for new in ("failed", "cancelled")},
    "launches": {("pending", "running"), ("running", "success"), ("pending", "success")}
    | {(old, new) for old in ("pending", "running") for new in ("failed", "cancelled")},
}
CHUNK = 20_000  # rows read at a time


@dataclass
class Verdict:
    """The figures of build/chaos.json, and in ``breaches`` a sentence for each promise that was broken."""

    jobs: int = 0
    lost_lines: int = 0
    doubled_lines: int = 0
    double_runs: int = 0
    unfinished: int = 0
    orphans: int = 0
    http_5xx: int = 0
    lost_jobs: int = 0
    breaches: list[str] = field(default_factory=list)

    def require(self, truth: object, message: str) -> None:
        """Note a breach unless something is true."""
        if not truth:
            self.breaches.append(message)


def watch_statuses(site: Site) -> None:
    """Have the database write down each change of a status from now on."""
    site.tell(
        "CREATE TABLE IF NOT EXISTS chaos_changes (id BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6),"
        " what VARCHAR(20), row_id BIGINT, old VARCHAR(20), new VARCHAR(20))"
    )
    site.tell("TRUNCATE TABLE chaos_changes")
    for table in LEGAL:
        site.tell(f"DROP TRIGGER IF EXISTS chaos_{table}")
        site.tell(
            f"CREATE TRIGGER chaos_{table} AFTER UPDATE ON {table} FOR EACH ROW"
            " INSERT INTO chaos_changes (at, what, row_id, old, new)"
            f" SELECT UTC_TIMESTAMP(6), '{table}', OLD.id, OLD.status, NEW.status FROM DUAL"
            " WHERE OLD.status <> NEW.status"
        )


def stop_watching(site: Site) -> None:
    """Take the rig's triggers and table away, for instance before a dump."""
    for table in LEGAL:
        site.tell(f"DROP TRIGGER IF EXISTS chaos_{table}")
    site.tell("DROP TABLE IF EXISTS chaos_changes")


def judge(site: Site, *, payload_lines: int | None = None, check_lines: bool = True) -> Verdict:
    """Look at everything once the load has ended. ``payload_lines``: how many a successful job must show."""
    verdict, ledger = Verdict(), read_ledger(site.folder)
    verdict.orphans = _orphans(site)
    verdict.http_5xx = site.tally.errors
    verdict.breaches += site.tally.wrong[:5]
    jobs = site.ask(
        "SELECT j.id, j.status, j.failure_code, j.log_lines, j.log_complete, j.started_at, j.completed_at, j.kind,"
        " r.uuid, r.attempt, r.began_at, r.status AS run_status, s.hostname"
        " FROM jobs j JOIN runs r ON r.id = j.run_id LEFT JOIN servers s ON s.id = j.server_id ORDER BY j.id"
    )
    verdict.jobs = len(jobs)
    verdict.unfinished = sum(1 for job in jobs if job["status"] not in FINAL)
    verdict.lost_jobs = sum(1 for job in jobs if job["failure_code"] == "lost")
    verdict.require(not verdict.unfinished, f"{verdict.unfinished} jobs have no final status")
    verdict.require(not verdict.orphans, f"{verdict.orphans} processes outlived their runs")
    verdict.require(not verdict.http_5xx, f"{verdict.http_5xx} answers of 5xx")
    _statuses(site, verdict)
    _runs(jobs, ledger, verdict)
    _successes(jobs, read_ledger(site.folder), verdict)
    _rows(site, verdict)
    if check_lines:
        _lines(site, jobs, ledger, verdict, payload_lines)
    _tickets(site, verdict)
    _audit(site, verdict)
    return verdict


def require_success(site: Site, verdict: Verdict) -> None:
    """Where no fault hits a run itself, every job succeeds."""
    failed = site.count("SELECT COUNT(*) FROM jobs WHERE status <> 'success'")
    verdict.require(not failed, f"{failed} jobs did not succeed")


def _orphans(site: Site) -> int:
    """Processes of runs that live on although nothing runs any more: after the grace that is promised."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while (living := site.run_processes()) and time.monotonic() < deadline:
        time.sleep(0.3)
    return len(living)


def _statuses(site: Site, verdict: Verdict) -> None:
    for change in site.ask("SELECT what, row_id, old, new FROM chaos_changes ORDER BY id"):
        if (change["old"], change["new"]) not in LEGAL[change["what"]]:
            verdict.breaches.append("{what} {row_id} went from {old} to {new}".format(**change))


def _by_run(ledger: Ledger) -> dict[tuple[str, str], int]:
    """How often each run was executed on each host, whatever the attempt."""
    by_host: dict[tuple[str, str], int] = {}
    for (marker, host), count in ledger.hosts.items():
        key = marker.rpartition(".")[0], host
        by_host[key] = by_host.get(key, 0) + count
    return by_host


def _runs(jobs: list[dict[str, Any]], ledger: Ledger, verdict: Verdict) -> None:
    """``ledger`` was read before the jobs: what it holds then had begun."""
    by_host = _by_run(ledger)
    verdict.double_runs = sum(count - 1 for count in by_host.values() if count > 1)
    verdict.require(not verdict.double_runs, f"{verdict.double_runs} runs were executed twice")
    for job in jobs:
        began = by_host.get((job["uuid"], job["hostname"]), 0)
        if began and job["began_at"] is None:
            verdict.breaches.append(f"job {job['id']} was executed without the mark of its beginning")
        if job["started_at"] and job["completed_at"] and job["completed_at"] < job["started_at"]:
            verdict.breaches.append(f"job {job['id']} ended before it began")


def _successes(jobs: list[dict[str, Any]], ledger: Ledger, verdict: Verdict) -> None:
    """``ledger`` was read after the jobs: whichever of them was a success by then is in it, though others still run."""
    by_host = _by_run(ledger)
    for job in jobs:
        if job["status"] == "success" and job["kind"] == "ansible" and (job["uuid"], job["hostname"]) not in by_host:
            verdict.breaches.append(f"job {job['id']} is a success and was never executed")


def _rows(site: Site, verdict: Verdict) -> None:
    """Counters equal what they count, locks are free, the launches' sums are right."""
    verdict.require(not site.count("SELECT COUNT(*) FROM server_locks"), "servers are locked although nothing runs")
    wrong = site.count(
        "SELECT COUNT(*) FROM jobs j WHERE j.lines_removed_at IS NULL AND j.log_lines <>"
        " (SELECT COUNT(*) FROM job_logs l WHERE l.tenant_id = j.tenant_id AND l.job_id = j.id)"
    )
    verdict.require(not wrong, f"{wrong} jobs count other lines than are stored")
    open_launches = site.count("SELECT COUNT(*) FROM launches WHERE status NOT IN ('success', 'failed', 'cancelled')")
    verdict.require(not open_launches or verdict.unfinished, f"{open_launches} launches never ended")
    sums = site.count(
        "SELECT COUNT(*) FROM launches WHERE status IN ('success', 'failed', 'cancelled')"
        " AND jobs_success + jobs_failed + jobs_cancelled <> jobs_total"
    )
    verdict.require(not sums, f"{sums} launches do not add up")


def _lines(site: Site, jobs: list[dict[str, Any]], ledger: Ledger, verdict: Verdict, payload_lines: int | None) -> None:
    by_id = {job["id"]: (f"{job['uuid']}.{job['attempt']}", job["hostname"] or "") for job in jobs}
    seen = {job_id: Seen() for job_id in by_id}
    place = (0, 0)
    while True:
        rows = site.ask(
            "SELECT job_id, line_number, content FROM job_logs WHERE tenant_id = 1 AND (job_id > %s OR"
            " (job_id = %s AND line_number > %s)) ORDER BY job_id, line_number LIMIT %s",
            place[0], place[0], place[1], CHUNK,
        )  # fmt: skip
        for row in rows:
            marker, host = by_id[row["job_id"]]
            seen[row["job_id"]].take(marker, host, row["content"])
        if len(rows) < CHUNK:
            break
        place = rows[-1]["job_id"], rows[-1]["line_number"]
    for job in jobs:
        found, (marker, host) = seen[job["id"]], by_id[job["id"]]
        sent = ledger.sent.get((marker, host), 0)
        verdict.doubled_lines += found.doubled
        verdict.lost_lines += max(sent - found.gapless, 0)
        verdict.breaches += found.wrong[:2]
        if found.gapless < sent:
            verdict.breaches.append(
                f"job {job['id']} ({job['status']}/{job['failure_code']}) shows {found.gapless} of {sent} lines"
            )
        if job["status"] == "success" and payload_lines is not None and found.gapless != payload_lines:
            verdict.breaches.append(f"job {job['id']} is a success with {found.gapless} of {payload_lines} lines")
    verdict.require(not verdict.doubled_lines, f"{verdict.doubled_lines} lines are stored twice")


def _tickets(site: Site, verdict: Verdict) -> None:
    """Each failed job stands in exactly one ticket, no other job in any."""
    without = site.count(
        "SELECT COUNT(*) FROM jobs j WHERE j.status = 'failed' AND NOT EXISTS"
        " (SELECT 1 FROM ticket_jobs t WHERE t.tenant_id = j.tenant_id AND t.job_id = j.id)"
    )
    twice = site.count(
        "SELECT COUNT(*) FROM (SELECT job_id FROM ticket_jobs GROUP BY job_id HAVING COUNT(*) > 1) AS doubled"
    )
    verdict.require(not without, f"{without} failed jobs have no ticket")
    verdict.require(not twice, f"{twice} jobs stand in more than one ticket")


def _audit(site: Site, verdict: Verdict) -> None:
    """The chain is whole, and every run has exactly one entry of its end."""
    done = site.platform.flask("audit", "verify")
    verdict.require(done.returncode == 0, f"the audit log is not intact: {done.stdout.strip()[-300:]}")
    wrong = site.count(
        "SELECT COUNT(*) FROM (SELECT r.id FROM runs r LEFT JOIN audit_logs a ON a.event = 'run:finish'"
        " AND a.resource_type = 'run' AND a.resource_id = r.id WHERE r.status IN ('success', 'failed', 'cancelled')"
        " GROUP BY r.id HAVING COUNT(a.id) <> 1) AS wrong"
    )
    verdict.require(not wrong, f"{wrong} runs have not exactly one audit entry of their end")
