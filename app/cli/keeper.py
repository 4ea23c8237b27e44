"""``flask keeper`` and ``flask ops``: the keeper process, and what an administrator does about dispatch."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import click
from flask import Flask

from app.core.db import unit_of_work
from app.core.db_time import database_now
from app.core.log_config import configure_logging
from app.core.runtime import settings
from app.core.schema_version import require_current_schema
from app.jobs.database_port import PAUSED_FLAG
from app.jobs.keeper import Keeper, add_chore
from app.jobs.models import PlatformFlag
from app.operations.errors import OperationStopped
from app.operations.resume import resume


def register(app: Flask) -> None:
    """Add the commands."""
    app.cli.command("keeper")(keeper)
    app.cli.add_command(ops)


def keeper() -> None:
    """Run the keeper until TERM or INT: dispatch sweep, reaping, due tickets, audit anchor. Any number may run."""
    from app.wiring import keeper_chores

    configure_logging(settings())
    require_current_schema()
    for name, seconds, work in keeper_chores():
        add_chore(name, seconds, work)
    process = Keeper(settings().host_name)

    def stop(_number: int, _frame: Any) -> None:
        process.stop()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    process.run()


@click.group()
def ops() -> None:
    """Operate the platform: pause and resume dispatch."""


@ops.command()
@click.argument("reason")
def pause(reason: str) -> None:
    """Start no further runs; the REASON is shown with every waiting job. Running ones go on."""
    with unit_of_work() as session:
        session.merge(PlatformFlag(name=PAUSED_FLAG, value=reason[:500], set_at=database_now()))
    click.echo("Dispatch is paused. 'flask ops resume' goes on.")


@ops.command("resume")
@click.option("--dry-run", is_flag=True, help="Say what would be done, change nothing.")
@click.option(
    "--journal",
    "files",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="After a restore: a journal brought from a worker's machine (data_dir/journal/began*.jsonl).",
)
@click.option("--without", multiple=True, metavar="HOST", help="After a restore: go on without this host's journal.")
def resume_command(dry_run: bool, files: tuple[Path, ...], without: tuple[str, ...]) -> None:
    """Start runs again; after a restore, end those first that were begun and forgotten."""
    try:
        resume(files, without, dry_run=dry_run, say=click.echo)
    except (OperationStopped, OSError) as error:
        raise click.ClickException(str(error)) from error
