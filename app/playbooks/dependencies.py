"""What a playbook needs, read from its YAML without running anything: roles, imports, variables files, templates,
files, collections. What is named by a template is decided at run time, and said so."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from app.core.errors import InvalidInput
from app.core.yaml_gate import decode, load_yaml

MAX_PARSED = 200  # files
MAX_FOUND = 1000  # dependencies
MAX_LEVELS = 20  # imports within imports; each level is one query
_BUILTIN = re.compile(r"(ansible\.builtin\.|ansible\.legacy\.)?([a-z_]+)\Z")
_FULL = re.compile(r"([a-z][a-z0-9_]*\.[a-z][a-z0-9_]*)\.[a-z]\w*(\.\w+)*\Z")
_INCLUDES = {"include_tasks", "import_tasks", "include"}
_ROLES = {"include_role", "import_role"}
_SOURCES = {"template": "templates", "copy": "files", "script": "files", "unarchive": "files", "assemble": "files"}
_BLOCKS = ("block", "rescue", "always")
_TASKS = ("pre_tasks", "tasks", "post_tasks", "handlers")


class Kind(StrEnum):
    """What is needed."""

    PLAYBOOK = "playbook"
    ROLE = "role"
    TASKS = "tasks"
    VARIABLES = "variables"
    TEMPLATE = "template"
    FILE = "file"
    COLLECTION = "collection"


class State(StrEnum):
    """Whether it is there."""

    PRESENT = "present"
    REQUIREMENTS = "requirements"  # comes with the project's requirements.yml
    ENGINE = "engine"  # a worker's engine has it
    MISSING = "missing"
    AT_RUN_TIME = "decided at run time"  # its name is a template
    OUTSIDE = "outside the project"  # an absolute path: the worker's own disk


@dataclass(frozen=True, slots=True)
class Dependency:
    """One thing that is needed. ``path`` is where it lies in the project, "" when it does not or has many files."""

    kind: Kind
    name: str
    state: State
    path: str
    used_in: str  # the file that names it


@dataclass(slots=True)
class Dependencies:
    """What was found, in order of kind and name; ``notes`` are sentences about what could not be read."""

    items: list[Dependency] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    parsed: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """A file to read: ``folder`` is the playbook's, ``role`` the folder of the role it belongs to or ""."""

    path: str
    what: str  # "plays", "tasks" or "meta"
    folder: str
    role: str = ""


Fetch = Callable[[Collection[str]], Mapping[str, bytes]]


