"""Inserts log rows as plain multi-row INSERTs through the driver: the ORM would cost more than the database."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from app.core.db import db
from app.jobs.models import Job
from app.jobs.port import LogBatch

LINE_COLUMNS = "tenant_id, job_id, line_number, run_seq, task_seq, continued, content, log_level, timestamp"
RUN_LINE_COLUMNS = "tenant_id, run_id, run_seq, task_seq, continued, content, log_level, timestamp"
TASK_COLUMNS = "tenant_id, run_id, task_seq, run_seq, play, task, module, path, started_at"
RESULT_COLUMNS = "tenant_id, job_id, task_seq, status, duration_ms, first_line, last_line, diff"


def _insert(table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    if not rows:
        return
    connection = db.session.connection()
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(rows[0]))
    # Table and column names are the constants above; every value is bound.
    connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({marks})", rows)  # noqa: S608


def insert_batch(tenant_id: int, batch: LogBatch) -> None:
    """Insert the rows of a batch and move the jobs' counters; part of the shipping unit of work."""
    _insert("run_tasks", TASK_COLUMNS, batch.tasks)
    _insert("job_logs", LINE_COLUMNS, batch.lines)
    _insert("run_lines", RUN_LINE_COLUMNS, batch.run_lines)
    _insert("task_results", RESULT_COLUMNS, batch.results)
    for job_id, count in batch.line_counts.items():
        db.session.execute(
            update(Job)
            .where(Job.tenant_id == tenant_id, Job.id == job_id)
            .values(log_lines=count, first_failure_line=batch.first_failures.get(job_id, Job.first_failure_line))
            .execution_options(synchronize_session=False)
        )
