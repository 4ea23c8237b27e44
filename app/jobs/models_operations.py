"""Tables of the machinery itself: journals compared after a restore, the keeper's chores, figures for /metrics.

Rows of the whole platform. None names a tenant, a server or a person.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Double, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import BigIntPK, UTCDateTime, ascii_binary
from app.core.db import Model
from app.core.table import table_args


class JournalReport(Model):
    """A host's workers have compared their journal with this database; ``flask ops resume`` wants one of each host."""

    __tablename__ = "journal_reports"
    __table_args__ = table_args()

    host_name: Mapped[str] = mapped_column(String(255), primary_key=True)
    reported_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    entries: Mapped[int] = mapped_column(nullable=False)
    oldest_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # None: the journal is empty
    unknown: Mapped[int] = mapped_column(nullable=False)  # runs that this database does not have at all


class LostBegin(Model):
    """A run that a journal says was begun while the database says that it waits; gone once it is ended."""

    __tablename__ = "lost_begins"
    __table_args__ = table_args()

    run_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    host_name: Mapped[str] = mapped_column(String(255), nullable=False)
    began_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)


class KeeperChore(Model):
    """What the leading keeper did last for a chore; counts are of that process and begin anew with the next."""

    __tablename__ = "keeper_chores"
    __table_args__ = table_args()

    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    ran_at: Mapped[datetime] = mapped_column(UTCDateTime, nullable=False)
    seconds: Mapped[float] = mapped_column(Double, nullable=False)
    rounds: Mapped[int] = mapped_column(BigInteger, nullable=False)
    failures: Mapped[int] = mapped_column(BigInteger, nullable=False)


class RunEnd(Model):
    """One ended run, until the keeper has added it to the figures. Written with the end, so none is missed."""

    __tablename__ = "run_ends"
    __table_args__ = table_args()

    id: Mapped[int] = mapped_column(BigIntPK, primary_key=True)
    run_id: Mapped[int] = mapped_column(BigInteger, nullable=False)
    kind: Mapped[str] = mapped_column(String(30), nullable=False)
    outcome: Mapped[str] = mapped_column(String(30), nullable=False)  # success, or the failure code
    seconds: Mapped[float | None] = mapped_column(Double)  # from begin to end; None: it never began
    waited: Mapped[float | None] = mapped_column(Double)  # from launch to begin
    job_count: Mapped[int] = mapped_column(Integer, nullable=False)
    records: Mapped[int] = mapped_column(BigInteger, nullable=False)
    bytes: Mapped[int] = mapped_column(BigInteger, nullable=False)


class Figure(Model):
    """A counter that only grows; ``jobs.figures`` says which there are."""

    __tablename__ = "figures"
    __table_args__ = table_args()

    name: Mapped[str] = mapped_column(ascii_binary(150), primary_key=True)
    value: Mapped[float] = mapped_column(Double, nullable=False)
