"""Where to go after signing in: only ever a page of this platform."""

from __future__ import annotations

from urllib.parse import urlsplit

MAXIMUM_LENGTH = 2000


def own_path(target: str | None) -> str:
    """Return ``target`` when it is a path of this site, else ``/``.

    Browsers read ``//host`` and ``/\\host`` as other hosts and drop tabs and newlines; a path begins with exactly
    one slash and holds no backslash and no control character.
    """
    if not target or len(target) > MAXIMUM_LENGTH or not target.startswith("/") or target.startswith("//"):
        return "/"
    if "\\" in target or any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in target):
        return "/"
    try:
        parts = urlsplit(target)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path.startswith("/sign-"):
        return "/"
    return target
