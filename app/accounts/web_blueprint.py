"""The blueprint of the accounts' pages; each ``web_*.py`` adds its routes to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template, request
from marshmallow import ValidationError

from app.core.errors import AppError, InvalidInput
from app.core.schemas import Schema

blueprint = Blueprint("accounts", __name__, template_folder="templates")

ACTIVE = {"1": True, "0": False, "all": None}


def read_filters(schema: Schema, *, active: str = "all") -> dict[str, Any]:
    """Return a list's loaded query of this request; ``active`` ("1", "0", "all") stands for ``is_active``.

    Empty fields count as left out, ``format`` is the export's own. Raises InvalidInput.
    """
    given = {name: value for name, value in request.args.items() if value != "" and name != "format"}
    try:
        is_active = ACTIVE[given.pop("active", active)]
        query: dict[str, Any] = schema.load(given)
    except (ValidationError, KeyError) as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    if is_active is not None:
        query["is_active"] = is_active
    return query


def shown_errors(error: AppError) -> dict[str, list[str]]:
    """Return what a form shows of an error of the service; raises it again when it is no matter of the form."""
    if error.status not in (409, 422):
        raise error
    return {name: list(texts) for name, texts in error.errors.items()} or {"_form": [error.message]}


def is_confirmed() -> bool:
    """Say whether somebody answered the question of ``confirm.html`` or of the script's dialog."""
    return request.form.get("confirmed") == "1"


def ask(title: str, message: str, action_label: str, back_url: str, hidden: Mapping[str, Any] | None = None) -> str:
    """Return the page that asks before a destructive act; it posts to this request's address again."""
    return render_template(
        "confirm.html",
        title=title,
        message=message,
        expected_name=None,
        action=request.path,
        hidden=dict(hidden or {}),
        action_label=action_label,
        back_url=back_url,
    )


def texts(names: tuple[str, ...]) -> dict[str, str | None]:
    """Return the text fields of this request's form, stripped; None for empty ones, absent ones are left out."""
    return {name: request.form[name].strip() or None for name in names if name in request.form}
