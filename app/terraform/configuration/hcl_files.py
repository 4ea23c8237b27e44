"""One file of a configuration as data: ``.tf`` by python-hcl2, ``.tf.json`` by the standard parser."""

from __future__ import annotations

import json
import math
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import hcl2
from hcl2 import SerializationOptions
from lark import Tree
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from app.terraform.configuration.shapes import HIDDEN, Problem

MAX_DEPTH = 60  # of values that are kept; MySQL's JSON goes 100 deep
_OPTIONS = SerializationOptions(
    with_comments=False, explicit_blocks=False, strip_string_quotes=True, preserve_heredocs=True
)
SECRET = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|token|api_?key|private_?key|access_?key|secret_?key)\Z"
)
_HEREDOC = re.compile(r"<<(-?)([a-zA-Z][\w.-]*)\r?\n(.*?)(?:\r?\n)?[ \t]*\2\s*\Z", re.DOTALL)
_INTERPOLATION = re.compile(r"[$%]\{")


class Unreadable(Exception):
    """A file cannot be read; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file's blocks by type; of those of HCL, in the same order, the line each begins in and its number of labels."""

    path: str
    body: Mapping[str, Any]
    heads: Mapping[str, list[tuple[int, int]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """One block with its labels."""

    labels: tuple[str, ...]
    body: dict[str, Any]
    file: str
    line: int | None


def read_file(path: str, data: bytes) -> ReadFile:
    """Read one file. Raises Unreadable, and nothing else."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Unreadable(Problem(path, line, "The file is not UTF-8.")) from None
    try:
        return _read_json(path, text) if path.endswith(".json") else _read_hcl(path, text)
    except Unreadable:
        raise
    except (RecursionError, MemoryError):
        raise Unreadable(Problem(path, None, "The file is nested too deeply to be read.")) from None
    except Exception as error:  # the library documents none of what it raises
        said = str(error).strip().splitlines()[:1]
        raise Unreadable(Problem(path, None, f"The file cannot be read: {(said or ['?'])[0][:200]}")) from error


def _read_hcl(path: str, text: str) -> ReadFile:
    try:
        tree = hcl2.parses_to_tree(text)
    except UnexpectedInput as error:
        last = max(1, len(text.splitlines()))
        line = error.line if isinstance(error.line, int) and error.line > 0 else last
        raise Unreadable(Problem(path, min(line, last), _reason(error))) from None
    heads: dict[str, list[tuple[int, int]]] = {}
    for block in _top_blocks(tree):
        parts = [part.data for part in block.children if isinstance(part, Tree)]
        labels = sum(part not in ("body", "new_line_or_comment") for part in parts) - 1
        heads.setdefault(str(block.children[0].children[0]), []).append((block.meta.line, labels))
    body = _without_markers(hcl2.serialize(hcl2.transform(tree), serialization_options=_OPTIONS))
    _check_text(path, body)
    return ReadFile(path, body, heads)


def _without_markers(value: Any) -> Any:
    """Return values with the texts of heredocs alone. The library's own way puts backslashes before quotes."""
    if isinstance(value, dict):
        return {key: _without_markers(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_markers(one) for one in value]
    if isinstance(value, str) and value.startswith("<<") and (match := _HEREDOC.match(value)):
        return textwrap.dedent(match[3]) if match[1] else match[3]
    return value


def _top_blocks(tree: Any) -> Iterator[Tree[Any]]:
    for body in tree.children:
        for child in getattr(body, "children", ()):
            if isinstance(child, Tree) and child.data == "block":
                yield child


def _reason(error: UnexpectedInput) -> str:
    if isinstance(error, UnexpectedToken):
        if error.token.type == "$END":
            return "The file ends in the middle of something: a closing brace, bracket or quote is missing."
        shown = str(error.token).strip().splitlines()[:1]
        return f"{shown[0][:80]!r} is not expected here." if shown else "The line ends too early."
    if isinstance(error, UnexpectedCharacters):
        return f"{error.char!r} is not expected here."
    return "This is not HCL."


def _read_json(path: str, text: str) -> ReadFile:
    def refuse(word: str) -> Any:
        raise Unreadable(Problem(path, None, f"{word} is no JSON value."))

    try:
        body = json.loads(text, parse_constant=refuse)
    except json.JSONDecodeError as error:
        raise Unreadable(Problem(path, error.lineno, f"This is not JSON: {error.msg}.")) from None
    if not isinstance(body, dict):
        raise Unreadable(Problem(path, 1, "The file has to be one JSON object."))
    _check_text(path, body)
    return ReadFile(path, body)


def _check_text(path: str, body: Any) -> None:
    try:
        json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Unreadable(Problem(path, None, "The file holds half of a character (a lone surrogate).")) from None


def blocks(file: ReadFile, kind: str, labels: int, problems: list[Problem]) -> Iterator[Block]:
    """Return the blocks of a type with so many labels; what is no such block becomes a problem."""
    given = file.body.get(kind, [])
    heads = file.heads.get(kind, [])
    for number, one in enumerate(given if isinstance(given, list) else [given]):
        line, has = heads[number] if number < len(heads) else (None, labels)
        try:
            if has != labels:
                raise TypeError
            found = list(_descend(one, labels))
        except TypeError:
            words = "no label" if labels == 0 else "one label" if labels == 1 else f"{labels} labels"
            problems.append(Problem(file.path, line, f"{kind!r} is a block with {words} and a body in braces."))
            continue
        for named, body in found:
            yield Block(named, body, file.path, line)


def _descend(value: Any, labels: int) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    if isinstance(value, list):
        for one in value:
            yield from _descend(one, labels)
    elif not isinstance(value, dict):
        raise TypeError
    elif labels == 0:
        yield (), value
    else:
        for name, inner in value.items():
            if name != "//":  # a comment of JSON syntax
                for rest, body in _descend(inner, labels - 1):
                    yield (name, *rest), body


def cleaned(value: Any, name: str = "", depth: int = 0) -> Any:
    """Return a value as a database can keep it as JSON, without literals under names of secrets."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**63 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if depth >= MAX_DEPTH:
        return "..."
    if isinstance(value, dict):
        return {str(key): cleaned(one, str(key), depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [cleaned(one, name, depth + 1) for one in value]
    text = str(value)
    return HIDDEN if text and SECRET.search(name.lower()) and not _INTERPOLATION.search(text) else text
