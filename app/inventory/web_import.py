"""Pages of inventories as files: import with a preview, and the download."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from flask import Blueprint, Response, flash, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.core.errors import InvalidInput
from app.core.faces import plain_text
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.inventory import forms, service_import
from app.inventory.import_report import ImportReport
from app.inventory.inventory_export import written
from app.inventory.inventory_files import MAXIMUM_BYTES
from app.inventory.inventory_upload import read_upload
from app.inventory.schemas_import import ExportQuery, ImportOptions

blueprint = Blueprint("inventory_files", __name__, template_folder="templates")
MAXIMUM_BODY = 2 * MAXIMUM_BYTES  # the preview carries an archive along in base64
SHOWN = 500  # rows of a report on a page; the API gives all


@blueprint.url_value_preprocessor
def _allow_larger_bodies(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    request.max_content_length = MAXIMUM_BODY
    request.max_form_memory_size = MAXIMUM_BODY


@blueprint.route("/servers/import", methods=["GET", "POST"])
def import_page() -> ResponseReturnValue:
    """Paste or upload an inventory; the first press shows what would happen, the second does it."""
    actor = current_actor()
    require(actor, Permission.SERVER_EDIT)
    if request.method == "GET":
        return _page()
    go = request.form.get("go") == "1"
    try:
        name, data = _content()
        options = _options()
        found = read_upload(name, data, form=options["format"])
        report = service_import.import_inventory(actor, found, dry_run=not go, into=options["into"])
    except InvalidInput as error:
        errors = {field: list(said) for field, said in error.errors.items()} or {"_form": [error.message]}
        return _page(errors=errors), error.status
    if go:
        flash(_summary(report), "success")
    return _page(report=report, carried=None if go else base64.b64encode(data).decode(), name=name)


def _content() -> tuple[str, bytes]:
    """Return name and bytes: of the upload, of what the preview carried along, or of the pasted text."""
    upload = request.files.get("file")
    if upload is not None and upload.filename:
        return upload.filename[:200], upload.stream.read(MAXIMUM_BYTES + 1)
    carried = request.form.get("carried")
    if carried:
        try:
            return request.form.get("name", "")[:200], base64.b64decode(carried, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidInput(inventory="The preview was changed on the way. Send the inventory again.") from error
    text = request.form.get("inventory", "").replace("\r\n", "\n")
    if not text.strip():
        raise InvalidInput(inventory="Paste an inventory, or choose a file.")
    return "", text.encode("utf-8", "replace")


def _options() -> dict[str, Any]:
    given = {name: request.form[name].strip() for name in ("format", "into") if request.form.get(name, "").strip()}
    try:
        loaded: dict[str, Any] = ImportOptions().load(given)
    except ValidationError as error:
        messages = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidInput(**{name: forms.first_sentence(said) for name, said in messages.items()}) from error
    return loaded


def _summary(report: ImportReport) -> str:
    counts = report.counts()["hosts"]
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"Imported: {said or 'no servers'}."


def _page(
    *,
    report: ImportReport | None = None,
    carried: str | None = None,
    name: str = "",
    errors: dict[str, list[str]] | None = None,
) -> str:
    return render_template(
        "inventory/import.html",
        report=report,
        counts=report.counts() if report else None,
        shown=SHOWN,
        carried=carried,
        name=name,
        form=request.form.to_dict() if request.method == "POST" else {},
        errors=errors or {},
    )


@blueprint.get("/servers/inventory")
def export() -> Response:
    """Download active servers with their groups and variables as an Ansible inventory."""
    try:
        query = ExportQuery().load({n: v for n, v in request.args.items() if v != ""}, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("This selection cannot be exported: correct the address.") from error
    text, name = written(current_actor(), query)
    return plain_text([text], name)