class _Finder:
    def __init__(self, paths: Collection[str], supplied: Collection[str], installed: Collection[str]) -> None:
        self.paths = frozenset(paths)
        self.folders = {path[:at] for path in paths for at, letter in enumerate(path) if letter == "/"}
        self.supplied, self.installed = frozenset(supplied), frozenset(installed)
        self.found: dict[tuple[Kind, str, str], Dependency] = {}
        self.next: list[_Place] = []
        self.place = _Place("", "plays", "")

    # --- what a file holds

    def read(self, place: _Place, data: Any) -> None:
        """Take in one parsed file."""
        self.place = place
        if place.what == "meta":
            for role in _list(_mapping(data).get("dependencies")):
                self.role(role)
            for name in _list(_mapping(data).get("collections")):
                self.collection(name)
            return
        for item in _list(data):
            if isinstance(item, Mapping):
                if place.what == "plays":
                    self.play(item)
                else:
                    self.task(item)

    def play(self, play: Mapping[Any, Any]) -> None:
        for key in ("import_playbook", "ansible.builtin.import_playbook"):
            if key in play:
                self.imported(play[key])
        for entry in _list(play.get("vars_files")):
            for name in _list(entry):  # a list within the list: the first that exists
                self.file(Kind.VARIABLES, name, ("", "vars"), required=not isinstance(entry, list))
        for name in _list(play.get("collections")):
            self.collection(name)
        for role in _list(play.get("roles")):
            self.role(role)
        for key in _TASKS:
            for task in _list(play.get(key)):
                if isinstance(task, Mapping):
                    self.task(task)

    def task(self, task: Mapping[Any, Any]) -> None:
        for key in _BLOCKS:
            for inner in _list(task.get(key)):
                if isinstance(inner, Mapping):
                    self.task(inner)
        for key, value in task.items():
            if not isinstance(key, str):
                continue
            if key in ("action", "local_action"):
                word = value.get("module") if isinstance(value, Mapping) else str(value or "").split(" ", 1)[0]
                self.module(str(word or ""), value)
            elif key not in _BLOCKS:
                self.module(key, value)

    def module(self, name: str, arguments: Any) -> None:
        if (full := _FULL.match(name)) and not name.startswith(("ansible.builtin.", "ansible.legacy.")):
            self.collection(full.group(1))
            return
        match = _BUILTIN.match(name)
        word = match.group(2) if match else ""
        if word in _INCLUDES:
            self.included(_argument(arguments, "file", "_raw_params"))
        elif word in _ROLES:
            self.role(arguments)
        elif word == "include_vars":
            given = _argument(arguments, "file", "_raw_params")
            if given is not None:
                self.file(Kind.VARIABLES, given, ("vars", ""))
        elif word in _SOURCES and not _truth(_mapping(arguments).get("remote_src")):
            given = _argument(arguments, "src", "_raw_params")
            if isinstance(given, str):
                kind = Kind.TEMPLATE if word == "template" else Kind.FILE
                self.file(kind, given.split(" ")[0] if word == "script" else given, (_SOURCES[word], ""))

    # --- what it names

    def add(self, kind: Kind, name: str, state: State, path: str = "") -> bool:
        """Write a dependency down; True when it is the first mention."""
        key = (kind, name if state is not State.PRESENT else "", path)
        if key in self.found or len(self.found) >= MAX_FOUND:
            return False
        self.found[key] = Dependency(kind, name[:300], state, path, self.place.path)
        return True

    def special(self, kind: Kind, name: Any) -> bool:
        """Write down what is no plain name: a template, an absolute path; True when it was one."""
        if not isinstance(name, str) or not name.strip():
            return True
        if "{{" in name or "{%" in name:
            self.add(kind, name, State.AT_RUN_TIME)
        elif name.startswith(("/", "~")):
            self.add(kind, name, State.OUTSIDE)
        else:
            return False
        return True

    def lookup(self, name: str, folders: Iterator[str]) -> str | None:
        for folder in folders:
            path = posixpath.normpath(posixpath.join(folder, name))
            if path in self.paths or path in self.folders:
                return path
        return None

    def file(self, kind: Kind, name: Any, below: tuple[str, ...], *, required: bool = True) -> None:
        if self.special(kind, name):
            return
        here = posixpath.dirname(self.place.path)
        roots = [root for root in (self.place.role, here, self.place.folder) if root or root == ""]
        path = self.lookup(name.strip(), (posixpath.join(root, part) for root in roots for part in below))
        if path is not None:
            self.add(kind, name, State.PRESENT, path)
        elif required:
            self.add(kind, name, State.MISSING)

    def imported(self, name: Any) -> None:
        if isinstance(name, str) and _FULL.match(name):
            self.collection(name.rpartition(".")[0])
        elif not self.special(Kind.PLAYBOOK, name):
            path = self.lookup(name.split(" ")[0], iter([posixpath.dirname(self.place.path)]))
            if path is None:
                self.add(Kind.PLAYBOOK, name, State.MISSING)
            elif self.add(Kind.PLAYBOOK, name, State.PRESENT, path):
                self.next.append(_Place(path, "plays", posixpath.dirname(path)))

    def included(self, name: Any) -> None:
        if self.special(Kind.TASKS, name):
            return
        role = self.place.role
        folders = [posixpath.dirname(self.place.path), *([f"{role}/tasks", role] if role else []), self.place.folder]
        path = self.lookup(name.split(" ")[0], iter([*folders, f"{self.place.folder}/tasks".lstrip("/")]))
        if path is None:
            self.add(Kind.TASKS, name, State.MISSING)
        elif self.add(Kind.TASKS, name, State.PRESENT, path):
            self.next.append(_Place(path, "tasks", self.place.folder, role))

    def role(self, given: Any) -> None:
        name = _mapping(given).get("role", _mapping(given).get("name")) if isinstance(given, Mapping) else given
        if self.special(Kind.ROLE, name):
            return
        assert isinstance(name, str)
        if _FULL.match(name):
            self.collection(name.rpartition(".")[0])
            return
        roots = [f"{self.place.folder}/roles", "roles", posixpath.dirname(self.place.role), self.place.folder]
        folder = self.lookup(name, iter([root.lstrip("/") for root in roots]))
        if folder is None or folder in self.paths:
            self.add(Kind.ROLE, name, State.REQUIREMENTS if name in self.supplied else State.MISSING)
            return
        main = _mapping(given).get("tasks_from", "main") if isinstance(given, Mapping) else "main"
        first = self.add(Kind.ROLE, name, State.PRESENT, folder)
        for part, what, file in (
            ("tasks", "tasks", main), ("handlers", "tasks", "main"), ("meta", "meta", "main"),
        ):  # fmt: skip
            for ending in ("", ".yml", ".yaml"):
                path = f"{folder}/{part}/{file}{ending}"
                if (first or part == "tasks") and path in self.paths:
                    self.next.append(_Place(path, what, self.place.folder, folder))
        for part in ("defaults", "vars"):
            for ending in (".yml", ".yaml"):
                if f"{folder}/{part}/main{ending}" in self.paths:
                    self.add(Kind.VARIABLES, f"{part}/main{ending}", State.PRESENT, f"{folder}/{part}/main{ending}")

    def collection(self, name: Any) -> None:
        if not isinstance(name, str) or name in ("ansible.builtin", "ansible.legacy") or name.count(".") != 1:
            return
        inside = "/".join(("ansible_collections", *name.split(".")))
        path = next((folder for folder in (f"collections/{inside}", inside) if folder in self.folders), "")
        state = State.PRESENT if path else State.REQUIREMENTS if name in self.supplied else State.MISSING
        if state is State.MISSING and name in self.installed:
            state = State.ENGINE
        self.add(Kind.COLLECTION, name, state, path)


