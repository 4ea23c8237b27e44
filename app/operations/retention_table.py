"""How long each kind of row is kept, and what removes it: one table for the command, the page and the manual."""

from __future__ import annotations

from dataclasses import dataclass

from app.core.runtime import settings
from app.jobs.retention import line_days


@dataclass(frozen=True, slots=True)
class KeptRows:
    """One kind of row. ``kept`` in words with the present settings; ``removed_by`` and ``trace`` say how it goes."""

    rows: str
    kept: str
    setting: str
    removed_by: str
    trace: str


def _days(days: int) -> str:
    return f"{days} days" if days else "for ever"


def kept_rows() -> list[KeptRows]:
    """Return the rules in the order of the manual."""
    chosen = settings()
    lines = [
        KeptRows(
            f"lines, results and tasks of runs that {words}",
            _days(days),
            setting,
            "the keeper, at most 2,000 rows or 10 segments in one transaction",
            "an audit entry of job_lines:remove before, and a sentence in place of the log",
        )
        for (_status, days), words, setting in zip(
            line_days().items(),
            ("ended well", "failed", "were cancelled"),
            ("MILLWRIGHT_JOB_LOG_DAYS", "MILLWRIGHT_FAILED_JOB_LOG_DAYS", "MILLWRIGHT_CANCELLED_JOB_LOG_DAYS"),
            strict=True,
        )
    ]
    return [
        *lines,
        KeptRows("launches, runs, jobs", "for ever", "", "nothing", "their end is in the audit log"),
        KeptRows("tickets, closed ones too", "for ever", "", "nothing", "each change is in the audit log"),
        KeptRows("facts of a server", "until it is gathered again", "", "the next gathering", "the job that gathered"),
        KeptRows(
            "audit entries",
            f"{chosen.audit_days} days, then in archive files",
            "MILLWRIGHT_AUDIT_DAYS",
            "flask audit archive; less than a year and a day is refused by the settings and by triggers",
            "an audit entry, and the archive's row",
        ),
        KeptRows("ended sessions", "until their absolute end", "MILLWRIGHT_SESSION_ABSOLUTE_HOURS", "the keeper",
                 "sign-in and sign-out are in the audit log"),
        KeptRows("tries to sign in", "a day at least", "MILLWRIGHT_SIGN_IN_WINDOW_MINUTES", "the keeper",
                 "failed ones are in the audit log"),
        KeptRows("idempotency keys", f"{chosen.idempotency_days} days", "MILLWRIGHT_IDEMPOTENCY_DAYS", "the keeper",
                 "what they made is in the audit log"),
        KeptRows("leftovers of sealing", "an hour", "", "the keeper", "nothing that was ever read"),
    ]  # fmt: skip
