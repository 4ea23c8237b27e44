"""TLS to the database and to Redis with an authority of the tests' own: used everywhere, and checked."""

from __future__ import annotations

import shutil
import ssl
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import kombu
import pytest
import redis
from pydantic import ValidationError
from sqlalchemy import text

from app import create_app
from app.core import queue, runtime, wake
from app.core.db import db, engine_options, unit_of_work
from app.jobs.leader import Leadership
from app.standalone import broker
from config import Settings
from tests.support import mysql_sandbox
from tests.support.certificates import Authority
from tests.support.databases import TestDatabase, create_on_server, grant, require_kind, run_flask
from tests.support.environment import process_environment, settings_environment
from tests.support.processes import Process, free_port, start, wait_until
from tests.support.servers import NotAvailable, start_mariadb, start_mysql


def _mariadb(authority: Authority) -> TestDatabase:
    made = authority.server("mariadb")
    options = [f"--ssl-ca={authority.ca}", f"--ssl-cert={made.certificate}", f"--ssl-key={made.key}"]
    return create_on_server(start_mariadb(options=options), "over_tls")


def _mysql(authority: Authority) -> TestDatabase:
    sandbox = mysql_sandbox.find()
    if sandbox is None:
        raise NotAvailable(mysql_sandbox.why_not())
    made = authority.server("mysql")
    folder = sandbox.new_data_folder()
    shutil.rmtree(folder / "data")
    for path in (authority.ca, made.certificate, made.key):
        shutil.copy(path, folder)
    inside = f"/{folder.relative_to(sandbox.root)}"
    options = [f"--ssl-ca={inside}/ca.pem", f"--ssl-cert={inside}/mysql.pem", f"--ssl-key={inside}/mysql-key.pem"]
    server = start_mysql(options=options)
    server.leftovers.append(folder)
    return create_on_server(server, "over_tls")


@pytest.fixture(params=["mariadb", "mysql"])
def database_kind(request: pytest.FixtureRequest, databases) -> str:  # type: ignore[no-untyped-def]
    require_kind(databases, request.param)
    kind: str = request.param
    return kind


@pytest.fixture
def guarded(database_kind: str) -> Iterator[tuple[TestDatabase, Authority]]:
    """A server with certificates."""
    folder = Path(tempfile.mkdtemp(prefix="millwright-tls-"))  # where the server's account may read
    authority = Authority(folder)
    database = (_mariadb if database_kind == "mariadb" else _mysql)(authority)
    assert database.server is not None
    try:
        yield database, authority
    finally:
        database.server.stop()
        shutil.rmtree(folder)


def test_everything_speaks_tls_with_the_database_and_checks_whom_it_speaks_with(
    guarded: tuple[TestDatabase, Authority], tmp_path: Path, make_settings_over_tls: Callable[..., Settings]
) -> None:
    database, authority = guarded
    assert database.server is not None
    values = {"database_ssl_ca": str(authority.ca), "migration_database_url": database.migrator_url}

    def flask(*arguments: str, url: str = database.app_url, **more: str) -> str:
        settings = settings_environment(url, tmp_path / "data", **{**values, **more})
        done = run_flask(process_environment({k: v for k, v in settings.items() if v}), *arguments)
        return f"{done.returncode} {done.stdout}{done.stderr}"

    connection = database.server.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = ON")
    connection.close()
    said = flask("db", "upgrade")
    assert said.startswith("0 "), said
    grant(database)

    app = create_app(make_settings_over_tls(database, authority.ca))
    with app.app_context():
        with unit_of_work(writes=False) as session:
            version = session.connection().execute(text("SHOW STATUS LIKE 'Ssl_version'")).one()[1]
        leader = Leadership()
        assert leader.hold()
        assert leader._connection is not None
        of_leader = leader._connection.execute(text("SHOW STATUS LIKE 'Ssl_version'")).one()[1]
        leader.release()
        for engine in db.engines.values():
            engine.dispose()
    assert {version, of_leader} <= {"TLSv1.2", "TLSv1.3"}
    made = flask("ops", "backup", str(tmp_path / "backups"))  # the dump tool too
    assert made.startswith("0 "), made

    wrong = Authority(tmp_path / "wrong").ca
    assert "certificate verify failed" in flask("database", "check", database_ssl_ca=str(wrong))
    assert "match" in flask("database", "check", url=database.app_url.replace("127.0.0.1", "localhost"))


@pytest.fixture
def make_settings_over_tls(tmp_path: Path) -> Callable[..., Settings]:
    """Settings for a database behind TLS."""

    def make(database: TestDatabase, ca: Path) -> Settings:
        from tests.support.environment import KEYS, PREFIX

        keys = {name.removeprefix(PREFIX).lower(): value for name, value in KEYS.items()}
        return Settings(database_url=database.app_url, database_ssl_ca=ca, data_dir=tmp_path / "data", **keys)

    return make


