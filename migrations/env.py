"""Alembic environment: the application's metadata, the migration account, readable autogeneration."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import context
from flask import current_app

sys.path.insert(0, str(Path(__file__).resolve().parent))  # revisions import ``portable``

from app.core import column_types, db_time
from app.core.db import Model


def render_item(kind: str, item: Any, autogen: Any) -> str | bool:
    """Write our column types as the frozen names of ``portable``."""
    if kind == "type":
        known = {
            id(column_types.BigIntPK): "BIG_KEY",
            id(column_types.LongBytes): "LONG_BYTES",
            id(column_types.LongText): "LONG_TEXT",
            id(column_types.Digest): "DIGEST",
        }
        if id(item) in known:
            return f"portable.{known[id(item)]}"
        if isinstance(item, column_types.UTCDateTime):
            return "portable.MOMENT"
        if isinstance(item, sa.Enum):
            return f"portable.enum({item.name!r}, {', '.join(repr(v) for v in item.enums)})"
        if isinstance(item, sa.String) and "mysql" in item._variant_mapping and not isinstance(item, sa.Text):
            return f"portable.ascii_binary({item.length})"
        if isinstance(item, sa.JSON):
            return "sa.JSON()"
    if kind == "server_default":
        argument = getattr(item, "arg", None)
        if isinstance(argument, db_time.UpdatedDefault):
            return "portable.UPDATED"
        if isinstance(argument, db_time.CreatedDefault):
            return "portable.CREATED"
    return False


def _url() -> str:
    settings = current_app.config["MILLWRIGHT_SETTINGS"]
    return settings.migration_database_url or settings.database_url


def run() -> None:
    """Upgrade or downgrade online; each revision in a transaction where the database can."""
    from app.core.db import engine_options

    settings = current_app.config["MILLWRIGHT_SETTINGS"]
    engine = sa.create_engine(_url(), **engine_options(settings))
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=Model.metadata,
            render_item=render_item,
            compare_type=False,
            include_object=_included,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


def _included(item: Any, name: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
    only = os.environ.get("AUTOGENERATE_TABLES")
    if only is None or kind != "table":
        return True
    return name in only.split(",")


run()
