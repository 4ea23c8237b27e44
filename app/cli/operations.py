"""``flask ops backup``, ``restore``, ``upgrade`` and ``rewrap``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click
from flask import Flask
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.accounts.models import Tenant
from app.audit.models import AuditHead
from app.audit.service import Resource, record
from app.audit.verify import verify_tenant
from app.cli.keeper import ops
from app.core.actor import Actor, Role, Via
from app.core.db import unit_of_work
from app.core.runtime import settings
from app.core.schema_version import needed_revision
from app.core.tenancy import system_scope, tenant_scope
from app.jobs import segment_care
from app.jobs.log_state import log_state
from app.operations.backup import back_up
from app.operations.errors import OperationStopped
from app.operations.rekey import rewrap
from app.operations.restore import restore
from app.operations.sealed_file import read_key
from app.operations.upgrade import upgrade

SEGMENT_SECONDS = 30.0  # of reading sealed lines after a restore
FOLDER = click.Path(file_okay=False, path_type=Path)
KEY_FILE = click.option(
    "--key-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with a key (`openssl rand -hex 32`) that encrypts the database's file. Keep it elsewhere.",
)


def register(app: Flask) -> None:
    """Add the commands to ``flask ops``."""
    for command in (backup_command, restore_command, upgrade_command, rewrap_command):
        ops.add_command(command)


def _done(act: Callable[[], None]) -> None:
    try:
        act()
    except (OperationStopped, OSError) as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        raise click.ClickException(f"The database refuses: {error.orig}") from error


def _note(event: str, details: dict[str, object]) -> None:
    """Leave an entry in the log of the first tenant; a database that has none yet gets none."""
    with unit_of_work() as session:
        tenant_id = session.scalar(select(Tenant.id).order_by(Tenant.id).limit(1))
        if tenant_id is None:
            return
        actor = Actor(tenant_id, None, Role.ADMIN, "system", Via.CLI)
        with tenant_scope(tenant_id):
            record(actor, event, Resource("platform"), details=details)


@click.command("backup")
@click.argument("target", type=FOLDER)
@KEY_FILE
def backup_command(target: Path, key_file: Path | None) -> None:
    """Back the database up into a new folder below TARGET; the platform may go on working."""

    def act() -> None:
        key = read_key(key_file) if key_file else None
        made = back_up(settings(), target, key=key, say=click.echo)
        _note("platform:backup", {"folder": made.name, "encrypted": key is not None})
        click.echo(f"Backup: {made}")
        click.echo(
            "Not in it: keys, settings, ssh keys, audit archive, sealed log lines outside of the database. "
            "manifest.json lists where they are."
        )

    _done(act)


@click.command("restore")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--replace", is_flag=True, help="The database holds something: lose it.")
@KEY_FILE
def restore_command(folder: Path, replace: bool, key_file: Path | None) -> None:
    """Put a backup back. Dispatch starts paused; `flask ops resume` goes on."""

    def act() -> None:
        key = read_key(key_file) if key_file else None
        done = restore(settings(), folder, key=key, replace=replace, say=click.echo)
        click.echo(f"{done.tables} tables at schema {done.revision}.")
        for warning in done.warnings:
            click.echo(f"!! {warning}")
        for tenant_id, number in done.lost.items():
            click.echo(f"!! tenant {tenant_id}: the {number:,} newest anchored audit entries are not in this backup")
        if done.revision != needed_revision():
            click.echo("The backup is of an older version: run `flask db upgrade`, then `flask audit verify`.")
            return
        broken = _verify_all()
        _say_segments()
        _note("platform:restore", {"folder": folder.name, "lost_audit_entries": sum(done.lost.values())})
        if broken:
            raise OperationStopped("The audit log is not intact: find out why before people work with this database.")
        click.echo("Dispatch is paused. Look at what was running, then `flask ops resume`.")

    _done(act)


def _say_segments() -> None:
    """Read sealed log lines for a while: those outside of the database were not in the backup."""
    read = segment_care.check_segments(seconds=SEGMENT_SECONDS, everything=True)
    with system_scope("state of the log"), unit_of_work(writes=False):
        state = log_state()
    known = sum(store.segments for store in state.stores)
    click.echo(f"sealed log lines: {read:,} of {known:,} segments read; `flask ops logs --check` reads all")
    if state.damaged:
        click.echo(f"!! {state.damaged:,} segments are missing or damaged: put their folder or bucket back")


def _verify_all() -> int:
    with unit_of_work(writes=False) as session:
        tenants = list(session.scalars(select(AuditHead.tenant_id).order_by(AuditHead.tenant_id)))
    broken = 0
    for tenant_id in tenants:
        result = verify_tenant(tenant_id)
        broken += not result.is_intact
        click.echo(f"audit log of tenant {tenant_id}: {'intact' if result.is_intact else 'BROKEN'}. {result.message}")
    return broken


@click.command("rewrap")
def rewrap_command() -> None:
    """Write every encrypted value anew under the first master key; the platform may go on working."""

    def act() -> None:
        done = lost = 0
        for found in rewrap():
            done, lost = done + found.done, lost + found.lost
            if found.done or found.lost:
                name = f"{found.column.table}.{found.column.column}"
                click.echo(f"{name}: {found.done:,} rewritten" + (f", {found.lost:,} unreadable" * bool(found.lost)))
        _note("platform:rewrap", {"rewritten": done, "unreadable": lost})
        if lost:
            raise OperationStopped(
                f"{lost:,} values cannot be opened with any key of MILLWRIGHT_MASTER_KEY. Add the key that they were "
                "written with as a further line and run this again; or enter those secrets anew."
            )
        click.echo("Everything is under the first master key. The others are needed for older backups only.")

    _done(act)


@click.command("upgrade")
@click.option("--backup", "target", type=FOLDER, required=True, help="Folder for the backup that is made before.")
@KEY_FILE
def upgrade_command(target: Path, key_file: Path | None) -> None:
    """Bring the database to this version, with a backup before; web, workers and keeper must be stopped."""

    def act() -> None:
        key = read_key(key_file) if key_file else None
        done = upgrade(settings(), target, key=key, say=click.echo)
        if done.backup is None:
            click.echo(f"The database is at schema {done.after} already: nothing to do.")
            return
        _note("platform:upgrade", {"schema": [done.before, done.after], "backup": done.backup.name})
        for warning in done.warnings:
            click.echo(f"!! {warning}")
        click.echo(f"Schema {done.before} -> {done.after}. Start web, workers and keeper, look at /ready.")
        click.echo(f"To go back: install the version from before, then flask ops restore {done.backup} --replace")

    _done(act)