@pytest.fixture
def tls_redis(tmp_path: Path) -> Iterator[tuple[str, Authority, Process]]:
    """A Redis that listens for TLS alone."""
    authority = Authority(tmp_path / "tls")
    made = authority.server("redis")
    port = free_port()
    options = {
        "port": "0", "tls-port": str(port), "bind": "127.0.0.1", "requirepass": "tested", "save": "",
        "tls-cert-file": str(made.certificate), "tls-key-file": str(made.key), "tls-ca-cert-file": str(authority.ca),
        "tls-auth-clients": "no", "tls-protocols": "TLSv1.2 TLSv1.3", "dir": str(tmp_path),
    }  # fmt: skip
    argv = [shutil.which("redis-server") or broker.find_program()]
    argv += [word for key, value in options.items() for word in (f"--{key}", value)]
    process = start(argv, name="redis", log=tmp_path / "redis.log")
    try:
        client = redis.Redis("127.0.0.1", port, password="tested", ssl=True, ssl_ca_certs=str(authority.ca))

        def answers() -> bool:
            assert process.running, process.output()
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False

        wait_until(answers, message="a Redis with TLS")
        client.close()
        yield f"rediss://:tested@127.0.0.1:{port}/0", authority, process
    finally:
        process.stop()


def _over(settings: Settings, url: str, ca: Path) -> Settings:
    made = settings.model_copy(update={"redis_url": url, "redis_ssl_ca": ca})
    runtime.configure(made)
    queue.configure_celery(made)
    wake.forget_connection()
    wake._blocked_until = 0.0
    return made


@pytest.fixture
def plain_settings(tmp_path: Path) -> Iterator[Settings]:
    """Settings without TLS, put back afterwards."""
    from tests.support.environment import KEYS, PREFIX

    keys = {name.removeprefix(PREFIX).lower(): value for name, value in KEYS.items()}
    made = Settings(database_url=f"sqlite:///{tmp_path}/x.db", data_dir=tmp_path, **keys)
    yield made
    runtime.configure(made)
    queue.configure_celery(made)
    wake.forget_connection()
    wake._blocked_until = 0.0


def test_doorbells_and_wake_ups_go_over_tls(
    tls_redis: tuple[str, Authority, Process], plain_settings: Settings, tmp_path: Path
) -> None:
    url, authority, _process = tls_redis
    _over(plain_settings, url, authority.ca)
    assert wake.is_reachable()
    listener = wake.connect(2).pubsub()
    listener.subscribe(wake.PREFIX + "job")
    wait_until(lambda: listener.get_message(timeout=1), message="the subscription")
    wake.wake("job")
    assert wait_until(lambda: listener.get_message(timeout=1), message="the wake-up")["data"] == b"1"
    listener.close()
    assert queue.send("jobs.execute", run_id=7)
    with queue.celery_app.connection_for_read() as connection:
        box = connection.SimpleQueue(queue.RUN_QUEUE)
        message = box.get(timeout=5)
        assert message.payload[1]["run_id"] == 7
        box.close()
    queue.celery_app.pool.force_close_all()

    _over(plain_settings, url, Authority(tmp_path / "wrong").ca)
    assert not wake.is_reachable()
    with pytest.raises(kombu.exceptions.OperationalError, match="certificate verify failed"):
        queue.celery_app.connection_for_write().ensure_connection(max_retries=1, timeout=2)
    _over(plain_settings, url.replace("127.0.0.1", "localhost"), authority.ca)  # a name that is not in it
    assert not wake.is_reachable()
    with pytest.raises(kombu.exceptions.OperationalError, match="match"):
        queue.celery_app.connection_for_write().ensure_connection(max_retries=1, timeout=2)
    _over(plain_settings, url, authority.ca)
    queue.celery_app.pool.force_close_all()


def test_an_authority_without_tls_is_a_mistake_that_is_said(plain_settings: Settings, tmp_path: Path) -> None:
    values = plain_settings.model_dump()
    with pytest.raises(ValidationError, match="rediss"):
        Settings(**{**values, "redis_ssl_ca": tmp_path / "ca.pem"})
    with pytest.raises(ValidationError, match="SQLite"):
        Settings(**{**values, "database_ssl_ca": tmp_path / "ca.pem"})


def test_nothing_older_than_tls_1_2_is_spoken(tmp_path: Path, plain_settings: Settings) -> None:
    authority = Authority(tmp_path)
    values = {**plain_settings.model_dump(), "database_url": "mysql+pymysql://app@db.example.org/millwright"}
    values |= {
        "database_ssl_ca": authority.ca,
        "redis_url": "rediss://:x@redis.example.org",
        "redis_ssl_ca": authority.ca,
    }
    settings = Settings(**values)
    assert engine_options(settings)["connect_args"]["ssl"].minimum_version is ssl.TLSVersion.TLSv1_2
    assert wake.tls_options(settings)["ssl_min_version"] is ssl.TLSVersion.TLSv1_2
