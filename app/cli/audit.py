"""``flask audit``: check the chain, anchor it by hand (the keeper does both by itself), archive old entries."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import select
from sqlalchemy.exc import DBAPIError

from app.accounts.models import Tenant
from app.audit.anchor import anchor_heads
from app.audit.archive import ArchiveBroken, ArchiveFile, check_folder
from app.audit.archiving import ArchiveStopped, archive_all
from app.audit.chain import audit_keys
from app.audit.verify import verify_tenant
from app.core.db import unit_of_work
from app.core.runtime import settings

group = AppGroup("audit", help="The audit log: verify its chain, anchor its newest links.")


def register(app: Flask) -> None:
    """Add ``flask audit ...``."""
    app.cli.add_command(group)


def _tenants(slug: str | None) -> list[tuple[int, str]]:
    with unit_of_work(writes=False) as session:
        statement = select(Tenant.id, Tenant.slug).order_by(Tenant.id)
        if slug is not None:
            statement = statement.where(Tenant.slug == slug)
        return [(row.id, row.slug) for row in session.execute(statement)]


@group.command("verify")
@click.option("--tenant", "slug", help="Slug of one tenant; all of them when not given.")
@click.option(
    "--archive",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Check the archive files of a folder alone; needs MILLWRIGHT_AUDIT_KEY and no database.",
)
def verify(slug: str | None, folder: Path | None) -> None:
    """Walk the chains; exit 1 when an entry was changed, removed, inserted or swapped."""
    if folder is not None:
        _verify_files(folder)
        return
    tenants = _tenants(slug)
    if slug is not None and not tenants:
        raise click.ClickException(f"There is no tenant '{slug}'. Leave --tenant out to check all of them.")
    broken = 0
    for tenant_id, name in tenants:
        result = verify_tenant(tenant_id)
        broken += not result.is_intact
        click.echo(f"{name}: {'intact' if result.is_intact else 'BROKEN'}. {result.message}")
    if not tenants:
        click.echo("No tenants yet: nothing to check.")
    sys.exit(1 if broken else 0)


@group.command("anchor")
def anchor() -> None:
    """Append the newest link of each chain to the anchor file now."""
    try:
        written = anchor_heads()
    except OSError as error:
        raise click.ClickException(
            f"{settings().anchor_path} cannot be written: {error.strerror}. See MILLWRIGHT_AUDIT_ANCHOR_PATH."
        ) from error
    click.echo(f"{written} new links in {settings().anchor_path}.")


def _verify_files(folder: Path) -> None:
    last: dict[int, ArchiveFile] = {}
    try:
        for found in check_folder(folder, audit_keys()):
            click.echo(f"{found.file_name}: intact, entries {found.first_seq:,} to {found.last_seq:,}")
            last[found.tenant_id] = found
    except ArchiveBroken as error:
        raise click.ClickException(f"BROKEN. {error}") from error
    for tenant_id, found in last.items():
        click.echo(f"tenant {tenant_id}: goes on with entry {found.last_seq + 1:,} after {found.last_hash.hex()}")


@group.command("archive")
def archive() -> None:
    """Move entries older than MILLWRIGHT_AUDIT_DAYS into archive files; safe to repeat and to kill."""
    try:
        done = archive_all(click.echo)
    except (ArchiveStopped, OSError) as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        raise click.ClickException(
            f"{error.orig}\nArchiving needs MILLWRIGHT_ARCHIVER_DATABASE_URL and `flask db grants --apply`."
        ) from error
    total = sum(tenant.entries for tenant in done)
    click.echo(f"{total:,} entries older than {settings().audit_days} days moved to {settings().archive_dir}.")
