"""The data folder: private, used by one platform at a time, with keys of its own."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from pathlib import Path
from typing import IO

from app.standalone.errors import StartError

KEY_NAMES = ("secret_key", "api_key_pepper", "password_pepper", "audit_key", "master_key")
KEY_BYTES = 32
# A unix socket's path has 108 bytes with its end (sys/un.h); the broker appends nothing to it.
SOCKET_PATH_LIMIT = 107


class DataFolder:
    """One folder of data; making the object makes the folder (0700)."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.chmod(0o700)
        self._lock: IO[str] | None = None

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / "millwright.db"

    @property
    def broker(self) -> Path:
        """Folder of the broker's append-only file."""
        return self.path / "broker"

    @property
    def socket(self) -> Path:
        """The broker's unix socket: in this folder, or in the user's temporary one when the path is too long."""
        inside = self.path / "broker.sock"
        if len(os.fsencode(inside)) <= SOCKET_PATH_LIMIT:
            return inside
        shadow = Path(tempfile.gettempdir()) / f"millwright-{os.getuid()}-{self.path.stat().st_ino}"
        shadow.mkdir(mode=0o700, exist_ok=True)
        owner = shadow.stat()
        if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
            raise StartError(f"{shadow} belongs to somebody else; use a data folder with a shorter path.")
        return shadow / "broker.sock"

    def take(self) -> None:
        """Take the folder for this process until ``release``. StartError when a platform runs on it."""
        lock = (self.path / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise StartError(
                f"Millwright already runs on {self.path} (pid {holder}). Stop it first, or give another folder:"
                " MILLWRIGHT_DATA_DIR=/some/where make run"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        self._lock = lock

    def release(self) -> None:
        """Give the folder back."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def key_file(self, name: str) -> Path:
        """Where a key lies."""
        return self.path / "secrets" / name

    def ensure_keys(self) -> None:
        """Make the keys of a new folder, each 0600.

        StartError when one is missing beside an existing database: a new one would make encrypted values
        unreadable and the audit chain look forged.
        """
        missing = [name for name in KEY_NAMES if not self.key_file(name).exists()]
        if missing and self.database.exists():
            raise StartError(
                f"{self.path / 'secrets'} lacks {', '.join(missing)}, but the database exists. Restore the folder"
                " from its backup; with new keys its secrets and its audit log could not be read."
            )
        self.key_file("").mkdir(mode=0o700, exist_ok=True)
        for name in missing:
            descriptor = os.open(self.key_file(name), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_hex(KEY_BYTES) + "\n")
