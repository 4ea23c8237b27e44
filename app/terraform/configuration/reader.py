"""Reads a configuration: files in, modules, resources, providers, variables, outputs, dependencies, problems out.

Never raises: what cannot be read, or is too large, is a problem that says so. Override files are not looked at.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from app.terraform.configuration.graph import Graph
from app.terraform.configuration.hcl_files import Block, cleaned
from app.terraform.configuration.scopes import MAX_ADDRESS, MAX_PROBLEMS, Limited, Modules, Scope
from app.terraform.configuration.shapes import (
    Configuration,
    FoundModule,
    FoundOutput,
    FoundProvider,
    FoundResource,
    FoundVariable,
    Problem,
)

MAX_CONFIGURATION = 65_536  # bytes of one resource's JSON that are kept
MAX_TEXT = 10_000  # characters of a description


def read(files: Mapping[str, bytes], working_directory: str = "") -> Configuration:
    """Return what the configuration in ``working_directory`` declares."""
    found = Configuration()
    modules = Modules(files, working_directory, found)
    try:
        scopes = modules.follow()
    except Limited as limit:
        found.is_whole = False
        modules.say(Problem("", None, str(limit)))
        scopes = [scope for scope in modules.scopes if scope.parent is None or scope.parent in modules.scopes]
        _forget_unread(scopes)
    _Collector(found, modules).collect(scopes)
    graph = Graph(scopes)
    try:
        found.dependencies = graph.dependencies()
    except Limited as limit:
        found.is_whole = False
        modules.say(Problem("", None, str(limit)))
    for problem in graph.circles():
        modules.say(problem)
    if len(found.problems) >= MAX_PROBLEMS:
        found.problems.append(Problem("", None, f"There are more than {MAX_PROBLEMS} problems; these are the first."))
    return found


def _forget_unread(scopes: list[Scope]) -> None:
    read_ones = {scope.address for scope in scopes}
    for scope in scopes:
        scope.children = {name: child for name, child in scope.children.items() if child.address in read_ones}


class _Collector:
    """Turns the blocks of scopes into what is found."""

    def __init__(self, found: Configuration, modules: Modules) -> None:
        self.found = found
        self.say = modules.say
        self._providers: dict[tuple[str, str], FoundProvider] = {}

    def collect(self, scopes: list[Scope]) -> None:
        for scope in scopes:
            self._own_providers(scope)
            for name, call in scope.calls.items():
                self._module(scope, name, call)
            for (is_data, kind, name), block in scope.resources.items():
                self._resource(scope, is_data, kind, name, block)
            for name, block in scope.variables.items():
                self._variable(scope, name, block)
            for name, block in scope.outputs.items():
                self.found.outputs.append(
                    FoundOutput(
                        scope.address, name, _text(block.body.get("description")), _is(block.body.get("sensitive"))
                    )
                )
        self.found.providers = [self._providers[key] for key in sorted(self._providers)]

    def _module(self, scope: Scope, name: str, call: Block) -> None:
        child = scope.children.get(name)
        source, version = _text(call.body.get("source")) or "", _text(call.body.get("version"))
        self.found.modules.append(
            FoundModule(
                scope.inside(f"module.{name}"),
                scope.address,
                name,
                source[:500],
                version[:200] if version else None,
                child.folder[:500] if child else "",
            )
        )

    def _own_providers(self, scope: Scope) -> None:
        """Find what a module's provider names mean: handed down by its caller, or its own configuration."""
        if scope.parent is not None and scope.call is not None:
            scope.providers.update({name: pair for name, pair in scope.parent.providers.items() if "." not in name})
            handed = scope.call.body.get("providers")
            for name, value in handed.items() if isinstance(handed, dict) else ():
                given = _bare(value)
                scope.providers[_bare(name)] = scope.parent.providers.get(given) or _pair(given)
        for block in scope.requirements:
            for name, wanted in block.body.items():
                version = wanted.get("version") if isinstance(wanted, dict) else wanted
                key = scope.providers.get(name, (name, ""))
                if _is_name(name) and not (key in self._providers and self._providers[key].version):
                    self._provider(key, version=_text(version))
        for block in scope.provider_blocks:
            name, alias = block.labels[0], _text(block.body.get("alias")) or ""
            if not _is_name(name) or (alias and not _is_name(alias)):
                said = "The name of a provider, and its alias, have letters, digits, _ and -."
                self.say(Problem(block.file, block.line, said))
                continue
            scope.providers[f"{name}.{alias}" if alias else name] = (name, alias)
            known = self._providers.get((name, alias))
            if known is None or not known.configuration:
                self._provider((name, alias), body=block.body)

    def _provider(
        self, key: tuple[str, str], *, version: str | None = None, body: dict[str, Any] | None = None
    ) -> None:
        known = self._providers.get(key)
        kept = {name: value for name, value in (body or {}).items() if name not in ("alias", "version")}
        version = version or _text((body or {}).get("version")) or (known.version if known else None)
        region = _text(kept.get("region")) or (known.region if known else None)
        self._providers[key] = FoundProvider(
            *key,
            version[:200] if version else None,
            region[:200] if region else None,
            self._kept(kept, f"provider {key[0]}", None) if kept else known.configuration if known else {},
        )

    def _resource(self, scope: Scope, is_data: bool, kind: str, name: str, block: Block) -> None:
        address = scope.inside(f"data.{kind}.{name}" if is_data else f"{kind}.{name}")
        if len(address) > MAX_ADDRESS:
            self.say(Problem(block.file, block.line, f"{address[:100]}... is longer than {MAX_ADDRESS} characters."))
            return
        given = _bare(block.body.get("provider")) or kind.partition("_")[0]
        provider = scope.providers.get(given) or _pair(given)
        if provider not in self._providers and all(map(_is_name, filter(None, provider))):
            self._provider(provider)
        kept = self._kept(block.body, address, block)
        self.found.resources.append(
            FoundResource(address, scope.address, is_data, kind, name, *provider, kept, block.file, block.line)
        )

    def _variable(self, scope: Scope, name: str, block: Block) -> None:
        body = block.body
        sensitive = _is(body.get("sensitive"))
        rules = body.get("validation")
        entries = rules if isinstance(rules, list) else [rules]
        self.found.variables.append(
            FoundVariable(
                scope.address,
                name,
                (_bare(body.get("type")) or "")[:2000] or None,
                _text(body.get("description")),
                "default" not in body,
                None if sensitive else self._kept({name: body.get("default")}, f"variable {name}", block).get(name),
                sensitive,
                [cleaned(one) for one in entries if isinstance(one, dict)][:50],
            )
        )

    def _kept(self, body: dict[str, Any], what: str, block: Block | None) -> dict[str, Any]:
        kept: dict[str, Any] = cleaned(body)
        if len(json.dumps(kept)) <= MAX_CONFIGURATION:
            return kept
        said = f"{what} has more than {MAX_CONFIGURATION // 1024} KiB; its arguments are not shown."
        self.say(Problem(block.file if block else "", block.line if block else None, said))
        return {}


def _text(value: Any) -> str | None:
    return value[:MAX_TEXT] if isinstance(value, str) and value else None


def _is(value: Any) -> bool:
    return value is True or value == "true"


def _bare(value: Any) -> str:
    """Return an expression without its interpolation marks."""
    text = value.strip() if isinstance(value, str) else ""
    return text[2:-1].strip() if text.startswith("${") and text.endswith("}") else text


def _pair(given: str) -> tuple[str, str]:
    name, _, alias = given.partition(".")
    return name, alias


def _is_name(text: str) -> bool:
    return len(text) <= 200 and text.isascii() and text.replace("-", "_").isidentifier()
