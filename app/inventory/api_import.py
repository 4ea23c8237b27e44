"""REST of inventories as files: /servers:import and /servers:export."""

from __future__ import annotations

from typing import Any

from flask import Response, request
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.errors import InvalidInput
from app.core.extensions import StrictParser
from app.core.faces import documented, plain_text
from app.core.flask_app import current_actor
from app.inventory import service_import
from app.inventory.inventory_export import written
from app.inventory.inventory_files import MAXIMUM_BYTES
from app.inventory.inventory_upload import read_upload
from app.inventory.schemas import NoQuery
from app.inventory.schemas_import import ExportQuery, ImportBody, ReportSchema, report_data

# JSON writes a byte with up to six characters; form data has a little around the file.
MAXIMUM_BODY = 6 * MAXIMUM_BYTES


class _JsonOrForm(StrictParser):
    """Takes multipart/form-data where JSON is expected: the same fields, the file as ``file``."""

    def load_json(self, req: Any, schema: Any) -> Any:
        """Return the body's fields, whichever form they came in."""
        if req.mimetype != "multipart/form-data":
            return super().load_json(req, schema)
        fields: dict[str, Any] = {name: value for name, value in req.form.items() if value != ""}
        if "dry_run" in fields:
            fields["dry_run"] = fields["dry_run"] not in ("false", "0", "no")
        if "file" in req.files:
            fields["inventory"] = "file"  # read from the upload itself: it need not be text
        return fields


class _ImportBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    ARGUMENTS_PARSER = _JsonOrForm()


blueprint = _ImportBlueprint("inventory_import_api", __name__, description="Ansible inventories: import and export")
blueprints = (blueprint,)
FILE = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "file": {"type": "string", "format": "binary"},
                        "format": {"type": "string"},
                        "into": {"type": "string"},
                        "dry_run": {"type": "string"},
                    },
                }
            }
        }
    }
}


@blueprint.url_value_preprocessor
def _allow_larger_bodies(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    request.max_content_length = MAXIMUM_BODY


@blueprint.route("/servers:import", methods=["POST"])
@documented(blueprint, 413, 415)
@blueprint.arguments(NoQuery, location="query", as_kwargs=True, unknown=RAISE)
@blueprint.arguments(ImportBody)
@blueprint.response(200, ReportSchema)
@blueprint.doc(**FILE)
def import_servers(body: dict[str, Any]) -> dict[str, Any]:
    """Import an Ansible inventory: servers, groups, variables. A dry run unless dry_run is false.

    Each host and group is reported by itself; one that cannot be taken over does not stop the others.
    """
    actor = current_actor()
    upload = request.files.get("file")
    if upload is not None:
        found = read_upload(upload.filename or "", upload.stream.read(MAXIMUM_BYTES + 1), form=body["format"])
    else:
        found = read_upload("", _bytes(body["inventory"]), form=body["format"])
    report = service_import.import_inventory(actor, found, dry_run=body["dry_run"], into=body["into"])
    return report_data(report)


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(inventory="The text holds half of a character. Save the file as UTF-8.") from None


@blueprint.route("/servers:export", methods=["GET"])
@documented(blueprint)
@blueprint.arguments(ExportQuery, location="query", unknown=RAISE)
@blueprint.response(200, content_type="text/plain", description="An inventory that Ansible reads")
def export_servers(query: dict[str, Any]) -> Response:
    """Export active servers with their groups and variables as an Ansible inventory.

    Key files and ansible_* variables are for administrators; passwords are never in it.
    """
    text, name = written(current_actor(), query)
    return plain_text([text], name)
