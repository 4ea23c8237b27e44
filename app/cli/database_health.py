"""``flask database check``: the running database. ``flask db ddl``: the tables as SQL."""

from __future__ import annotations

import sys

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from flask_migrate.cli import db as database_commands
from sqlalchemy import Engine, create_mock_engine
from sqlalchemy.exc import DBAPIError

from app.core.database_check import check_database
from app.core.db import Model

group = AppGroup("database", help="Health of the database.")


def register(app: Flask) -> None:
    """Add ``flask database ...`` and ``flask db ddl``."""
    app.cli.add_command(group)
    if "ddl" not in database_commands.commands:
        database_commands.add_command(ddl)


@click.command("ddl")
@click.option("--dialect", type=click.Choice(["mysql", "mariadb", "sqlite"]), default="mysql", show_default=True)
@with_appcontext
def ddl(dialect: str) -> None:
    """Print the tables as CREATE statements, without triggers; `flask db upgrade` is what makes them."""

    def show(statement: object, *_args: object, **_options: object) -> None:
        compiled = statement.compile(dialect=engine.dialect)  # type: ignore[attr-defined]
        click.echo(str(compiled).strip() + ";\n")

    url = {"mysql": "mysql+pymysql://", "mariadb": "mariadb+pymysql://", "sqlite": "sqlite://"}[dialect]
    engine: Engine = create_mock_engine(url, show)  # type: ignore[assignment]
    Model.metadata.create_all(engine, checkfirst=False)


@group.command("check")
def check() -> None:
    """Ask whether the database is as the platform needs it; exit 1 when something is not."""
    try:
        findings = check_database()
    except DBAPIError as error:
        raise click.ClickException(f"The database cannot be asked: {error.orig}") from error
    width = max(len(finding.name) for finding in findings)
    for finding in findings:
        click.echo(f"{'ok  ' if finding.is_ok else 'FAIL'}  {finding.name:<{width}}  {finding.message}")
    sys.exit(0 if all(finding.is_ok for finding in findings) else 1)
