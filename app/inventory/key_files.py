"""Private keys that servers name by path: checked when an administrator sets one and again before each use."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from app.core.runtime import settings

DEFAULT_TENANT_ID = 1
TENANT_FOLDER = re.compile(r"tenant-(\d{1,10})\Z")
PATH = re.compile(r"/[A-Za-z0-9_.@+/-]{1,499}\Z")
MAXIMUM_BYTES = 65_536


class KeyFileError(ValueError):
    """The key must not or cannot be used; the message says what to do."""


def check_key_file(path: str, *, tenant_id: int = DEFAULT_TENANT_ID) -> None:
    """Raise KeyFileError unless ``path`` is a private key that this tenant may use on this machine.

    It must lie under ``settings().key_root``: in ``tenant-<id>/`` for its tenant alone, anywhere else for the
    default tenant alone. It must be a regular file, not a link, owned by the platform's user or root, readable
    by its owner only (0600 or 0400).
    """
    root = settings().key_root
    if not PATH.match(path) or ".." in path.split("/"):
        raise KeyFileError(f"Give the full path of a key file under {root}, without '..' and special characters.")
    real_root, real = Path(os.path.realpath(root)), Path(os.path.realpath(path))
    if not real.is_relative_to(real_root) or real == real_root:
        raise KeyFileError(f"Keys must lie under {root}. Copy the key there, then give that path.")
    owner = TENANT_FOLDER.match(real.relative_to(real_root).parts[0])
    if (int(owner[1]) if owner else DEFAULT_TENANT_ID) != tenant_id:
        raise KeyFileError(f"Keys of this tenant must lie under {root}/tenant-{tenant_id}.")
    try:
        # O_NONBLOCK: opening a pipe must not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise KeyFileError(f"There is no file {path} on this machine. Copy the key there.") from error
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be opened ({error.strerror}). It must be a plain file, not a link, "
            "readable by the platform's user."
        ) from error
    try:
        _check_opened(path, descriptor)
    finally:
        os.close(descriptor)


def _check_opened(path: str, descriptor: int) -> None:
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        raise KeyFileError(f"{path} is no regular file. Give the path of a private key.")
    if facts.st_mode & 0o177:
        raise KeyFileError(f"Others may read {path}, so ssh refuses it. Run: chmod 600 {path}")
    if facts.st_uid not in (os.geteuid(), 0):
        raise KeyFileError(f"{path} belongs to another user. Give it to the platform's user (chown).")
    if not 0 < facts.st_size <= MAXIMUM_BYTES:
        raise KeyFileError(f"{path} is empty or too large for a private key.")
    if b"PRIVATE KEY" not in os.read(descriptor, 100):
        raise KeyFileError(f"{path} holds no private key. A public key (.pub) cannot be used here.")
