"""Commands on the prices by which instances have a cost."""

from __future__ import annotations

from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.versioning import check_version
from app.terraform import infrastructure_sync, queries_infrastructure, regions
from app.terraform.models_infrastructure import InfrastructureResource, ResourcePrice

FIELDS = ("type", "attribute", "value", "region", "price_per_hour", "currency")
MAX_PRICES = 5000  # of a tenant


class PriceInput(TypedDict, total=False):
    """What people set on a price."""

    type: str
    attribute: str
    value: str
    region: str
    price_per_hour: float
    currency: str


def add_price(actor: Actor, given: PriceInput) -> ResourcePrice:
    """Add a price; instances of its type have it a moment later. Raises InvalidInput by field, Conflict."""
    require(actor, Permission.TERRAFORM_EDIT)
    missing = {name: "This is needed." for name in ("type", "price_per_hour") if given.get(name) in (None, "")}
    if missing:
        raise InvalidInput(**missing)
    if queries_infrastructure.count_prices(actor) >= MAX_PRICES:
        raise Conflict(f"There are {MAX_PRICES} prices already. Remove some first.")
    price = ResourcePrice(tenant_id=actor.tenant_id, attribute="", value="", region="", currency="USD")
    wanted = _checked(price, given)
    for name, value in wanted.items():
        setattr(price, name, value)
    _store(price)
    audit.record(actor, "resource_price:create", _resource(price), action="CREATE", details=wanted)
    _follow(actor, price.type)
    return price


def change_price(actor: Actor, uuid: str, given: PriceInput, *, version: int | None = None) -> ResourcePrice:
    """Change the given fields. Raises InvalidInput, NotFound, Conflict, VersionConflict."""
    require(actor, Permission.TERRAFORM_EDIT)
    price = queries_infrastructure.get_price(actor, uuid)
    wanted = {name: value for name, value in _checked(price, given).items() if getattr(price, name) != value}
    check_version(price, version)
    if not wanted:
        price.version -= 1
        return price
    before = {name: getattr(price, name) for name in wanted}
    old_type = price.type
    for name, value in wanted.items():
        setattr(price, name, value)
    _store(price)
    details = audit.changes(before, wanted, sorted(wanted))
    audit.record(actor, "resource_price:update", _resource(price), action="UPDATE", details=details)
    _follow(actor, price.type, old_type)
    return price


def remove_price(actor: Actor, uuid: str) -> None:
    """Remove a price: what had it has another one that fits, or none. Raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    price = queries_infrastructure.get_price(actor, uuid)
    details = {name: getattr(price, name) for name in FIELDS}
    audit.record(actor, "resource_price:delete", _resource(price), action="DELETE", details=details)
    kind = price.type
    db.session.delete(price)
    db.session.flush()
    _follow(actor, kind)


def _checked(price: ResourcePrice, given: PriceInput) -> dict[str, Any]:
    wanted: dict[str, Any] = {name: given[name] for name in FIELDS if name in given}  # type: ignore[literal-required]
    for name in ("type", "attribute", "value"):
        if name in wanted:
            wanted[name] = wanted[name].strip()
            if not wanted[name].isascii() or not wanted[name].isprintable():
                raise InvalidInput(**{name: "Only letters, digits and signs of ASCII."})
    kind = regions.check_type(wanted.get("type", price.type or ""))
    if "region" in wanted or "type" in wanted:
        wanted["region"] = regions.check_region(kind, wanted.get("region", price.region))
    if bool(wanted.get("attribute", price.attribute)) != bool(wanted.get("value", price.value)):
        raise InvalidInput(value="Give both an attribute and its value, or neither for every resource of the type.")
    if "price_per_hour" in wanted:
        wanted["price_per_hour"] = round(wanted["price_per_hour"], 6)
    return wanted


def _store(price: ResourcePrice) -> None:
    try:
        with db.session.begin_nested():
            db.session.add(price)
    except IntegrityError:
        raise Conflict(
            "There is a price for this type, attribute, value and region already. Change that one.", error="name_taken"
        ) from None
    db.session.refresh(price)


def _follow(actor: Actor, *types: str) -> None:
    infrastructure_sync.follow_again(actor.tenant_id, InfrastructureResource.type.in_(set(types)))


def _resource(price: ResourcePrice) -> Resource:
    return Resource("resource_price", price.id, price.uuid)
