"""``flask ops logs``: how the log is kept, and what an administrator does about it."""

from __future__ import annotations

import sys
import time

import click
from flask import Flask

from app.cli.keeper import ops
from app.core.clock import iso
from app.core.db import unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_state, sealing, segment_care, unsealing
from app.jobs.segment_store import StoreAway
from app.operations.retention_table import kept_rows

FOR_EVER = 10**9  # seconds


def register(app: Flask) -> None:
    """Add the command to ``flask ops``."""
    if "logs" not in ops.commands:
        ops.add_command(logs)


@click.command("logs")
@click.option("--seal", is_flag=True, help="Seal all that is due now, beside the keeper.")
@click.option("--check", is_flag=True, help="Read every segment and compare it with its SHA-256.")
@click.option("--unseal", is_flag=True, help="Put sealed lines back as rows; web, workers and keeper must be stopped.")
@click.option("--rules", is_flag=True, help="Show how long each kind of row is kept.")
def logs(seal: bool, check: bool, unseal: bool, rules: bool) -> None:
    """Show how much of the log is sealed, what waits, what is damaged; exit 1 when something is damaged."""
    if seal and unseal:
        raise click.UsageError("--seal and --unseal exclude each other.")
    try:
        if seal:
            began = time.monotonic()
            moved = sealing.seal_old_lines(seconds=FOR_EVER)
            while part := sealing.seal_old_lines(seconds=FOR_EVER):
                moved += part
            click.echo(f"{moved:,} lines sealed in {time.monotonic() - began:.1f} s")
        if unseal:
            total = 0
            while (lines := unsealing.unseal_one()) is not None:
                total += lines
            click.echo(f"{total:,} lines put back")
        if check:
            click.echo(f"{segment_care.check_segments(seconds=FOR_EVER, everything=True):,} segments read")
    except StoreAway as error:
        raise click.ClickException(str(error)) from error
    sys.exit(_show(rules))


def _show(rules: bool) -> int:
    with system_scope("state of the log"), unit_of_work(writes=False):
        state = log_state.log_state()
        damaged = log_state.damaged_segments()
    for store in state.stores:
        factor = store.raw_bytes / max(1, store.stored_bytes)
        click.echo(
            f"{store.store}: {store.lines:,} lines in {store.segments:,} segments, {store.stored_bytes:,} bytes "
            f"({store.stored_bytes / max(1, store.lines):.1f} a line, packed {factor:.1f} times)"
        )
    waiting = f"{state.waiting_runs:,} runs wait for sealing"
    click.echo(waiting + (f", the oldest ended {iso(state.oldest_waiting)}" if state.oldest_waiting else ""))
    click.echo(f"{state.to_remove:,} runs whose lines are announced as removed and not all gone")
    click.echo(f"{state.leftovers:,} leftovers of sealing, {state.damaged:,} damaged segments")
    for segment in damaged:
        click.echo(f"!! {segment.uuid} of run {segment.run_id} in the {segment.store}: {segment.damage}")
    if rules:
        for rule in kept_rows():
            click.echo(f"{rule.rows}: {rule.kept}")
    return 1 if state.damaged else 0
