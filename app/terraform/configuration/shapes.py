"""What a reading finds: plain data that travels from the reading process as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

HIDDEN = "(sensitive value)"  # stands for a literal that is not kept


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that cannot be read or cannot work; ``file`` is empty when it is about the whole."""

    file: str
    line: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class FoundModule:
    """A module call. ``path`` is the folder of a local module, empty for one that is fetched from elsewhere."""

    address: str
    parent: str  # address of the calling module, empty for the root module
    name: str
    source: str
    version: str | None
    path: str


@dataclass(frozen=True, slots=True)
class FoundProvider:
    """A provider that is configured, required or used."""

    name: str
    alias: str
    version: str | None
    region: str | None
    configuration: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A managed resource or a data source, before ``count`` and ``for_each``."""

    address: str
    module: str
    is_data: bool
    type: str
    name: str
    provider: str  # its name
    provider_alias: str
    configuration: dict[str, Any]
    file: str
    line: int | None


@dataclass(frozen=True, slots=True)
class FoundVariable:
    """A declared input variable; ``default`` says nothing when it is sensitive."""

    module: str
    name: str
    type: str | None
    description: str | None
    is_required: bool
    default: Any
    sensitive: bool
    validation_rules: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class FoundOutput:
    """A declared output."""

    module: str
    name: str
    description: str | None
    sensitive: bool


@dataclass(frozen=True, slots=True)
class FoundDependency:
    """``source`` needs ``target`` (addresses of resources); ``kind`` is implicit, explicit or data."""

    source: str
    target: str
    kind: str


@dataclass(slots=True)
class Configuration:
    """Everything that was found. Unless ``is_whole`` something could not be read, and what is missing may be there."""

    modules: list[FoundModule] = field(default_factory=list)
    providers: list[FoundProvider] = field(default_factory=list)
    resources: list[FoundResource] = field(default_factory=list)
    variables: list[FoundVariable] = field(default_factory=list)
    outputs: list[FoundOutput] = field(default_factory=list)
    dependencies: list[FoundDependency] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    is_whole: bool = True


def to_data(found: Configuration) -> dict[str, Any]:
    """Return a configuration as JSON data."""
    return asdict(found)


def from_data(data: Mapping[str, Any]) -> Configuration:
    """Return the configuration that ``to_data`` made this of."""
    return Configuration(
        [FoundModule(**row) for row in data["modules"]],
        [FoundProvider(**row) for row in data["providers"]],
        [FoundResource(**row) for row in data["resources"]],
        [FoundVariable(**row) for row in data["variables"]],
        [FoundOutput(**row) for row in data["outputs"]],
        [FoundDependency(**row) for row in data["dependencies"]],
        [Problem(**row) for row in data["problems"]],
        data["is_whole"],
    )
