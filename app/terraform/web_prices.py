"""Pages of the prices by which instances have a cost."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.audit import service as audit
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.terraform import queries_infrastructure, service_prices
from app.terraform.schemas_infrastructure import PriceCreate, PriceEdit, PriceQuery, money
from app.terraform.service_prices import PriceInput

blueprint = Blueprint("prices", __name__, template_folder="templates")
ONE = "/infrastructure/prices/<uuid:price_uuid>"
_TEXTS = ("type", "attribute", "value", "region", "currency")


@blueprint.get("/infrastructure/prices")
def index() -> str:
    """List prices by type."""
    given = {name: value for name, value in request.args.items() if value != ""}
    try:
        query: dict[str, Any] = PriceQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return render_template(
        "terraform/prices.html",
        page=queries_infrastructure.list_prices(current_actor(), kind=query.pop("type", None), **query),
        money=money,
        default_sort=queries_infrastructure.PRICE_SORT.default,
    )


def _given(schema: type[PriceCreate] | type[PriceEdit]) -> tuple[PriceInput, int | None]:
    form = request.form
    given: dict[str, Any] = {name: form.get(name, "").strip() for name in _TEXTS}
    given["currency"] = given["currency"].upper()
    if form.get("price_per_hour", "").strip():
        given["price_per_hour"] = form["price_per_hour"].strip()
    typed = form.get("version", "")
    if schema is PriceEdit and typed.isascii() and typed.isdigit() and 0 < len(typed) < 10:
        given["version"] = int(typed)
    try:
        loaded: dict[str, Any] = schema().load(given)
    except ValidationError as error:
        messages = cast(dict[str, list[str]], error.messages)
        raise InvalidInput(**{name: str(said[0]) for name, said in messages.items()}) from error
    seen: int | None = loaded.pop("version", None)
    return cast(PriceInput, loaded), seen


@blueprint.route("/infrastructure/prices/new", methods=["GET", "POST"], defaults={"price_uuid": None})
@blueprint.route(ONE, methods=["GET", "POST"])
def price(price_uuid: Any) -> ResponseReturnValue:
    """Add or change a price."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    found = None if price_uuid is None else queries_infrastructure.get_price(actor, str(price_uuid))
    error: AppError | None = None
    if request.method == "POST":
        try:
            with audit.savepoint():
                if found is None:
                    service_prices.add_price(actor, _given(PriceCreate)[0])
                else:
                    given, version = _given(PriceEdit)
                    service_prices.change_price(actor, found.uuid, given, version=version)
            flash("The price was saved. Costs follow in a moment.", "success")
            return redirect(url_for(".index"), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    errors = {name: list(said) for name, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    page = render_template(
        "terraform/price_form.html",
        price=found,
        form=request.form.to_dict() if error else {},
        errors=errors,
        money=money,
    )
    return page, error.status if error else 200


@blueprint.post(f"{ONE}/remove")
def price_remove(price_uuid: Any) -> ResponseReturnValue:
    """Remove a price after a question."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_EDIT)
    found = queries_infrastructure.get_price(actor, str(price_uuid))
    if request.form.get("confirmed") != "1":
        return render_template(
            "confirm.html",
            title=f"Remove the price of {found.type} {found.value}?",
            message="What had it has another price that fits, or none.",
            expected_name=None,
            action=url_for(".price_remove", price_uuid=found.uuid),
            hidden={},
            action_label="Remove",
            back_url=url_for(".index"),
        )
    service_prices.remove_price(actor, found.uuid)
    flash("The price was removed.", "success")
    return redirect(url_for(".index"), 303)
