"""Plain text of people with its web addresses as links; everything else stays text."""

from __future__ import annotations

import re

from markupsafe import Markup, escape

# Only these two schemes, so that no text becomes a script; what ends a sentence does not belong to the address.
_ADDRESS = re.compile(r"https?://[^\s<>\"'`]{1,2000}")
_TAIL = ".,;:!?)]}"


def linked_text(text: str | None) -> Markup:
    """Return escaped text in which http and https addresses are links that tell the other site nothing."""
    parts, done = [], 0
    for match in _ADDRESS.finditer(text or ""):
        address = match[0].rstrip(_TAIL)
        parts.append(escape((text or "")[done : match.start()]))
        parts.append(Markup('<a href="{0}" rel="nofollow noopener noreferrer">{0}</a>').format(address))
        done = match.start() + len(address)
    parts.append(escape((text or "")[done:]))
    return Markup("").join(parts)
