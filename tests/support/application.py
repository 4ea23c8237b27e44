"""The application in this process, on the test's database.

Fixtures:
    make_settings   function(**overrides) -> Settings for the test's database and a data folder of its own
    settings        make_settings()
    app             the Flask application, as new for every test
    app_context     the same, inside an application context (for services and queries)
    client          its test client; requests run in contexts of their own
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app import create_app
from app.accounts.authentication import authenticate
from app.core import runtime
from app.core.extensions import limiter
from app.core.queue import configure_celery
from config import Settings
from tests import factories
from tests.support.databases import TestDatabase
from tests.support.environment import KEYS, PREFIX

KEY_FIELDS = ("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
NOBODY_LISTENS = "redis://127.0.0.1:1/0"  # port 1: a doorbell that is never heard, at once


@pytest.fixture
def make_settings(database: TestDatabase, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings by field name, with keys and quick bcrypt."""

    def make(**overrides: Any) -> Settings:
        keys = {name.removeprefix(PREFIX).lower(): value for name, value in KEYS.items()}
        values = {
            "database_url": database.app_url,
            "migration_database_url": database.migrator_url,
            "data_dir": tmp_path / "data",
            "redis_url": NOBODY_LISTENS,
            "bcrypt_rounds": 4,
            "public_url": "http://localhost",
            **keys,
            **overrides,
        }
        return Settings(**values)

    return make


@pytest.fixture
def settings(make_settings: Callable[..., Settings]) -> Settings:
    """Settings for the test's database."""
    return make_settings()


_built: dict[str, Flask] = {}  # by all settings but the data folder: building one costs .3 s of CPU


def _application(settings: Settings) -> Flask:
    """Return an application for these settings: a used one made as new, or a new one."""
    values = {name: repr(value) for name, value in settings.model_dump().items() if name != "data_dir"}
    keys = {name: getattr(settings, name).get_secret_value() for name in KEY_FIELDS}
    known = repr((values, keys))
    found = _built.get(known)
    if found is None:
        found = _built[known] = create_app(settings)
        return found
    runtime.configure(settings)
    found.config["MILLWRIGHT_SETTINGS"] = settings
    found.authenticator = authenticate  # type: ignore[attr-defined]  # some tests put their own in its place
    found.config["WTF_CSRF_ENABLED"] = True
    found.extensions.pop("millwright_tail_hub", None)
    configure_celery(settings)
    limiter.reset()
    return found


@pytest.fixture
def app(settings: Settings) -> Iterator[Flask]:
    """The application; its connections are closed afterwards. Tests add no routes to it: they share it."""
    built = _application(settings)
    factories.use(built)
    yield built
    factories.use(None)
    with built.app_context():
        from app.core.db import db

        db.session.remove()
        for engine in db.engines.values():
            engine.dispose()


@pytest.fixture
def app_context(app: Flask) -> Iterator[Flask]:
    """The application with its context pushed."""
    with app.app_context():
        yield app


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A browser or program without a session."""
    return app.test_client()
