"""The database of the simulation."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from simulation.database import copy


def test_a_copy_has_what_lies_in_the_write_ahead_log_alone(tmp_path: Path) -> None:
    source, target = tmp_path / "source.db", tmp_path / "target.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as writer, closing(sqlite3.connect(source)) as reader:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("CREATE TABLE entries (id INTEGER)")
        writer.execute("INSERT INTO entries VALUES (1)")
        writer.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        reader.execute("SELECT * FROM entries").fetchall()  # keeps the log from being worked off at a close
        writer.execute("DELETE FROM entries")
        copy(str(source), str(target))
    with closing(sqlite3.connect(target)) as made:
        assert made.execute("SELECT COUNT(*) FROM entries").fetchone() == (0,)
