"""``flask db grants``: the rights of the application's and the archiver's accounts."""

from __future__ import annotations

import click
import sqlalchemy as sa
from flask import Flask, current_app
from flask.cli import with_appcontext
from flask_migrate.cli import db as database_commands

from app.core.db import engine_options
from app.core.grants import grant_statements
from config import Settings


@click.command("grants")
@click.option("--application", default="millwright_app", show_default=True, help="Account of web and workers.")
@click.option("--archiver", default="millwright_archiver", show_default=True, help="Account of the archiver.")
@click.option("--apply", is_flag=True, help="Run the statements as the migration account, not only print them.")
@with_appcontext
def grants(application: str, archiver: str, apply: bool) -> None:
    """Print the GRANT statements for every table; run them after each `flask db upgrade`."""
    settings: Settings = current_app.config["MILLWRIGHT_SETTINGS"]
    if settings.is_sqlite:
        click.echo("SQLite has no accounts: nothing to grant.")
        return
    url = settings.migration_database_url or settings.database_url
    engine = sa.create_engine(url, **engine_options(settings))
    try:
        with engine.begin() as connection:
            tables = sorted(sa.inspect(connection).get_table_names())
            name = engine.url.database or ""
            for statement in grant_statements(name, tables, application=application, archiver=archiver):
                click.echo(f"{statement};")
                if apply:
                    connection.exec_driver_sql(statement.replace("%", "%%"))
    except (ValueError, sa.exc.SQLAlchemyError) as error:
        advice = "The migration account needs its rights WITH GRANT OPTION, and the accounts must exist."
        raise click.ClickException(f"{error}\n{advice}") from error
    finally:
        engine.dispose()


def register(app: Flask) -> None:
    """Add the command to ``flask db``."""
    if "grants" not in database_commands.commands:
        database_commands.add_command(grants)
