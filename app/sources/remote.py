"""Read a remote repository on a worker: its newest commit of a branch, and the files of it, into memory.

Opens no database. What it needs on disk lies in one private folder that goes at the end.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.core.runtime import settings
from app.runners.workspace import remove_tree
from app.sources.git_address import GitUrl, Scheme
from app.sources.git_client import Credential, Git, GitError
from app.sources.git_tree import Commit, TreeLimits, read_commit, read_tree
from app.sources.store import SourceFile
from app.sources.sync_log import SyncLog


@dataclass(frozen=True, slots=True)
class Place:
    """Where to read: ``branch`` None is the remote's HEAD, ``subfolder`` narrows the files.

    ``again`` ends advice; ``limits`` None are those of a project that may have a sub-folder.
    """

    url: GitUrl
    branch: str | None
    subfolder: str | None = None
    host_keys: str = ""
    credential: Credential = field(default_factory=Credential, repr=False)
    again: str = "sync again"
    limits: TreeLimits | None = None


@dataclass(frozen=True, slots=True)
class Remote:
    """What was read; ``notes`` say what was left out of the files."""

    commit: Commit
    branch: str
    files: Mapping[str, SourceFile]
    notes: Sequence[str]


class HostKeysOffered(GitError):
    """Nobody has accepted a host key yet, or another one is shown; ``lines`` are the keys as "type base64"."""

    def __init__(self, code: str, message: str, lines: str) -> None:
        super().__init__(code, message)
        self.lines = lines


@contextmanager
def private_folder() -> Iterator[Path]:
    """Make a folder for one reading and remove it afterwards, with what dead workers left beside it."""
    root = settings().sync_root
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _clear_stale(root)
    folder = Path(tempfile.mkdtemp(prefix="mw-", dir=root))
    try:
        yield folder
    finally:
        remove_tree(folder)


def read_remote(
    folder: Path, place: Place, said: SyncLog, *, deadline_left: Callable[[], float], tick: Callable[[], None]
) -> Remote:
    """Fetch one commit and read its files; raises GitError, HostKeysOffered, AddressRefused.

    ``deadline_left`` gives the seconds that are left for all of it; ``tick`` is called about every second.
    """
    git = Git(
        folder,
        place.url,
        credential=place.credential,
        host_keys=place.host_keys,
        deadline_left=deadline_left,
        tick=tick,
    )
    said.add(f"reading {place.url.text}")
    if place.url.scheme is Scheme.SSH:
        _check_host_keys(git, place)
    head = git.head(place.branch)
    said.add(f"branch {head.branch or 'HEAD'} is at {head.commit}")
    hash_ = git.fetch(f"refs/heads/{head.branch}" if head.branch else "HEAD")
    commit = read_commit(git, hash_)
    tree = read_tree(git, hash_, place.subfolder, place.limits)
    size = sum(len(file.data) for file in tree.files.values())
    said.add(f"commit {hash_}: {len(tree.files)} files, {size} bytes")
    for note in tree.notes:
        said.add(note)
    return Remote(commit, head.branch, tree.files, tree.notes)


def _clear_stale(root: Path) -> None:
    """Remove what dead workers left: nothing here is older than the longest reading."""
    oldest = time.time() - 2 * settings().project_sync_seconds - 600
    for entry in root.glob("mw-*"):
        try:
            if entry.lstat().st_mtime < oldest:
                remove_tree(entry)
        except OSError:
            continue


def _check_host_keys(git: Git, place: Place) -> None:
    shown = git.scan_host_keys()
    accepted = {line.split()[1] for line in place.host_keys.splitlines() if len(line.split()) == 2}
    if accepted & {key.public_key for key in shown}:
        return
    lines = "\n".join(f"{key.key_type} {key.public_key}" for key in shown)
    marks = ", ".join(f"{key.fingerprint} ({key.key_type})" for key in shown)
    if accepted:
        raise HostKeysOffered(
            "host_key_changed",
            f"{place.url.host} shows another ssh host key than the accepted one: {marks}. Find out why, then accept "
            "it.",
            lines,
        )
    raise HostKeysOffered(
        "host_key_unknown",
        f"Nobody has accepted the ssh host key of {place.url.host} yet. It shows {marks}. Compare it with what the "
        f"host's operator publishes, accept it on the project's page, and {place.again}.",
        lines,
    )
