"""Declared variables of a playbook: what may be given at a launch, of which type."""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.core.errors import InvalidInput
from app.playbooks.patterns import CHARACTERS, PATTERNS

MAX_VARIABLES = 100
MAX_CHOICES = 200
MAX_NAME = 100
MAX_TEXT = 10_000  # characters of one text
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
# Ansible's own variables, and words of a play: https://docs.ansible.com "Special variables"
_RESERVED_WORDS = """
hostvars groups group_names inventory_hostname inventory_hostname_short inventory_dir inventory_file
playbook_dir play_hosts role_name role_names role_path omit environment vars connection become
become_user become_method become_flags become_exe remote_user delegate_to hosts tasks roles handlers
gather_facts strategy serial port collections no_log ignore_errors when loop item
"""
RESERVED = frozenset(_RESERVED_WORDS.split())


class VariableType(StrEnum):
    """Types of a declared variable."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    CHOICE = "choice"
    MULTI_CHOICE = "multi_choice"
    SECRET = "secret"  # noqa: S105 - the name of a type
    SERVER = "server"  # hostname of an active server


@dataclass(frozen=True, slots=True)
class VariableSpec:
    """One declaration.

    ``choices`` only for the two choice types; ``minimum``, ``maximum`` and ``integer`` only for numbers; lengths and
    ``characters`` (names of patterns.CHARACTERS) only for text and secret; ``pattern`` (a name of patterns.PATTERNS)
    and ``multiline`` only for text; ``multiple`` (a list of host names) only for server.
    """

    name: str
    type: VariableType = VariableType.TEXT
    label: str = ""
    description: str = ""
    required: bool = False
    default: Any = None
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    integer: bool = False
    pattern: str | None = None
    min_length: int | None = None
    max_length: int | None = None
    characters: tuple[str, ...] = ()
    multiline: bool = False
    multiple: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the stored form: only what says something."""
        data: dict[str, Any] = {"name": self.name, "type": self.type.value}
        for key in _PLAIN_KEYS:
            value = getattr(self, key)
            if (value not in (None, "") and value is not False) or (key == "default" and value is not None):
                data[key] = value
        for key in ("choices", "characters"):
            if getattr(self, key):
                data[key] = list(getattr(self, key))
        return data


def check_name(name: Any, *, field: str) -> str:
    """Return a usable variable name, or raise InvalidInput: ``ansible_*`` and Ansible's own words never are."""
    if not isinstance(name, str) or len(name) > MAX_NAME or not _NAME.match(name) or keyword.iskeyword(name):
        raise InvalidInput(
            **{field: f"A variable's name has letters, digits and _ only (at most {MAX_NAME}), no digit first."}
        )
    if name.casefold().startswith("ansible_") or name.casefold() in RESERVED:
        raise InvalidInput(**{field: f"'{name}' belongs to Ansible itself and cannot be given. Choose another name."})
    return name


def _text(data: Mapping[str, Any], key: str, limit: int, field: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > limit:
        raise InvalidInput(**{field: f"'{key}' must be text of at most {limit} characters."})
    return value


def _limit(data: Mapping[str, Any], key: str, field: str) -> float | None:
    value = data.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 2**53):
        raise InvalidInput(**{field: f"'{key}' must be a number."})
    return value


def _choices(data: Mapping[str, Any], kind: VariableType, field: str) -> tuple[str, ...]:
    value = data.get("choices")
    if kind not in (VariableType.CHOICE, VariableType.MULTI_CHOICE):
        if value is not None:
            raise InvalidInput(**{field: "Only choice and multi_choice have 'choices'."})
        return ()
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_CHOICES:
        raise InvalidInput(**{field: f"Give 'choices': a list of 1 to {MAX_CHOICES} texts."})
    if not all(isinstance(item, str) and 0 < len(item) <= 255 for item in value) or len(set(value)) != len(value):
        raise InvalidInput(**{field: "Each of 'choices' is a different text of at most 255 characters (quote it)."})
    return tuple(value)


_PLAIN_KEYS = (
    *("label", "description", "required", "default", "minimum", "maximum", "integer"),
    *("pattern", "min_length", "max_length", "multiline", "multiple"),
)
_KEYS = {"name", "type", "choices", "characters", *_PLAIN_KEYS}
_TEXTS = (VariableType.TEXT, VariableType.SECRET)
# Key -> the types that have it; the others have all types.
_ONLY_FOR: dict[str, tuple[VariableType, ...]] = {
    "minimum": (VariableType.NUMBER,),
    "maximum": (VariableType.NUMBER,),
    "integer": (VariableType.NUMBER,),
    "pattern": (VariableType.TEXT,),
    "multiline": (VariableType.TEXT,),
    "min_length": _TEXTS,
    "max_length": _TEXTS,
    "characters": _TEXTS,
    "multiple": (VariableType.SERVER,),
}


def _switch(data: Mapping[str, Any], key: str, field: str) -> bool:
    value = data.get(key, False)
    if not isinstance(value, bool):
        raise InvalidInput(**{field: f"'{key}' must be true or false."})
    return value


