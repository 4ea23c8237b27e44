"""Read a project folder with its ``millwright.yml``: the sample project that ships with the installation."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.core.errors import InvalidInput
from app.core.yaml_gate import decode, load_plays, load_yaml
from app.playbooks.declarations import VariableSpec, parse_specs
from app.playbooks.paths import check_playbook_path
from app.sources.paths import check_path
from app.sources.store import SourceFile

MANIFEST = "millwright.yml"
MAX_FILES = 500
MAX_PROJECT_BYTES = 8_388_608
MAX_TAGS = 20
_ENTRY_KEYS = {"name", "description", "file", "tags", "variables", "shares_servers", "sliceable", "timeout_seconds"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One playbook that a manifest names."""

    name: str
    file: str
    description: str
    tags: tuple[str, ...]
    specs: tuple[VariableSpec, ...]
    shares_servers: bool
    is_sliceable: bool
    timeout_seconds: int | None


@dataclass(frozen=True, slots=True)
class ProjectFolder:
    """A folder as read: its name, entries and files (the manifest among them)."""

    name: str
    description: str
    entries: tuple[Entry, ...]
    files: Mapping[str, SourceFile]


def _read(folder_fd: int, name: str) -> SourceFile:
    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK, dir_fd=folder_fd)
    with os.fdopen(fd, "rb") as file:
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise InvalidInput(f"{name} in the sample project is not a regular file. Remove it.")
        return SourceFile(file.read(MAX_PROJECT_BYTES + 1), bool(state.st_mode & 0o100))


def read_files(root: Path) -> dict[str, SourceFile]:
    """Return every file below ``root`` by relative path, each opened once and no symbolic link followed.

    Raises InvalidInput for a missing folder, a link, a special file, a path that is not allowed, too much.
    """
    files: dict[str, SourceFile] = {}
    total = 0
    try:
        for folder, folders, names, folder_fd in os.fwalk(root, follow_symlinks=False):
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            relative = Path(folder).relative_to(root)
            for name in sorted(names):
                path = check_path((relative / name).as_posix())
                files[path] = _read(folder_fd, name)
                total += len(files[path].data)
                if len(files) > MAX_FILES or total > MAX_PROJECT_BYTES:
                    raise InvalidInput(f"The sample project is larger than {MAX_FILES} files or 8 MiB.")
    except OSError as error:
        raise InvalidInput(
            f"The sample project's {Path(error.filename or root).name} cannot be read: {error.strerror}."
        ) from error
    return files


def _entry(data: Any, files: Mapping[str, SourceFile]) -> Entry:
    if not isinstance(data, Mapping) or data.keys() - _ENTRY_KEYS:
        raise InvalidInput(manifest=f"An entry is an object with the keys {', '.join(sorted(_ENTRY_KEYS))}.")
    name, file = data.get("name"), data.get("file")
    if not isinstance(name, str) or not 1 <= len(name) <= 255 or not isinstance(file, str):
        raise InvalidInput(manifest="Each entry has a 'name' and a 'file'.")
    check_playbook_path(file, field="manifest")
    if file not in files:
        raise InvalidInput(manifest=f"The entry '{name}' names {file}, which is not in the project.")
    load_plays(files[file].data, field="manifest")
    timeout = data.get("timeout_seconds")
    if timeout is not None and (isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 5):
        raise InvalidInput(manifest=f"The entry '{name}': timeout_seconds is a whole number of at least 5.")
    return Entry(
        name=name,
        file=file,
        description=str(data.get("description") or ""),
        tags=check_tags(data.get("tags"), field="manifest"),
        specs=parse_specs(data.get("variables"), field="manifest"),
        shares_servers=data.get("shares_servers") is True,
        is_sliceable=data.get("sliceable") is True,
        timeout_seconds=timeout,
    )


def check_tags(tags: Any, *, field: str = "tags") -> tuple[str, ...]:
    """Return a playbook's tags (words for filtering, up to 50 characters), sorted and each once."""
    if tags is None:
        return ()
    if not isinstance(tags, list | tuple) or len(tags) > MAX_TAGS:
        raise InvalidInput(**{field: f"Give a list of at most {MAX_TAGS} tags."})
    for tag in tags:
        if not isinstance(tag, str) or not 1 <= len(tag) <= 50 or not tag.isprintable() or "," in tag:
            raise InvalidInput(**{field: "A tag is a text of 1 to 50 characters without commas."})
    return tuple(sorted({tag.strip() for tag in tags if tag.strip()}))


def read_project_folder(root: Path) -> ProjectFolder:
    """Return the project in ``root``; InvalidInput says what is wrong with its files or its manifest."""
    files = read_files(root)
    if MANIFEST not in files:
        raise InvalidInput(f"The sample project has no {MANIFEST}.")
    manifest = load_yaml(decode(files[MANIFEST].data, field="manifest"), field="manifest")
    if not isinstance(manifest, Mapping) or not isinstance(manifest.get("playbooks"), list):
        raise InvalidInput(manifest="The manifest is an object with 'name' and a list 'playbooks'.")
    name = manifest.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= 191:
        raise InvalidInput(manifest="The manifest needs a 'name' of at most 191 characters.")
    entries = tuple(_entry(item, files) for item in manifest["playbooks"])
    if len({entry.name for entry in entries}) != len(entries):
        raise InvalidInput(manifest="Two entries have the same name.")
    return ProjectFolder(name, str(manifest.get("description") or ""), entries, files)
