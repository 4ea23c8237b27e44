"""Write data as YAML that ansible takes as plain text: no string in it is ever evaluated as a template."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

MAX_DEPTH = 40


class Plain(str):
    """A text that is never a template, whatever the rest of the data may hold (a password)."""

    __slots__ = ()


def _quoted(text: str) -> str:
    """Return a YAML double-quoted scalar in ASCII. Raises ValueError for lone surrogates."""
    pieces = ['"']
    for character in text:
        code = ord(character)
        if character in '"\\':
            pieces.append("\\" + character)
        elif 0x20 <= code < 0x7F:
            pieces.append(character)
        elif 0xD800 <= code <= 0xDFFF:
            raise ValueError("text with half a character (a lone surrogate) cannot be handed to the engine")
        elif code <= 0xFF:
            pieces.append(f"\\x{code:02x}")
        elif code <= 0xFFFF:
            pieces.append(f"\\u{code:04x}")
        else:
            pieces.append(f"\\U{code:08x}")
    pieces.append('"')
    return "".join(pieces)


def _number(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if "." in text else text.replace("e", ".0e")  # YAML 1.1 wants the point


def to_yaml(value: Any, *, unsafe: bool = True, depth: int = 0) -> str:
    """Return JSON data as one line of YAML in flow style.

    ``unsafe`` tags every string but mapping keys ``!unsafe``; a ``Plain`` one always is. Raises ValueError for
    anything that is not JSON data, and for more than 40 levels.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"the data is nested deeper than {MAX_DEPTH} levels")
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, str):
        return ("!unsafe " if unsafe or isinstance(value, Plain) else "") + _quoted(value)
    if isinstance(value, Mapping):
        pairs = []
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("the keys of variables must be text")
            pairs.append(f"? {_quoted(key)} : {to_yaml(item, unsafe=unsafe, depth=depth + 1)}")
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(to_yaml(item, unsafe=unsafe, depth=depth + 1) for item in value) + "]"
    raise ValueError(f"variables cannot hold a value of type {type(value).__name__}")
