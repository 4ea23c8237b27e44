"""``flask db ...`` in a process of its own, as the migration account."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.databases import ROOT, TestDatabase
from tests.support.environment import process_environment, settings_environment


def flask_db(database: TestDatabase, data_dir: Path, *arguments: str) -> str:
    """Run the command on the database and return what it printed; it must succeed."""
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "wsgi", "db", *arguments],
        cwd=ROOT,
        env=process_environment(settings_environment(database.migrator_url, data_dir)),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"flask db {arguments} on {database.kind}:\n{done.stdout}{done.stderr}"
    return done.stdout
