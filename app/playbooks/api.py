"""REST: playbooks, their projects, content and approval. Launching them stands in ``api_launches``."""

from __future__ import annotations

from typing import Any

from flask import Request
from flask_smorest import Blueprint
from werkzeug.datastructures import FileStorage

from app.core.errors import InvalidInput
from app.core.extensions import StrictParser
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.jobs.listings import launch_rows
from app.jobs.schemas import LaunchSchema
from app.playbooks import api_adhoc, api_projects, queries, service_approval, service_content, service_syntax
from app.playbooks.api_launches import launches
from app.playbooks.api_saved import saved_launches
from app.playbooks.models import Playbook
from app.playbooks.schemas import (
    ApproveSchema,
    ContentSchema,
    EditSchema,
    PlaybookQuery,
    PlaybookSchema,
    SourceSchema,
    UploadSchema,
    playbook_json,
)
from app.playbooks.uploads import form_to_upload

blueprint = Blueprint("playbooks_api", __name__, description="Playbooks, their content and approval")


EXAMPLE = {"name": "Patch", "file_name": "site.yml", "content": "- hosts: all\n  tasks:\n    - ansible.builtin.ping:\n"}


class _JsonOrForm(StrictParser):
    """Takes multipart/form-data where JSON is expected: the same fields, the file as ``file``."""

    def load_json(self, req: Request, schema: Any) -> Any:
        """Return the body's fields, whichever form they came in."""
        if req.mimetype == "multipart/form-data":
            file: FileStorage | None = req.files.get("file")
            return form_to_upload(req.form, file)
        return super().load_json(req, schema)


class _UploadBlueprint(Blueprint):  # type: ignore[misc]  # flask-smorest has no types
    ARGUMENTS_PARSER = _JsonOrForm()


uploads = _UploadBlueprint("playbook_uploads_api", __name__, description="Playbooks, their content and approval")
blueprints = (blueprint, uploads, launches, saved_launches, api_adhoc.blueprint, api_projects.blueprint)
ANY_CONTENT = {
    "requestBody": {
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {"file": {"type": "string", "format": "binary"}, "name": {"type": "string"}},
                }
            }
        }
    }
}


def _shown(playbook: Playbook) -> dict[str, Any]:
    approved = queries.approval_of(current_actor(), playbook) is not None
    return playbook_json(playbook, is_approved=approved)


@blueprint.get("/playbooks")
@blueprint.arguments(PlaybookQuery, location="query", unknown=None)
@blueprint.response(200, PlaybookSchema(many=True))
@documented(blueprint)
def list_playbooks(query: dict[str, Any]) -> Any:
    """List playbooks, newest first."""
    actor = current_actor()
    page = queries.list_playbooks(actor, **query)
    approved = queries.approvals_of(actor, page.items)
    rows = [playbook_json(playbook, is_approved=playbook.id in approved) for playbook in page.items]
    return paged(page, rows)


@uploads.post("/playbooks")
@uploads.arguments(UploadSchema, example=EXAMPLE)
@uploads.response(201, PlaybookSchema)
@documented(uploads, 409, 413, 415)
@uploads.doc(**ANY_CONTENT)
def upload_playbook(data: dict[str, Any]) -> Any:
    """Upload a single-file playbook. It can be launched once somebody approved it."""
    text = data.pop("content")
    playbook = service_content.upload_playbook(current_actor(), data=_bytes(text), **data)
    return _shown(playbook), 201, {"Location": f"/api/v1/playbooks/{playbook.id}"}


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise InvalidInput(content="The text holds characters that cannot be stored. Save the file as UTF-8.") from None


@blueprint.get("/playbooks/<int:playbook_id>")
@blueprint.response(200, PlaybookSchema)
@documented(blueprint, 404)
def get_playbook(playbook_id: int) -> Any:
    """Show one playbook with its hashes and declared variables."""
    return _shown(queries.view_playbook(current_actor(), playbook_id))


@blueprint.patch("/playbooks/<int:playbook_id>")
@blueprint.arguments(EditSchema, example={"description": "Patches of the month", "tags": ["web"], "version": 1})
@blueprint.response(200, PlaybookSchema)
@documented(blueprint, 404, 409, 413, 415)
def edit_playbook(data: dict[str, Any], playbook_id: int) -> Any:
    """Change what is declared about a playbook. Its approval is of its content and stays."""
    version = data.pop("version")
    return _shown(service_content.edit_playbook(current_actor(), playbook_id, data, version=version))


@blueprint.delete("/playbooks/<int:playbook_id>")
@blueprint.response(204)
@documented(blueprint, 404)
def delete_playbook(playbook_id: int) -> None:
    """Delete a playbook without jobs; one with jobs is deactivated and keeps its history."""
    service_content.delete_playbook(current_actor(), playbook_id)


@blueprint.get("/playbooks/<int:playbook_id>/content")
@blueprint.response(200, SourceSchema)
@documented(blueprint, 404, 409)
def get_content(playbook_id: int) -> Any:
    """Show the text of a playbook, and what changed since it was approved."""
    actor = current_actor()
    playbook = queries.view_playbook(actor, playbook_id)
    source = service_approval.read_source(actor, playbook_id)
    return {
        "content": source.text,
        "file_path": playbook.file_path,
        "file_hash": playbook.file_hash,
        "manifest_hash": playbook.manifest_hash,
        "is_approved": queries.approval_of(actor, playbook) is not None,
        "diff": source.unified(playbook.file_path),
        "changed_files": [change.path for change in source.changes],
    }


@blueprint.put("/playbooks/<int:playbook_id>/content")
@blueprint.arguments(ContentSchema, example={"content": EXAMPLE["content"], "version": 1})
@blueprint.response(200, PlaybookSchema)
@documented(blueprint, 404, 409, 413, 415)
def replace_content(data: dict[str, Any], playbook_id: int) -> Any:
    """Replace the file of an uploaded playbook. The new content needs an approval of its own."""
    actor = current_actor()
    return _shown(
        service_content.replace_file(actor, playbook_id, data=_bytes(data["content"]), version=data["version"])
    )


@launches.post("/playbooks/<int:playbook_id>/syntax-check")
@launches.response(202, LaunchSchema)
@documented(launches, 404, 409)
def check_syntax(playbook_id: int) -> Any:
    """Have a worker check the playbook's syntax; the job's message names file and line of a mistake."""
    launch = service_syntax.check_syntax(current_actor(), playbook_id, source="api")
    return launch_rows([launch])[0], 202, {"Location": f"/api/v1/launches/{launch.uuid}"}


@blueprint.post("/playbooks/<int:playbook_id>/approve")
@blueprint.arguments(ApproveSchema, required=False, example={"manifest_hash": "0" * 64})
@blueprint.response(200, PlaybookSchema)
@documented(blueprint, 404, 409, 413, 415)
def approve_playbook(data: dict[str, Any], playbook_id: int) -> Any:
    """Approve the present content, so that it may be launched."""
    return _shown(service_approval.approve_playbook(current_actor(), playbook_id, manifest_hash=data["manifest_hash"]))


@blueprint.delete("/playbooks/<int:playbook_id>/approve")
@blueprint.response(200, PlaybookSchema)
@documented(blueprint, 404, 409)
def revoke_approval(playbook_id: int) -> Any:
    """Withdraw the approval of the present content."""
    return _shown(service_approval.revoke_approval(current_actor(), playbook_id))
