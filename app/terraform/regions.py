"""Regions and types of the large providers, by a list that ships with the product.

A list ages: what it does not know is said, and never refused where terraform has the last word.
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from pathlib import Path

from app.core.errors import InvalidInput

_LIST = Path(__file__).with_name("catalog") / "regions.json"
_PREFIXES = {"aws": "aws", "awscc": "aws", "azurerm": "azurerm", "google": "google"}
_TYPE = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)+\Z")


@lru_cache(maxsize=1)
def _regions() -> dict[str, frozenset[str]]:
    found = json.loads(_LIST.read_text(encoding="utf-8"))
    return {name: frozenset(found[name]) for name in ("aws", "azurerm", "google")}


def provider_of_type(kind: str) -> str | None:
    """Return whose resources a type is of, as the list names providers; None for one that it does not have."""
    return _PREFIXES.get(kind.partition("_")[0])


def is_odd(kind: str, region: str | None) -> bool:
    """Say whether a region is none that the list has for the provider of this type."""
    provider = provider_of_type(kind)
    return bool(region) and provider is not None and region not in _regions()[provider]


def check_type(kind: str) -> str:
    """Return a type that somebody typed; raises InvalidInput for one that cannot be."""
    if len(kind) > 200 or not _TYPE.match(kind):
        raise InvalidInput(type="Give the type of the resources, such as aws_instance.")
    return kind


def check_region(kind: str, region: str) -> str:
    """Return a region that somebody typed, empty for all; raises InvalidInput for one that its provider has not."""
    plain = region.strip().lower().replace(" ", "")
    if len(plain) > 100 or not plain.isascii() or is_odd(kind, plain):
        raise InvalidInput(region=f"{region[:60]!a} is no region of this provider. Leave it empty for all of them.")
    return plain
