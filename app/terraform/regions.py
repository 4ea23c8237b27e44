"""Regions and types of the large providers, by a list that ships with the product.

A list ages: what it does not know is said, and never refused where terraform has the last word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

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


def with_odd(changes: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return changes of a plan, each with ``odd_region``: the region that the list does not have, None for others."""
    found = []
    for change in changes:
        region = plain(str(change.get("region") or ""))
        found.append({**change, "odd_region": region if is_odd(str(change.get("type", "")), region) else None})
    return found


def plain(region: str) -> str:
    """Return a region as the list writes it: Azure has "West Europe" and "westeurope"."""
    return region.strip().lower().replace(" ", "")


def check_type(kind: str) -> str:
    """Return a type that somebody typed; raises InvalidInput for one that cannot be."""
    if len(kind) > 200 or not _TYPE.match(kind):
        raise InvalidInput(type="Give the type of the resources, such as aws_instance.")
    return kind


def check_region(kind: str, region: str) -> str:
    """Return a region that somebody typed, empty for all; raises InvalidInput for one that its provider has not."""
    found = plain(region)
    if len(found) > 100 or not found.isascii() or is_odd(kind, found):
        raise InvalidInput(region=f"{region[:60]!a} is no region of this provider. Leave it empty for all of them.")
    return found
