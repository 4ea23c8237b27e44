"""Where the bytes of segments lie: in the database, in a folder, or in an S3-compatible store.

A segment's name is its UUID and nothing else. ``put`` returns when the bytes survive a power cut. Whether they are the
right ones is the codec's to say.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from app.core.runtime import settings
from config import Settings

DATABASE, FOLDER, S3 = "database", "folder", "s3"
_NAME = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class SegmentMissing(LookupError):
    """The store answers, and has no such segment."""


class StoreAway(RuntimeError):
    """The store cannot be asked now; the message says why. Trying again later may help."""


class SegmentStore(Protocol):
    """A place outside of the database."""

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``; what had this name is replaced. Raises StoreAway."""

    def get(self, name: str) -> bytes:
        """Return what was kept. Raises SegmentMissing or StoreAway."""

    def delete(self, name: str) -> None:
        """Remove it; no error when it is not there. Raises StoreAway."""


def _checked(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(f"not the name of a segment: {name!r}")
    return name


class FolderStore:
    """Files below a folder that web processes and keepers share: ``ab/<uuid>.zst``, mode 0600."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, name: str) -> Path:
        return self._folder / _checked(name)[:2] / f"{name}.zst"

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``, on the disk before it has its name."""
        path = self._path(name)
        partial = path.with_name(f"{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
            _sync(path.parent)
            _sync(self._folder)
        except OSError as error:
            raise StoreAway(f"{self._folder} cannot be written: {error.strerror}") from error

    def get(self, name: str) -> bytes:
        """Return what was kept."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError as error:
            if not self._folder.is_dir():
                raise StoreAway(f"{self._folder} is not there") from error
            raise SegmentMissing(name) from error
        except OSError as error:
            raise StoreAway(f"{self._folder} cannot be read: {error.strerror}") from error

    def delete(self, name: str) -> None:
        """Remove it, with what a put that was cut off left."""
        path = self._path(name)
        try:
            path.with_name(f"{path.name}.partial").unlink(missing_ok=True)
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreAway(f"{self._folder} cannot be changed: {error.strerror}") from error


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class S3Store:
    """Objects ``<prefix>ab/<uuid>.zst`` of one bucket, through boto3 (an optional package)."""

    def __init__(self, config: Settings) -> None:
        try:
            boto3, botocore_config = import_module("boto3"), import_module("botocore.config")
        except ImportError as error:
            raise StoreAway("boto3 is not installed: pip install -r requirements-s3.txt") from error
        self._errors = import_module("botocore.exceptions")
        self._bucket, self._prefix = config.segment_s3_bucket or "", config.segment_s3_prefix
        secret = config.segment_s3_secret_key
        self._client: Any = boto3.client(
            "s3",
            endpoint_url=config.segment_s3_endpoint_url,
            region_name=config.segment_s3_region,
            aws_access_key_id=config.segment_s3_access_key,
            aws_secret_access_key=secret.get_secret_value() if secret else None,
            config=botocore_config.Config(
                connect_timeout=3,
                read_timeout=10,
                retries={"mode": "standard", "total_max_attempts": 3},
                # Checksum headers of AWS are refused by other stores; the segment has its own SHA-256.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def _key(self, name: str) -> str:
        return f"{self._prefix}{_checked(name)[:2]}/{name}.zst"

    def _ask(self, name: str, question: Callable[[], Any]) -> Any:
        try:
            return question()
        except self._errors.ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if code in ("NoSuchKey", "404"):
                raise SegmentMissing(name) from error
            raise StoreAway(f"the S3 store refuses: {code}") from error
        except (self._errors.BotoCoreError, self._errors.HTTPClientError, OSError) as error:
            raise StoreAway(f"the S3 store does not answer: {type(error).__name__}") from error

    def put(self, name: str, data: bytes) -> None:
        """Keep ``data``."""
        self._ask(name, lambda: self._client.put_object(Bucket=self._bucket, Key=self._key(name), Body=data))

    def get(self, name: str) -> bytes:
        """Return what was kept."""
        found = self._ask(
            name, lambda: self._client.get_object(Bucket=self._bucket, Key=self._key(name))["Body"].read()
        )
        return bytes(found)

    def delete(self, name: str) -> None:
        """Remove it."""
        try:
            self._ask(name, lambda: self._client.delete_object(Bucket=self._bucket, Key=self._key(name)))
        except SegmentMissing:
            return


@lru_cache(maxsize=4)
def _made(kind: str, place: str) -> SegmentStore:
    return S3Store(settings()) if kind == S3 else FolderStore(Path(place))


def outside(kind: str) -> SegmentStore:
    """Return the store of a kind other than ``database``, as this process's settings name it. Raises StoreAway."""
    if kind not in (FOLDER, S3):
        raise StoreAway(f"this version knows no store called {kind}")
    config = settings()
    if kind == S3 and not config.segment_s3_bucket:
        raise StoreAway("MILLWRIGHT_SEGMENT_S3_BUCKET is not set")
    place = f"{config.segment_s3_endpoint_url} {config.segment_s3_bucket} {config.segment_s3_prefix}"
    return _made(kind, str(config.segment_folder) if kind == FOLDER else place)
