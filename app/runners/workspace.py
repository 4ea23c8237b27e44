"""The private directory of one run attempt: made 0700, filled without following links, surely removed.

Layout: ``project/`` (the run's files, 0400), ``inputs/`` (inventory, variables, known hosts, keys, settings,
0600), ``home/``, ``tmp/``, and a directory for sockets, which lies elsewhere when the path would be too long.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from app.runners.base import FailureCode, RunFile

PREFIX = "mw-"
MIN_FREE_BYTES = 64 * 1024 * 1024
MAX_KEY_BYTES = 64 * 1024
# sun_path holds 108 bytes (unix(7)); ssh adds "/", ten characters of hash and a suffix of seventeen.
MAX_SOCKET_DIRECTORY = 108 - 1 - 1 - 10 - 17
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_SHORT = Path("/tmp")  # noqa: S108 (only for a fresh directory of mode 0700)
_PLAIN_PATH = re.compile(r"/[\w./+-]*\Z", re.ASCII)


class WorkspaceError(Exception):
    """The run cannot be prepared; ``code`` says what to store and the text what to do."""

    def __init__(self, code: FailureCode, message: str) -> None:
        super().__init__(message)
        self.code = code


def _fresh(parent: Path) -> Path:
    """Make a new directory (0700) under a name that nobody can guess; it must not exist."""
    path = parent / (PREFIX + os.urandom(8).hex())
    path.mkdir(mode=0o700)
    return path


def _new_file(directory_fd: int, name: str, data: bytes, mode: int) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, mode, dir_fd=directory_fd), "wb") as file:
        os.fchmod(file.fileno(), mode)  # whatever the umask says
        file.write(data)


def _parts(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    refused = pure.is_absolute() or not pure.parts or ".." in pure.parts or path != str(pure)
    if refused or "\0" in path or "\n" in path:
        raise WorkspaceError(FailureCode.ENGINE_ERROR, f"The file path {path!r} is not allowed in a project.")
    return pure.parts


@dataclass(frozen=True, slots=True)
class Workspace:
    """One attempt's directory. ``sockets`` is short enough for the control path of ssh."""

    path: Path
    sockets: Path

    @property
    def project(self) -> Path:
        """The directory that holds the run's files and in which the engine works."""
        return self.path / "project"

    @property
    def inputs(self) -> Path:
        """The directory of what is written for the engine besides the project."""
        return self.path / "inputs"

    @property
    def home(self) -> Path:
        """The engine's HOME."""
        return self.path / "home"

    @property
    def tmp(self) -> Path:
        """The engine's TMPDIR."""
        return self.path / "tmp"

    @classmethod
    def create(cls, root: Path, *, min_free_bytes: int = MIN_FREE_BYTES) -> Workspace:
        """Make the directories under ``root``; raises WorkspaceError (disk_full, engine_error)."""
        if not _PLAIN_PATH.match(str(root)):
            raise WorkspaceError(
                FailureCode.ENGINE_ERROR,
                f"The workspace root {str(root)!r} must be absolute, without blanks or special characters.",
            )
        try:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            space = os.statvfs(root)
            if space.f_bavail * space.f_frsize < min_free_bytes:
                raise WorkspaceError(FailureCode.DISK_FULL, f"Less than {min_free_bytes} bytes free in {root}.")
            path = _fresh(root)
            for name in ("project", "inputs", "home", "tmp"):
                (path / name).mkdir(mode=0o700)
            sockets = path / "s"
            if len(os.fsencode(sockets)) <= MAX_SOCKET_DIRECTORY:
                sockets.mkdir(mode=0o700)
            else:
                sockets = _fresh(_SHORT)
        except OSError as error:
            raise WorkspaceError(_code_of(error), f"The workspace cannot be made: {error}") from error
        return cls(path, sockets)

    def write_project(self, files: Iterable[RunFile]) -> None:
        """Write the run's files (0400, or 0500 if executable); raises WorkspaceError for a path outside."""
        for file in files:
            parts = _parts(file.path)
            mode = 0o500 if file.mode & 0o111 else 0o400
            self._write(self.project, parts, file.data, mode)

    def write_input(self, name: str, data: str | bytes) -> Path:
        """Write a file (0600) of the engine's own and return its path."""
        content = data.encode("utf-8") if isinstance(data, str) else data
        self._write(self.inputs, _parts(name), content, 0o600)
        return self.inputs / name

    def copy_key(self, source: Path, name: str) -> Path:
        """Copy a private ssh key that only its owner can read; raises WorkspaceError with what to correct."""
        return self.write_input(name, read_private_file(source))

    def remove(self) -> None:
        """Remove everything, whatever modes the run left behind. Raises OSError if something stays."""
        remove_tree(self.path)
        if self.sockets.parent != self.path:
            remove_tree(self.sockets)

    def _write(self, base: Path, parts: tuple[str, ...], data: bytes, mode: int) -> None:
        opened = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        directory = -1
        try:
            directory = os.open(base, opened)
            for part in parts[:-1]:
                try:
                    os.mkdir(part, 0o700, dir_fd=directory)
                except FileExistsError:
                    pass
                below = os.open(part, opened, dir_fd=directory)
                os.close(directory)
                directory = below
            _new_file(directory, parts[-1], data, mode)
        except OSError as error:
            raise WorkspaceError(_code_of(error), f"{'/'.join(parts)} cannot be written: {error}") from error
        finally:
            if directory >= 0:
                os.close(directory)


def read_private_file(path: Path) -> bytes:
    """Return the content of a key file after checking, on the opened file, that it is private.

    Raises WorkspaceError unless it is a regular file of this user (or root), not readable by others, at
    most 64 KiB.
    """
    try:
        with os.fdopen(os.open(path, _READ), "rb") as file:
            status = os.fstat(file.fileno())
            problem = ""
            if not stat.S_ISREG(status.st_mode):
                problem = "is no regular file"
            elif status.st_mode & 0o077:
                problem = "is readable by others; use chmod 600"
            elif status.st_uid not in (os.geteuid(), 0):
                problem = "belongs to another user"
            elif status.st_size > MAX_KEY_BYTES:
                problem = "is larger than any key"
            if problem:
                raise WorkspaceError(FailureCode.ENGINE_ERROR, f"The key file {path} {problem}.")
            return file.read(MAX_KEY_BYTES)
    except OSError as error:
        message = f"The key file {path} cannot be read: {error.strerror}."
        raise WorkspaceError(FailureCode.ENGINE_ERROR, message) from error


def remove_tree(path: Path) -> None:
    """Remove a directory with all it holds; links are removed, never followed. Missing is fine."""

    def open_up(function: Callable[..., Any], name: str, _error: object) -> None:
        entry = Path(name)
        if not os.path.lexists(entry):
            return
        entry.parent.chmod(0o700)
        if not entry.is_symlink() and entry.is_dir():
            entry.chmod(0o700)
            shutil.rmtree(entry, onerror=open_up)
        elif function is not os.rmdir:
            entry.unlink()

    if path.is_symlink():
        path.unlink()
        return
    shutil.rmtree(path, onerror=open_up)
    if os.path.lexists(path):
        shutil.rmtree(path)


def _code_of(error: OSError) -> FailureCode:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return FailureCode.DISK_FULL if full else FailureCode.ENGINE_ERROR
