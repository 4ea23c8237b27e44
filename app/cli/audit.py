"""``flask audit``: check the chain and anchor it by hand (the keeper does both by itself)."""

from __future__ import annotations

import sys

import click
from flask import Flask
from flask.cli import AppGroup
from sqlalchemy import select

from app.accounts.models import Tenant
from app.audit.anchor import anchor_heads
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
def verify(slug: str | None) -> None:
    """Walk the chains; exit 1 when an entry was changed, removed, inserted or swapped."""
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
