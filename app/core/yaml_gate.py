"""The only door through which YAML of other people comes in.

The events are walked first, with limits; only what passes is composed and constructed. Without that step a
file of 200,000 ``[`` overflows the C stack of libyaml's composer and takes the whole process with it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from app.core.errors import InvalidInput

MAX_BYTES = 1_048_576
MAX_DEPTH = 50
MAX_ALIASES = 100
_CORE = "tag:yaml.org,2002:"
_KNOWN_TAGS = frozenset(
    _CORE + name for name in ("str", "int", "float", "bool", "null", "seq", "map", "binary", "timestamp", "set", "omap")
)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Opaque(str):
    """A value with a tag of its own (``!vault``, ``!unsafe``): kept as text, never interpreted."""

    __slots__ = ()


class Vaulted(Opaque):
    """A value that ansible-vault encrypted: the cipher text, which nobody here can open."""

    __slots__ = ()


class _GatedLoader(_Base):  # type: ignore[misc]  # PyYAML carries no types for the C loader
    """SafeLoader that refuses duplicate keys, keeps foreign tags as text and merges nothing.

    ``<<`` stays an ordinary key: merging repeats what it names, and a few lines would grow without end.
    """

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Leave ``<<`` alone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Build a mapping; the second of two equal keys is an error."""
        seen: set[Hashable] = set()
        for key_node, _value in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem("a key must be plain text", key_node.start_mark)
            if key_node.value in seen:
                raise _problem(f"the key '{key_node.value[:60]}' stands twice", key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)  # type: ignore[no-any-return]


def _construct_opaque(_loader: Any, suffix: str, node: yaml.Node) -> Opaque:
    kind = Vaulted if suffix in ("vault", "vault-encrypted") else Opaque
    return kind(node.value if isinstance(node, yaml.ScalarNode) else "")


def _construct_merge_key(_loader: Any, node: yaml.ScalarNode) -> str:
    return str(node.value)


_GatedLoader.add_multi_constructor("!", _construct_opaque)
_GatedLoader.add_constructor(_CORE + "merge", _construct_merge_key)
_GatedLoader.add_constructor(_CORE + "value", _construct_merge_key)


def _problem(text: str, mark: Any) -> yaml.YAMLError:
    return yaml.MarkedYAMLError(problem=text, problem_mark=mark)


def _say(error: yaml.YAMLError) -> str:
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark is not None else ""
    return f"This is not usable YAML: {where}{problem or 'it cannot be read'}. Correct it and send it again."


def _walk(text: str) -> None:
    """Walk the events: depth, aliases, tags, number of documents. Memory stays flat."""
    depth = aliases = documents = 0
    for event in yaml.parse(text, Loader=_Base):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise _problem(f"it nests deeper than {MAX_DEPTH} levels", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        elif isinstance(event, yaml.AliasEvent):
            aliases += 1
            if aliases > MAX_ALIASES:
                raise _problem(f"it uses more than {MAX_ALIASES} aliases", event.start_mark)
        elif isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _problem("it holds several documents; keep one", event.start_mark)
        tag = getattr(event, "tag", None)
        if tag and tag.startswith(_CORE) and tag not in _KNOWN_TAGS:
            raise _problem("a tag that builds program objects is not accepted", event.start_mark)


def decode(data: bytes, *, field: str = "content", max_bytes: int = MAX_BYTES) -> str:
    """Return the text of a file; InvalidInput when it is too large, not UTF-8 or holds NUL characters."""
    if len(data) > max_bytes:
        raise InvalidInput(**{field: f"The file is larger than {max_bytes // 1024} KiB. Split it."})
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(**{field: f"The file is not UTF-8 text (byte {error.start}). Save it as UTF-8."}) from None
    if "\x00" in text:
        raise InvalidInput(**{field: "The file holds NUL characters: it is not a text file."})
    return text


def load_yaml(text: str, *, field: str = "content", max_bytes: int = MAX_BYTES) -> Any:
    """Return the data of one YAML document, or raise InvalidInput naming line and column.

    Tags with one ``!`` become ``Opaque`` text (``!vault``: ``Vaulted``). Nothing of the input but short keys is
    repeated in a message.
    """
    if len(text) > max_bytes:
        raise InvalidInput(**{field: f"The text is longer than {max_bytes // 1024} KiB. Split it."})
    try:
        _walk(text)
        return yaml.load(text, Loader=_GatedLoader)  # noqa: S506 - a SafeLoader, behind the walk above
    except yaml.YAMLError as error:
        raise InvalidInput(**{field: _say(error)}) from None
    except (ValueError, OverflowError, TypeError, RecursionError, UnicodeError):
        raise InvalidInput(
            **{field: "This YAML holds a value that cannot be read (a date, number or text out of range). Correct it."}
        ) from None


def load_plays(data: bytes, *, field: str = "content") -> list[dict[str, Any]]:
    """Return the plays of a playbook file; InvalidInput unless it is a list of plays."""
    plays = load_yaml(decode(data, field=field), field=field)
    if not isinstance(plays, list) or not plays:
        raise InvalidInput(**{field: "A playbook is a list of plays, each beginning with '- hosts:'."})
    for number, play in enumerate(plays, 1):
        imports = {"import_playbook", "ansible.builtin.import_playbook"}
        if not isinstance(play, dict) or not ("hosts" in play or imports & play.keys()):
            raise InvalidInput(**{field: f"Play {number} has no 'hosts'. A playbook is a list of plays with hosts."})
    return plays
