"""The rights of the application's and the archiver's accounts, given again after tables were made."""

from __future__ import annotations

from sqlalchemy import inspect, make_url
from sqlalchemy.exc import SQLAlchemyError

from app.core.grants import grant_statements
from app.operations.backup import owner_engine
from config import Settings


def give_rights(settings: Settings) -> list[str]:
    """Grant by the account names of the settings; return a warning when that failed, or nothing."""
    application = make_url(settings.database_url).username or ""
    archiver = make_url(settings.archiver_database_url).username if settings.archiver_database_url else None
    owner = make_url(settings.migration_database_url or settings.database_url)
    if application == owner.username:
        return []
    engine = owner_engine(settings)
    try:
        with engine.begin() as connection:
            names = sorted(inspect(connection).get_table_names())
            for statement in grant_statements(owner.database or "", names, application=application, archiver=archiver):
                connection.exec_driver_sql(statement.replace("%", "%%"))
    except (SQLAlchemyError, ValueError) as error:
        return [f"rights were not given again ({error}); run `flask db grants --apply`"]
    finally:
        engine.dispose()
    return []
