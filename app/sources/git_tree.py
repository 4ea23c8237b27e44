"""Read the files of one fetched commit as objects, without a checkout: sizes first, bytes then."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from app.core.runtime import settings
from app.sources.git_client import Git, GitError
from app.sources.paths import is_storable
from app.sources.store import MAX_FILE_BYTES, SourceFile

MAX_LIST_BYTES = 8_388_608
_LFS = b"version https://git-lfs.github.com/spec/"
_FILE, _EXECUTABLE, _LINK, _SUBMODULE = "100644", "100755", "120000", "160000"


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit says of itself."""

    hash: str
    author: str
    date: datetime | None
    message: str


@dataclass(slots=True)
class Tree:
    """Files by path, and what was left out of them, in words."""

    files: dict[str, SourceFile] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class TreeLimits:
    """How many files and bytes a tree may have; ``what`` it is and the settings to raise, for people."""

    what: str
    files: int
    bytes: int
    too_many: str
    too_large: str


def project_limits() -> TreeLimits:
    """Return the limits of a project's own files, by the settings."""
    return TreeLimits(
        "The project",
        settings().project_max_files,
        settings().project_max_bytes,
        "Name a sub-folder, or raise MILLWRIGHT_PROJECT_MAX_FILES.",
        "Name a sub-folder, or raise MILLWRIGHT_PROJECT_MAX_BYTES.",
    )


@dataclass(frozen=True, slots=True)
class _Item:
    mode: str
    oid: str
    size: int
    path: str


def read_commit(git: Git, commit: str) -> Commit:
    """Return author, date and message of a commit; texts are cut to what the columns hold."""
    done = git.run("log", "-1", "--no-patch", "--no-show-signature", "--format=%an%x00%cI%x00%B", commit, "--")
    if done.code != 0:
        raise git.explain(done)
    author, date, message = (*done.output.split("\x00", 2), "", "")[:3]
    try:
        moment = datetime.fromisoformat(date).astimezone(UTC)
    except (ValueError, OverflowError):
        moment = None
    return Commit(commit, _plain(author)[:255], moment, _plain(message).strip()[:2000])


def _plain(text: str) -> str:
    return "".join(character for character in text if character.isprintable() or character == "\n")


def read_tree(git: Git, commit: str, subfolder: str | None = None, limits: TreeLimits | None = None) -> Tree:
    """Return the files of ``commit`` (below ``subfolder``, with paths relative to it); ``limits``: a project's.

    Links inside the tree become copies of what they mean; one that leads out of it, or a tree that is too large,
    raises GitError. Submodules and names that cannot be stored are left out with a note.
    """
    limits = limits or project_limits()
    items = {item.path: item for item in _list(git, commit, subfolder, limits)}
    tree = Tree()
    wanted: dict[str, _Item] = {}
    left_out: list[str] = []
    links: list[_Item] = []
    for item in items.values():
        if item.mode == _SUBMODULE:
            tree.notes.append(f"left out: {item.path} is a submodule; name it in requirements.yml instead")
        elif item.mode == _LINK:
            links.append(item)
        elif not is_storable(item.path):
            left_out.append(item.path)
        else:
            wanted[item.path] = item
    _check_size(wanted.values(), limits)
    blobs = _read_blobs(git, {item.oid for item in (*wanted.values(), *links)}, items.values())
    for path, item in wanted.items():
        tree.files[path] = SourceFile(blobs[item.oid], item.mode == _EXECUTABLE)
    _follow_links(tree, links, blobs, items, limits)
    large = sorted(path for path, file in tree.files.items() if file.data.startswith(_LFS))
    if large:
        tree.notes.append(f"{len(large)} files are Git LFS pointers, not their content: {', '.join(large[:5])}")
    if left_out:
        tree.notes.append(f"left out: {len(left_out)} files whose names cannot be stored: {', '.join(left_out[:5])}")
    if not tree.files:
        raise GitError("empty", "There is not one file that can be stored. Check branch and sub-folder.")
    _check_total(tree.files, limits)
    return tree


def _list(git: Git, commit: str, subfolder: str | None, limits: TreeLimits) -> Iterable[_Item]:
    what = f"{commit}:{subfolder}" if subfolder else commit
    done = git.run("ls-tree", "-r", "-z", "-l", "--full-tree", what, output_bytes=MAX_LIST_BYTES)
    if done.ended_by == "output":
        raise _too_many(limits)
    if done.code != 0:
        if subfolder:
            raise GitError("no_folder", f"The commit has no folder '{subfolder}'. Correct the sub-folder.", done.error)
        raise GitError("git_failed", "The files of the commit cannot be listed.", done.error)
    for line in done.raw.split(b"\0"):
        if line:
            head, _, name = line.partition(b"\t")
            mode, _kind, oid, size = head.decode("ascii").split()
            yield _Item(mode, oid, int(size) if size.isdigit() else 0, name.decode("utf-8", "backslashreplace"))


