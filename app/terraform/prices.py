"""What an instance costs per hour, by the prices that people maintain. Nothing is asked of any network."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from app.core.actor import Actor
from app.core.db import db
from app.core.tenancy import scoped
from app.terraform.models_infrastructure import ResourcePrice

ByType = Mapping[str, Sequence[ResourcePrice]]


def prices_of(system: Actor, types: Collection[str]) -> ByType:
    """Return the prices of these types; one query."""
    wanted = {kind for kind in types if kind.isascii()}
    found: dict[str, list[ResourcePrice]] = {}
    if wanted:
        for price in db.session.scalars(scoped(system, ResourcePrice).where(ResourcePrice.type.in_(wanted))):
            found.setdefault(price.type, []).append(price)
    return found


def price_of(
    prices: Sequence[ResourcePrice], attributes: Mapping[str, Any], region: str | None
) -> ResourcePrice | None:
    """Return the price that says most of an instance: one with its attribute first, then one with its region."""
    fitting = [
        price
        for price in prices
        if price.region in ("", region or "")
        and (not price.attribute or _word(attributes.get(price.attribute)) == price.value)
    ]
    return max(fitting, key=lambda price: (bool(price.attribute), bool(price.region), price.id), default=None)


def _word(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    return None if value is None else str(value)
