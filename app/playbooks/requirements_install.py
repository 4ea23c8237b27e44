"""Fetch what a requirements.yml asks for, on a worker: git sources by our own git, Galaxy's by ansible-galaxy."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.core.yaml_gate import decode, load_yaml
from app.playbooks import requirements
from app.playbooks.requirements import COLLECTION, ROLE, Requirement
from app.runners import bounded_process
from app.runners.bounded_process import Bounds
from app.sources.git_client import Git, GitError
from app.sources.git_tree import TreeLimits, read_tree
from app.sources.store import MAX_FILE_BYTES, SourceFile

GALAXY_MEMORY = 2_147_483_648
_ALWAYS_DIFFERENT = frozenset({".galaxy_install_info"})
OpenGit = Callable[[Path, str], Git]
Installed = tuple[str, dict[str, SourceFile], str]  # name, files, commit or version


class Installer:
    """Fetches requirements into packs, within the limits of one sync."""

    def __init__(
        self,
        folder: Path,
        open_git: OpenGit,
        left: Callable[[], float],
        tick: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        self._folder = folder
        self._open_git = open_git
        self._left = left
        self._tick = tick
        self._say = say
        self._bytes = 0
        self._count = 0

    def install(self, item: Requirement) -> tuple[dict[str, Any], bytes]:
        """Return what the revision keeps of a requirement (JSON) and its pack; GitError says why it cannot be had."""
        self._count += 1
        place = self._folder / f"requirement-{self._count}"
        place.mkdir(mode=0o700)
        name, files, version = self._from_git(place, item) if item.url else self._from_galaxy(place, item)
        self._bytes += sum(len(file.data) for file in files.values())
        limit = settings().requirements_max_bytes
        if self._bytes > limit or len(files) > requirements.MAX_MEMBERS:
            raise GitError("too_big", f"The requirements unpack to more than {limit // 1_048_576} MiB.")
        data = requirements.pack(files)
        if len(data) > MAX_FILE_BYTES:
            raise GitError("too_big", f"{item.label} is larger than {MAX_FILE_BYTES // 1_048_576} MiB packed.")
        self._say(f"{item.label}: {len(files)} files, {len(data)} bytes packed, {version}")
        shown = {
            "kind": item.kind,
            "name": name,
            "version": item.version or None,
            "resolved": version,
            "source": item.url or settings().galaxy_server,
            "file": item.file,
            "is_pinned": requirements.is_pinned(item),
            "path": requirements.pack_path(item.kind, name),
            "key": item.key,
        }
        return shown, data

    def _from_git(self, place: Path, item: Requirement) -> Installed:
        git = self._open_git(place, item.url)
        commit = git.fetch(git.find_ref(item.version or None))
        limits = TreeLimits(
            f"The {item.label}",
            requirements.MAX_MEMBERS,
            settings().requirements_max_bytes,
            "Require a smaller version.",
            "Require a smaller version, or raise MILLWRIGHT_REQUIREMENTS_MAX_BYTES.",
        )
        tree = read_tree(git, commit, limits=limits)
        files = {path: file for path, file in tree.files.items() if not path.startswith(".")}
        if item.kind == ROLE:
            if not any(path.startswith(("tasks/", "meta/", "defaults/", "handlers/")) for path in files):
                raise GitError("requirements", f"{item.url} holds no role: it has neither tasks/ nor meta/.")
            return item.name, files, commit
        return self._collection_name(item, files), files, commit

    def _collection_name(self, item: Requirement, files: dict[str, SourceFile]) -> str:
        try:
            about = load_yaml(decode(files["galaxy.yml"].data)) if "galaxy.yml" in files else None
        except InvalidInput:
            about = None
        name = f"{about.get('namespace')}.{about.get('name')}" if isinstance(about, dict) else ""
        if not requirements.is_collection_name(name) or item.name not in ("", name):
            raise GitError("requirements", f"{item.url} is not the collection {item.name or ''}: see its galaxy.yml.")
        return name

    def _from_galaxy(self, place: Path, item: Requirement) -> Installed:
        target, home = place / "target", place / "home"
        target.mkdir()
        home.mkdir(mode=0o700)
        settings_file = home / "ansible.cfg"
        settings_file.touch()  # an empty one of our own: no other is looked for
        command = Path(sys.executable).with_name("ansible-galaxy")
        separator = ":" if item.kind == COLLECTION else ","
        wanted = f"{item.name}{separator}{item.version}" if item.version else item.name
        options = ["--no-deps", "--force"] if item.kind == ROLE else ["--force", "--no-cache"]
        argv = [str(command), item.kind, "install", *options, "--server", settings().galaxy_server]
        limit = settings().project_clone_bytes
        done = bounded_process.run(
            [*argv, "-p", str(target), "--", wanted],
            timeout=self._left(),
            environment={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(home),
                "TMPDIR": str(home),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_CONFIG": str(settings_file),
                "ANSIBLE_HOME": str(home),
                "ANSIBLE_LOCAL_TEMP": str(home),
                "ANSIBLE_NOCOLOR": "1",
                "NO_PROXY": "*",
            },
            cwd=place,
            bounds=Bounds(memory_bytes=GALAXY_MEMORY, file_bytes=limit, folder=place, folder_bytes=limit),
            tick=self._tick,
        )
        if done.code != 0:
            raise GitError(
                "requirements",
                f"{item.label} cannot be had from {settings().galaxy_server}. Check name and version and whether "
                "the worker reaches that server, or require it from a git repository.",
                f"{done.output}\n{done.error}",
            )
        inner = item.name if item.kind == ROLE else f"ansible_collections/{item.name.replace('.', '/')}"
        base = target / inner
        return item.name, _read_folder(base), item.version or "newest"


def _read_folder(base: Path) -> dict[str, SourceFile]:
    """Return the regular files below a folder; links and what differs each time are left out."""
    files: dict[str, SourceFile] = {}
    for path in sorted(base.rglob("*")):
        relative = path.relative_to(base).as_posix()
        if path.is_symlink() or not path.is_file() or path.name in _ALWAYS_DIFFERENT:
            continue
        files[relative] = SourceFile(path.read_bytes(), bool(path.stat().st_mode & 0o100))
    return files
