"""Inserts log rows as plain multi-row INSERTs through the driver: the ORM would cost more than the database."""

from __future__ import annotations

from itertools import chain
from typing import Any

from sqlalchemy import case, update

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


def _insert_lines(table: str, columns: str, rows: list[tuple[Any, ...]]) -> None:
    """Insert rows whose last three columns are text and all others whole numbers, by one statement.

    PyMySQL's ``executemany`` asks every value for its type, which costs as much as the server does. Here %d lets
    nothing but whole numbers into the statement, and the driver binds the texts.
    """
    if not rows:
        return
    connection = db.session.connection()
    if connection.dialect.paramstyle == "qmark":
        _insert(table, columns, rows)
        return
    row = f"({'%d,' * (len(rows[0]) - 3)}%%s,%%s,%%s)"
    texts = tuple(chain.from_iterable([values[-3:] for values in rows]))
    statement = f"INSERT INTO {table} ({columns}) VALUES {','.join([row % values[:-3] for values in rows])}"  # noqa: S608
    connection.exec_driver_sql(statement, texts)


def _move_counters(tenant_id: int, batch: LogBatch) -> None:
    """Move the counters of all jobs of a batch in one statement; in the order of ids, as every lock on jobs."""
    if not batch.line_counts:
        return
    values: dict[str, Any] = {"log_lines": case(batch.line_counts, value=Job.id)}
    if batch.first_failures:
        values["first_failure_line"] = case(batch.first_failures, value=Job.id, else_=Job.first_failure_line)
    db.session.execute(
        update(Job)
        .where(Job.tenant_id == tenant_id, Job.id.in_(sorted(batch.line_counts)))
        .values(values)
        .execution_options(synchronize_session=False)
    )


def insert_batch(tenant_id: int, batch: LogBatch) -> None:
    """Insert the rows of a batch and move the jobs' counters; part of the shipping unit of work."""
    _insert("run_tasks", TASK_COLUMNS, batch.tasks)
    _insert_lines("job_logs", LINE_COLUMNS, batch.lines)
    _insert_lines("run_lines", RUN_LINE_COLUMNS, batch.run_lines)
    _insert("task_results", RESULT_COLUMNS, batch.results)
    _move_counters(tenant_id, batch)