def _too_many(limits: TreeLimits) -> GitError:
    return GitError("too_big", f"{limits.what} has more than {limits.files} files. {limits.too_many}")


def _check_size(items: Iterable[_Item], limits: TreeLimits) -> None:
    count = total = 0
    for item in items:
        count += 1
        total += item.size
        if item.size > MAX_FILE_BYTES:
            size = MAX_FILE_BYTES // 1_048_576
            raise GitError("too_big", f"{item.path} is larger than {size} MiB. Keep such files outside of the project.")
    if count > limits.files:
        raise _too_many(limits)
    if total > limits.bytes:
        raise _too_large(limits, total)


def _too_large(limits: TreeLimits, total: int) -> GitError:
    size, most = total // 1_048_576, limits.bytes // 1_048_576
    return GitError(
        "too_big", f"{limits.what} has files of {size} MiB together; {most} MiB are allowed. {limits.too_large}"
    )


def _check_total(files: dict[str, SourceFile], limits: TreeLimits) -> None:
    total = sum(len(file.data) for file in files.values())
    if len(files) > limits.files:
        raise _too_many(limits)
    if total > limits.bytes:
        raise _too_large(limits, total)


def _read_blobs(git: Git, oids: set[str], items: Iterable[_Item]) -> dict[str, bytes]:
    """Return bytes by object name, all with one process."""
    if not oids:
        return {}
    expected = {item.oid: item.size for item in items if item.oid in oids}
    asked = git.folder / "objects.txt"
    asked.write_text("".join(f"{oid}\n" for oid in sorted(oids)), encoding="ascii")
    limit = sum(expected.values()) + 200 * len(oids) + 1024
    done = git.run("cat-file", "--batch", stdin=asked, output_bytes=limit)
    if done.code != 0:
        raise GitError("git_failed", "The files of the commit cannot be read.", done.error)
    found: dict[str, bytes] = {}
    at, data = 0, done.raw
    while at < len(data):
        end = data.index(b"\n", at)
        words = data[at:end].split()
        if len(words) != 3 or words[1] != b"blob":
            raise GitError("git_failed", "The repository lacks an object of the commit. Check it with git fsck.")
        size = int(words[2])
        found[words[0].decode("ascii")] = data[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return found


def _follow_links(
    tree: Tree, links: Iterable[_Item], blobs: dict[str, bytes], items: dict[str, _Item], limits: TreeLimits
) -> None:
    targets = {item.path: _target(item.path, blobs[item.oid]) for item in links}
    folders = {parent for path in items for parent in _parents(path)}
    for path in sorted(targets):
        end = _resolve(path, targets)
        source = tree.files.get(end) if end is not None else None
        _check_total(tree.files, limits)  # links to folders of links multiply
        if not is_storable(path):
            tree.notes.append(f"left out: the link {path}")
        elif source is not None:
            tree.files[path] = source
        elif end in folders:
            inside = {name: file for name, file in tree.files.items() if name.startswith(f"{end}/")}
            copied = {f"{path}/{name[len(end or '') + 1 :]}": file for name, file in inside.items()}
            tree.files.update({name: file for name, file in copied.items() if is_storable(name)})
        else:
            tree.notes.append(f"left out: the link {path} leads to nothing")


def _parents(path: str) -> Iterable[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


def _target(path: str, data: bytes) -> str:
    text = data.decode("utf-8", "backslashreplace")
    end = posixpath.normpath(posixpath.join(posixpath.dirname(path), text))
    if text.startswith("/") or "\0" in text or end == ".." or end.startswith("../"):
        raise GitError(
            "link_out", f"{path} is a link that leads out of the project. Replace it by the file that it means."
        )
    return end


def _resolve(path: str, targets: dict[str, str]) -> str | None:
    """Follow links to links; None for a circle. A link in the middle of a path is followed too."""
    seen: set[str] = set()
    while True:
        via = next((name for name in (path, *_parents(path)) if name in targets), None)
        if via is None:
            return path
        if path in seen or len(seen) > 40:
            return None
        seen.add(path)
        path = posixpath.normpath(targets[via] + path[len(via) :])
