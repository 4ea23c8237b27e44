"""Shapes of projects, their syncs, revisions and found playbooks. Unknown fields are refused."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.schemas import Schema, Strict
from app.playbooks.models import ProjectSource, ProjectSync
from app.playbooks.queries_sources import Offer
from app.playbooks.schemas import text
from app.playbooks.schemas_projects import GitFields


class NewProjectSchema(GitFields):
    """POST /playbook-projects: adopt the sample project, make one from git, or an empty one for uploads."""

    source = fields.String(
        required=True, validate=validate.OneOf([source.value for source in ProjectSource]), metadata={"example": "git"}
    )
    name = text(1, 191, metadata={"example": "Operations"})
    description = text(0, 5000, allow_none=True)

    @validates_schema(skip_on_field_errors=True)
    def _complete(self, data: dict[str, Any], **_kw: Any) -> None:
        if data["source"] == ProjectSource.SAMPLE.value:
            if len(data) > 1:
                raise ValidationError("The sample project brings everything along.", "source")
            return
        if not data.get("name"):
            raise ValidationError("Give the project a name.", "name")
        if data["source"] == ProjectSource.GIT.value:
            if not data.get("git_url"):
                raise ValidationError("Give the address of the repository.", "git_url")
            return
        wrong = sorted(data.keys() - {"source", "name", "description"})
        if wrong:
            raise ValidationError("Only a project from git has this.", wrong[0])


class AcceptKeySchema(Strict):
    """POST /playbook-projects/{uuid}/host-key: the key that a person compared."""

    fingerprint = fields.String(
        required=True,
        validate=validate.Regexp(r"SHA256:[A-Za-z0-9+/]{43}\Z"),
        metadata={"example": "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"},
    )


class AdoptPlaybooksSchema(Strict):
    """POST /playbook-projects/{uuid}/playbooks: files to make playbooks of."""

    paths = fields.List(
        text(1, 500), required=True, validate=validate.Length(1, 500), metadata={"example": ["site.yml"]}
    )


class ArchiveQuery(Strict):
    """PUT /playbook-projects/{uuid}/archive: what the archive means."""

    mode = fields.String(
        load_default="replace",
        validate=validate.OneOf(["replace", "add"]),
        metadata={"description": "replace: the archive is everything; add: the other files stay"},
    )
    strip_folder = fields.Boolean(load_default=False, metadata={"description": "Drop the outermost folder."})


class ArchiveCountsSchema(Schema):
    """What an archive changed."""

    files = fields.Integer()
    bytes = fields.Integer()
    added = fields.Integer()
    changed = fields.Integer()
    removed = fields.Integer()
    entries = fields.Integer(metadata={"description": "Playbooks found"})
    playbooks_changed = fields.Integer(metadata={"description": "Playbooks that need a new approval"})
    playbooks_missing = fields.Integer(metadata={"description": "Playbooks whose file is gone"})


class SyncSchema(Schema):
    """A sync as lists show it."""

    id = fields.Integer()
    uuid = fields.UUID()
    reason = fields.String(metadata={"description": "request, change or launch"})
    status = fields.String()
    worker = fields.String(allow_none=True)
    commit_hash = fields.String(allow_none=True)
    revision_id = fields.Integer(allow_none=True)
    counts = fields.Dict(keys=fields.String(), allow_none=True)
    error_code = fields.String(allow_none=True)
    error_message = fields.String(allow_none=True)
    created_at = fields.AwareDateTime(format="iso")
    started_at = fields.AwareDateTime(format="iso", allow_none=True)
    finished_at = fields.AwareDateTime(format="iso", allow_none=True)


class SyncWithLogSchema(SyncSchema):
    """One sync with what it said."""

    log = fields.String(allow_none=True)


class OfferSchema(Schema):
    """A playbook file that was found in the newest revision."""

    path = fields.String()
    name = fields.String()
    hosts = fields.String()
    prompts = fields.List(fields.Dict(keys=fields.String()))
    playbook_id = fields.Integer(allow_none=True, metadata={"description": "The playbook made of it, null: none yet"})


def sync_json(sync: ProjectSync, *, with_log: bool = False) -> dict[str, Any]:
    """Return what SyncSchema or SyncWithLogSchema dumps."""
    shown = {name: getattr(sync, name) for name in SyncSchema().fields}
    shown["status"] = sync.status.value
    return {**shown, "log": sync.log} if with_log else shown


def offer_json(offer: Offer) -> dict[str, Any]:
    """Return what OfferSchema dumps."""
    playbook = offer.playbook if offer.playbook is not None and offer.playbook.is_active else None
    return {
        "path": offer.path,
        "name": offer.name,
        "hosts": offer.hosts,
        "prompts": list(offer.prompts),
        "playbook_id": playbook.id if playbook else None,
    }
