"""Patterns that people write, matched in time that is linear in the text (RE2): no expression holds a process up.

The whole text has to fit, so ``^`` and ``$`` say nothing new. References to groups and looking around are not known;
repetitions go up to 1,000 (https://github.com/google/re2/wiki/Syntax).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import re2

MAX_PATTERN = 200
MAX_TEXT = 10_000
MAX_MEMORY = 1_048_576  # bytes of a compiled pattern with what it remembers


class BadPattern(ValueError):
    """The pattern cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    compiled: Any

    def fits(self, text: str) -> bool:
        """Say whether the whole text fits; one that is longer than MAX_TEXT does not."""
        return len(text) <= MAX_TEXT and self.compiled.fullmatch(text) is not None


def compile_pattern(text: str) -> Pattern:
    """Return a pattern, ready for use. Raises BadPattern."""
    if not 1 <= len(text) <= MAX_PATTERN:
        raise BadPattern(f"Give 1 to {MAX_PATTERN} characters.")
    options = re2.Options()
    options.max_mem, options.log_errors = MAX_MEMORY, False
    try:
        return Pattern(re2.compile(text, options))
    except re2.error as error:
        reason = error.args[0] if error.args else error
        said = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise BadPattern(f"{said[:1].upper()}{said[1:]}.") from None
    except UnicodeError:
        raise BadPattern("It holds characters that are not text.") from None
