"""Segments in an S3-compatible store: a real server of that protocol (moto) on a port of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr
from sqlalchemy import func, select

from app.core.db import db, unit_of_work
from app.core.tenancy import system_scope
from app.jobs import log_queries, retention, sealing, segment_store
from app.jobs.log_models import JobLogLine
from app.jobs.segment_store import S3Store, SegmentMissing, StoreAway
from config import Settings, SettingsError, load_settings
from tests.jobs.conftest import House
from tests.jobs.logged import finished, lines_of, readings, seal, use

BUCKET = "lines"
NAME = "01234567-89ab-cdef-0123-456789abcdef"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The URL of an S3 server with one bucket."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        client(f"http://{host}:{port}").create_bucket(Bucket=BUCKET)
        yield f"http://{host}:{port}"
    finally:
        server.stop()


def client(address: str) -> Any:
    """The vendor's client, as somebody else would look into the bucket."""
    return boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )


def keys(address: str) -> list[str]:
    """Return the names of all objects."""
    return [entry["Key"] for entry in client(address).list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture
def bucket(app: Any, address: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Settings that name the bucket, which is empty."""
    for key in keys(address):
        client(address).delete_object(Bucket=BUCKET, Key=key)
    use(
        monkeypatch,
        segment_store="s3",
        segment_s3_bucket=BUCKET,
        segment_s3_prefix="here/",
        segment_s3_endpoint_url=address,
        segment_s3_region="us-east-1",
        segment_s3_access_key="a",
        segment_s3_secret_key=SecretStr("b"),
    )
    segment_store._made.cache_clear()
    return address


@pytest.mark.database
def test_lines_are_sealed_into_a_bucket_read_from_it_and_removed(
    house: House, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sealing, "SEGMENT_LINES", 10)
    launch = finished(house, {"a": lines_of(25), "b": lines_of(4)}, days_ago=91)
    before = readings(house, launch)
    assert seal(house) == 29
    assert readings(house, launch) == before
    assert len(keys(bucket)) == 3
    assert all(key.startswith("here/") and key.endswith(".zst") for key in keys(bucket))
    client(bucket).delete_object(Bucket=BUCKET, Key=keys(bucket)[0])
    job = house.jobs(launch)["a"]
    assert len(house.read(lambda: log_queries.tail(job)).missing) == 1
    with house.context():
        assert retention.remove_old_lines() == 1
    assert keys(bucket) == []


@pytest.mark.database
def test_a_store_that_does_not_answer_or_refuses_keeps_every_row(
    house: House, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(house, {"a": lines_of(5)})
    for changes in ({"segment_s3_endpoint_url": "http://127.0.0.1:1"}, {"segment_s3_bucket": "of-somebody-else"}):
        with monkeypatch.context() as patched:
            use(patched, **changes)
            assert seal(house) == 0
        with house.context(), system_scope("test"), unit_of_work(writes=False):
            assert db.session.scalar(select(func.count()).select_from(JobLogLine)) == 5
    assert seal(house) == 5


def test_what_is_not_there_and_what_does_not_answer_are_two_things(bucket: str, settings: Settings) -> None:
    store = segment_store.outside("s3")
    store.put(NAME, b"some bytes")
    assert store.get(NAME) == b"some bytes"
    store.delete(NAME)
    store.delete(NAME)
    with pytest.raises(SegmentMissing):
        store.get(NAME)
    away = settings.model_copy(
        update={
            "segment_s3_bucket": BUCKET,
            "segment_s3_endpoint_url": "http://127.0.0.1:1",
            "segment_s3_region": "us-east-1",
            "segment_s3_access_key": "a",
            "segment_s3_secret_key": SecretStr("b"),
        }
    )
    with pytest.raises(StoreAway):
        S3Store(away).get(NAME)


def test_a_bucket_is_asked_for_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.environment import KEYS

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MILLWRIGHT_DATABASE_URL", "sqlite:///x.db")
    monkeypatch.setenv("MILLWRIGHT_SEGMENT_STORE", "s3")
    with pytest.raises(SettingsError, match="MILLWRIGHT_SEGMENT_S3_BUCKET"):
        load_settings()
    monkeypatch.setenv("MILLWRIGHT_SEGMENT_S3_BUCKET", "lines")
    monkeypatch.setenv("MILLWRIGHT_SEGMENT_S3_ACCESS_KEY", "a")
    with pytest.raises(SettingsError, match="belong together"):
        load_settings()
