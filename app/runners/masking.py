"""Find the secrets of a run in its output, in the encodings programs print them in, and hide them."""

from __future__ import annotations

import base64
import html
import json
import re
import shlex
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

MASK = "***"
MIN_SECRET_LENGTH = 8  # a shorter value would hide ordinary words (GitLab has the same floor)


def check_maskable(value: str) -> None:
    """Raise ValueError when a value is too short to be hidden without hiding ordinary text as well."""
    if len(value) < MIN_SECRET_LENGTH:
        raise ValueError(f"A secret needs at least {MIN_SECRET_LENGTH} characters, or it cannot be masked.")


def _base64_fragments(data: bytes) -> Iterator[str]:
    """Yield what stays the same of a value's base64 text wherever the value stands in the encoded data.

    Three bytes become four characters, so a value may start at three shifts; characters that also hold
    bits of its neighbours are left out.
    """
    for shift in range(3):
        padded = b"\0" * shift + data
        whole_groups = len(padded) * 8 // 6  # characters that depend on nothing after the value
        first = -(-shift * 8 // 6)  # characters that still hold bits of what stands before it
        text = base64.b64encode(padded).decode("ascii")[first:whole_groups]
        yield text
        yield text.replace("+", "-").replace("/", "_")


def _json_forms(value: str) -> Iterator[str]:
    for ascii_only in (False, True):
        once = json.dumps(value, ensure_ascii=ascii_only)[1:-1]
        yield once
        yield once.replace("/", "\\/")
        yield json.dumps(once, ensure_ascii=ascii_only)[1:-1]  # JSON printed inside JSON


def _spellings(value: str) -> Iterator[str]:
    data = value.encode("utf-8", "surrogatepass")
    yield value
    yield from _json_forms(value)
    quoted = urllib.parse.quote(value.encode("utf-8", "replace"), safe="")
    yield quoted
    yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), quoted)
    yield urllib.parse.quote_plus(value.encode("utf-8", "replace"))
    yield urllib.parse.quote(value.encode("utf-8", "replace"))
    for quoted in (
        shlex.quote(value).strip("'"),
        value.replace("'", "'\\''"),
        re.sub(r"([^\w@%+=:,./-])", r"\\\1", value),
    ):
        yield quoted
        yield from _json_forms(quoted)  # a command line in ansible's result
    yield value.replace("'", "''")  # YAML, SQL
    yield html.escape(value)
    yield repr(value)[1:-1]
    yield repr(data)[2:-1]
    yield data.hex()
    yield data.hex().upper()
    yield from _base64_fragments(data)


def variants(secrets: Iterable[str]) -> set[str]:
    """Return every text to look for: each secret and each line of it, in each encoding.

    Fragments under eight characters are left out; a value that is itself too short raises ValueError.
    """
    found: set[str] = set()
    for secret in secrets:
        check_maskable(secret)
        parts = {secret, secret.strip(), *(line.strip() for line in secret.splitlines())}
        for part in parts:
            if len(part) >= MIN_SECRET_LENGTH and not part.startswith("-----"):
                found.update(text for text in _spellings(part) if len(text) >= MIN_SECRET_LENGTH)
    return found


def _pattern_of(words: list[str]) -> str:
    """Return a regular expression of sorted words that shares their beginnings and prefers the longest."""
    shortest = min(len(words[0]), len(words[-1]))
    pairs = enumerate(zip(words[0], words[-1], strict=False))
    prefix = words[0][: next((at for at, (one, other) in pairs if one != other), shortest)]
    rest = [word[len(prefix) :] for word in words]
    optional = not rest[0]  # the prefix is itself a word; the longer ones are tried first
    branches = [_pattern_of(list(group)) for _, group in groupby(filter(None, rest), lambda word: word[0])]
    if not branches:
        return re.escape(prefix)
    return f"{re.escape(prefix)}(?:{'|'.join(branches)}){'?' if optional else ''}"


class Masker:
    """Replaces every known spelling of every secret by ``***``. Immutable, safe to share."""

    def __init__(self, secrets: Iterable[str]) -> None:
        """Compile the search; raises ValueError for a value shorter than eight characters."""
        words = variants(secrets)
        self.longest = max(map(len, words), default=0)
        self._pattern = re.compile(_pattern_of(sorted(words))) if words else None
        self.mask: Callable[[str], str] = self._mask if words else _unchanged

    def _mask(self, text: str) -> str:
        assert self._pattern is not None
        return self._pattern.sub(MASK, text)

    def mask_prefix(self, text: str) -> tuple[str, str]:
        """Mask as much of a growing text as can be decided now; return it and the rest to keep.

        The rest is shorter than the longest spelling and has to stand before the next chunk.
        """
        if self._pattern is None:
            return text, ""
        safe = len(text) - self.longest + 1
        pieces: list[str] = []
        done = 0
        for match in self._pattern.finditer(text):
            if match.start() >= safe:
                break
            pieces += (text[done : match.start()], MASK)
            done = match.end()
        end = max(done, safe, 0)
        pieces.append(text[done:end])
        return "".join(pieces), text[end:]


def _unchanged(text: str) -> str:
    return text


class StreamMasker:
    """Masks a text that arrives in chunks as if it had come in one piece."""

    def __init__(self, masker: Masker) -> None:
        self._masker = masker
        self._rest = ""

    def feed(self, chunk: str) -> str:
        """Return what can be shown so far; the end that may still be part of a secret is held back."""
        shown, self._rest = self._masker.mask_prefix(self._rest + chunk)
        return shown

    def close(self) -> str:
        """Return the held-back end."""
        shown, self._rest = self._masker.mask(self._rest), ""
        return shown
