"""Modules of a configuration as they call each other: each call is a scope of its own, the root is the first."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.terraform.configuration.hcl_files import Block, ReadFile, Unreadable, blocks, read_file
from app.terraform.configuration.shapes import Configuration, Problem

MAX_BYTES = 4_194_304  # of all files of a configuration together
MAX_MODULES = 500
MAX_RESOURCES = 5_000
MAX_PROBLEMS = 100
MAX_ADDRESS = 700
MAX_DEPTH = 12  # of modules; MySQL deletes 15 levels of a tree by CASCADE
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,199}\Z")
_OVERRIDE = re.compile(r"(^|_)override\.tf(\.json)?\Z")


class Limited(Exception):
    """The configuration is larger than what is read."""


@dataclass(slots=True)
class Scope:
    """One module where it is called. ``providers`` maps its provider names to (name, alias) of the root module."""

    address: str  # empty for the root
    folder: str
    parent: Scope | None = None
    call: Block | None = None
    resources: dict[tuple[bool, str, str], Block] = field(default_factory=dict)
    variables: dict[str, Block] = field(default_factory=dict)
    outputs: dict[str, Block] = field(default_factory=dict)
    locals: dict[str, tuple[Any, Block]] = field(default_factory=dict)
    calls: dict[str, Block] = field(default_factory=dict)
    children: dict[str, Scope] = field(default_factory=dict)
    provider_blocks: list[Block] = field(default_factory=list)
    requirements: list[Block] = field(default_factory=list)
    providers: dict[str, tuple[str, str]] = field(default_factory=dict)

    def inside(self, name: str) -> str:
        """Return the address of something in this module."""
        return f"{self.address}.{name}" if self.address else name


class Modules:
    """Reads every folder once, and follows the calls from the root."""

    def __init__(self, files: Mapping[str, bytes], folder: str, found: Configuration) -> None:
        self.found = found
        self.scopes: list[Scope] = []
        self._folders: dict[str, list[str]] = {}
        self._files = files
        self._read: dict[str, list[ReadFile]] = {}
        self._resources = 0
        self._bytes = 0
        for path in sorted(files):
            place, name = posixpath.split(path)
            if name.endswith((".tf", ".tf.json")) and not _OVERRIDE.search(name):
                self._folders.setdefault(place, []).append(path)
        self._root = folder.strip("/")

    def follow(self) -> list[Scope]:
        """Return the scopes, callers before what they call. Raises Limited."""
        if self._folders and self._root not in self._folders:
            where = self._root or "the outermost folder"
            self.say(Problem("", None, f"There are no .tf files in {where}: set the project's working directory."))
        waiting = [Scope("", self._root)]
        while waiting:
            scope = waiting.pop(0)
            self.scopes.append(scope)
            if len(self.scopes) > MAX_MODULES:
                raise Limited(f"More than {MAX_MODULES} modules are called; the rest is not read.")
            self._fill(scope)
            waiting.extend(scope.children.values())
        return self.scopes

    def say(self, problem: Problem) -> None:
        """Keep a problem, once, as long as there are not too many."""
        if len(self.found.problems) < MAX_PROBLEMS and problem not in self.found.problems:
            self.found.problems.append(problem)

    def _of_folder(self, folder: str) -> list[ReadFile]:
        if folder not in self._read:
            self._read[folder] = read = []
            for path in self._folders.get(folder, []):
                self._bytes += len(self._files[path])
                if self._bytes > MAX_BYTES:
                    raise Limited(f"The files have more than {MAX_BYTES // 1_048_576} MiB; the rest is not read.")
                try:
                    read.append(read_file(path, self._files[path]))
                except Unreadable as error:
                    self.found.is_whole = False
                    self.say(error.problem)
        return self._read[folder]

    def _fill(self, scope: Scope) -> None:
        said: list[Problem] = []
        for file in self._of_folder(scope.folder):
            for is_data, kind in ((False, "resource"), (True, "data")):
                for block in blocks(file, kind, 2, said):
                    self._count()
                    self._put(scope.resources, (is_data, *block.labels), block, kind, said)
            for kind, into in (("variable", scope.variables), ("output", scope.outputs), ("module", scope.calls)):
                for block in blocks(file, kind, 1, said):
                    self._count()
                    self._put(into, block.labels[0], block, kind, said)
            for block in blocks(file, "locals", 0, said):
                for name, value in block.body.items():
                    self._put(scope.locals, name, block, "local", said, value)
            scope.provider_blocks.extend(blocks(file, "provider", 1, said))
            for block in blocks(file, "terraform", 0, said):
                inner = ReadFile(file.path, block.body)
                scope.requirements.extend(blocks(inner, "required_providers", 0, said))
        for problem in said:
            self.say(problem)
        for name, call in scope.calls.items():
            self._call(scope, name, call)

    def _count(self) -> None:
        self._resources += 1
        if self._resources > MAX_RESOURCES:
            raise Limited(f"More than {MAX_RESOURCES} blocks are declared; the rest is not read.")

    def _put(
        self, into: dict[Any, Any], key: Any, block: Block, kind: str, said: list[Problem], value: Any = None
    ) -> None:
        names = block.labels or (key,)
        if not all(_NAME.match(name) for name in names):
            wrong = next(name for name in names if not _NAME.match(name))
            said.append(Problem(block.file, block.line, f"{wrong[:100]!a} is no name: letters, digits, _ and - are."))
        elif key in into:
            shown = ".".join(names)
            said.append(Problem(block.file, block.line, f"{kind} {shown} is declared twice."))
        else:
            into[key] = (value, block) if kind == "local" else block

    def _call(self, scope: Scope, name: str, call: Block) -> None:
        source = call.body.get("source")
        if not isinstance(source, str) or not source:
            self.say(Problem(call.file, call.line, f"module {name} says no source."))
            return
        if not source.startswith(("./", "../")):
            return  # fetched by terraform init: a module without content here
        folder = posixpath.normpath(posixpath.join(scope.folder or ".", source))
        folder = "" if folder == "." else folder
        if folder == ".." or folder.startswith("../"):
            self.say(Problem(call.file, call.line, f"module {name} leads out of the project: {source[:200]}."))
        elif folder not in self._folders:
            self.say(Problem(call.file, call.line, f"module {name} has no .tf files in {folder[:200] or source[:9]}."))
        elif folder in _callers(scope):
            self.say(Problem(call.file, call.line, f"module {name} calls itself, by way of {folder or 'the root'}."))
        else:
            child = Scope(scope.inside(f"module.{name}"), folder, scope, call)
            if len(child.address) > MAX_ADDRESS // 2 or child.address.count("module.") > MAX_DEPTH:
                self.say(Problem(call.file, call.line, f"module {name} is nested too deeply; it is not followed."))
                return
            scope.children[name] = child


def _callers(scope: Scope) -> set[str]:
    found, one = set(), scope
    while True:
        found.add(one.folder)
        if one.parent is None:
            return found
        one = one.parent