def _length(data: Mapping[str, Any], key: str, field: str) -> int | None:
    value = data.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_TEXT):
        raise InvalidInput(**{field: f"'{key}' must be a whole number from 0 to {MAX_TEXT}."})
    return value


def _pattern(data: Mapping[str, Any], field: str) -> str | None:
    value = data.get("pattern")
    if value is not None and (not isinstance(value, str) or value not in PATTERNS):
        raise InvalidInput(**{field: f"'pattern' must be one of {', '.join(PATTERNS)}."})
    return value


def _characters(data: Mapping[str, Any], field: str) -> tuple[str, ...]:
    value = data.get("characters") or ()
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) and name in CHARACTERS for name in value):
        raise InvalidInput(**{field: f"'characters' must be a list of {', '.join(CHARACTERS)}."})
    return tuple(dict.fromkeys(value))


def parse_spec(data: Any, *, field: str) -> VariableSpec:
    """Return one declaration from data of other people (manifest, upload, stored row), checked key by key."""
    if not isinstance(data, Mapping):
        raise InvalidInput(**{field: "Each variable is an object with 'name' and 'type'."})
    unknown = sorted(str(key)[:60] for key in data.keys() - _KEYS)
    if unknown:
        raise InvalidInput(**{field: f"Unknown key '{unknown[0]}'. Known: {', '.join(sorted(_KEYS))}."})
    try:
        kind = VariableType(data.get("type", "text"))
    except (ValueError, TypeError):
        words = ", ".join(VariableType)
        raise InvalidInput(**{field: f"'type' must be one of {words}."}) from None
    if kind is VariableType.SECRET and data.get("default") is not None:
        raise InvalidInput(**{field: "A secret has no default: it would be stored in clear."})
    for key, kinds in _ONLY_FOR.items():
        if kind not in kinds and data.get(key) not in (None, False, [], ()):
            raise InvalidInput(**{field: f"Only {' and '.join(kinds)} variables have '{key}'."})
    spec = VariableSpec(
        name=check_name(data.get("name"), field=field),
        type=kind,
        label=_text(data, "label", 100, field),
        description=_text(data, "description", 500, field),
        required=_switch(data, "required", field),
        default=data.get("default"),
        choices=_choices(data, kind, field),
        minimum=_limit(data, "minimum", field),
        maximum=_limit(data, "maximum", field),
        integer=_switch(data, "integer", field),
        pattern=_pattern(data, field),
        min_length=_length(data, "min_length", field),
        max_length=_length(data, "max_length", field),
        characters=_characters(data, field),
        multiline=_switch(data, "multiline", field),
        multiple=_switch(data, "multiple", field),
    )
    for low, high in ((spec.minimum, spec.maximum), (spec.min_length, spec.max_length)):
        if low is not None and high is not None and low > high:
            raise InvalidInput(**{field: f"{spec.name}: the least is more than the most. No value fits."})
    return spec


def parse_specs(data: Any, *, field: str = "variable_specs") -> tuple[VariableSpec, ...]:
    """Return declarations from a list; InvalidInput for a wrong one or a name that stands twice."""
    if data is None:
        return ()
    if not isinstance(data, list) or len(data) > MAX_VARIABLES:
        raise InvalidInput(**{field: f"Give a list of at most {MAX_VARIABLES} variables."})
    specs = tuple(parse_spec(item, field=field) for item in data)
    names = [spec.name for spec in specs]
    if len(set(names)) != len(names):
        raise InvalidInput(**{field: "A variable is declared twice. Keep one of them."})
    return specs


def suggest(plays: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Propose declarations from ``vars_prompt`` and play ``vars`` of parsed plays; names we refuse are left out."""
    found: dict[str, dict[str, Any]] = {}
    for play in plays:
        prompts = play.get("vars_prompt")
        for prompt in prompts if isinstance(prompts, list) else ():
            if isinstance(prompt, Mapping) and isinstance(prompt.get("name"), str):
                secret = prompt.get("private", True) is not False
                entry: dict[str, Any] = {"name": prompt["name"], "type": "secret" if secret else "text"}
                if isinstance(prompt.get("prompt"), str):
                    entry["label"] = prompt["prompt"][:100]
                found.setdefault(prompt["name"], entry)
        variables = play.get("vars")
        for name, value in variables.items() if isinstance(variables, Mapping) else ():
            entry = {"name": name, "type": "text"}
            if isinstance(value, bool):
                entry |= {"type": "boolean", "default": value}
            elif isinstance(value, int | float):
                entry |= {"type": "number", "default": value}
            elif type(value) is str and "{" not in value and len(value) <= 1000:
                entry["default"] = value
            elif not isinstance(value, str):
                continue
            found.setdefault(str(name), entry)
    usable = []
    for entry in found.values():
        try:
            usable.append(parse_spec(entry, field="variable_specs").as_json())
        except InvalidInput:
            continue
    return usable[:MAX_VARIABLES]