def find_dependencies(
    entry: str,
    paths: Collection[str],
    fetch: Fetch,
    *,
    supplied: Collection[str] = (),
    installed: Collection[str] = (),
) -> Dependencies:
    """Follow a playbook through the files of its project; nothing is executed and no template evaluated.

    ``fetch`` returns the bytes of some paths (called once per level of imports). ``supplied`` are roles and
    collections that come with the project's requirements, ``installed`` collections that a worker's engine has.
    """
    finder, result = _Finder(paths, supplied, installed), Dependencies()
    waiting, seen = [_Place(entry, "plays", posixpath.dirname(entry))], set()
    for _level in range(MAX_LEVELS):
        fresh = [place for place in dict.fromkeys(waiting) if place not in seen and place.path in finder.paths]
        if not fresh:
            break
        if result.parsed + len(fresh) > MAX_PARSED:
            result.notes.append(f"More than {MAX_PARSED} files are involved; the rest was not looked at.")
            fresh = fresh[: MAX_PARSED - result.parsed]
        seen.update(fresh)
        contents = fetch({place.path for place in fresh})
        finder.next = []
        for place in fresh:
            result.parsed += 1
            try:
                finder.read(place, load_yaml(decode(contents[place.path])))
            except InvalidInput as error:
                why = next(iter(error.errors.values()), ["it cannot be read"])
                result.notes.append(f"{place.path}: {why[0] if isinstance(why, list) else why}")
            except KeyError:
                result.notes.append(f"{place.path} could not be read.")
        waiting = finder.next
    if len(finder.found) >= MAX_FOUND:
        result.notes.append(f"More than {MAX_FOUND} things are needed; the rest is not listed.")
    order = list(Kind)
    result.items = sorted(finder.found.values(), key=lambda item: (order.index(item.kind), item.name, item.path))
    return result


def _mapping(value: Any) -> Mapping[Any, Any]:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _truth(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "yes", "on", "1")


def _argument(value: Any, *names: str) -> Any:
    """Return a task's main argument: ``module: text``, or one of these keys of a mapping or of ``key=value`` text."""
    if isinstance(value, Mapping):
        return next((value[name] for name in names if name in value), None)
    if isinstance(value, str):
        for name in names:
            if match := re.search(rf"(?:^|\s){name}=(\"[^\"]*\"|'[^']*'|\S+)", value):
                return match.group(1).strip("\"'")
        return None if "=" in value.split(" ")[0] else value
    return None
