"""Shapes that the web pages and the REST API share. Unknown fields are refused everywhere."""

from __future__ import annotations

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.core.yaml_gate import MAX_BYTES
from app.playbooks.launch_options import OPTIONS, LaunchOptions, options_from
from app.playbooks.models import Playbook
from app.playbooks.patterns import CHARACTERS, PATTERNS
from app.playbooks.targets import NOTHING_CHOSEN, Selection

MAX_ID = 2**31 - 1  # INT


def _clean(text: str) -> None:
    if "\x00" in text or any(0xD800 <= ord(character) <= 0xDFFF for character in text):
        raise ValidationError("This holds characters that are not text.")


def text(minimum: int, maximum: int, **kw: Any) -> fields.String:
    """Return a text field of ``minimum`` to ``maximum`` characters without NUL or half characters."""
    return fields.String(validate=[validate.Length(minimum, maximum), _clean], **kw)


def identifier(**kw: Any) -> fields.Integer:
    """Return a field for an integer primary key; text and floats are refused."""
    return fields.Integer(strict=True, validate=validate.Range(1, MAX_ID), **kw)


class PageQuery(Strict):
    """Paging of lists."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, MAX_ID))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(load_default=None, validate=validate.Range(0, 2**63 - 1))


class PlaybookQuery(PageQuery):
    """Filters of GET /playbooks."""

    q = text(0, 100, load_default=None)
    active = fields.Boolean(load_default=True, metadata={"description": "false lists deactivated playbooks."})
    project_id = fields.Integer(load_default=None, validate=validate.Range(1, MAX_ID))
    tag = text(0, 50, load_default=None)
    approved = fields.Boolean(load_default=None, metadata={"description": "Whether the present content may run."})
    sort = sort_field("id", "name")


class VariableSpecSchema(Strict):
    """One declared variable."""

    name = fields.String(required=True, validate=validate.Length(1, 100))
    type = fields.String(load_default="text")
    label = fields.String()
    description = fields.String()
    required = fields.Boolean()
    default = fields.Raw(allow_none=True)
    choices = fields.List(fields.String())
    minimum = fields.Float(allow_none=True)
    maximum = fields.Float(allow_none=True)
    integer = fields.Boolean()
    pattern = fields.String(metadata={"enum": list(PATTERNS)})
    min_length = fields.Integer(allow_none=True)
    max_length = fields.Integer(allow_none=True)
    characters = fields.List(fields.String(metadata={"enum": list(CHARACTERS)}))
    multiline = fields.Boolean(metadata={"description": "Text with line breaks."})
    multiple = fields.Boolean(metadata={"description": "A list of servers."})


class EditSchema(Strict):
    """What PATCH /playbooks/{id} and the edit form may change; only what is given changes."""

    name = text(1, 255)
    description = text(0, 5000, allow_none=True)
    tags = fields.List(text(1, 50), validate=validate.Length(max=20))
    variable_specs = fields.List(fields.Raw(), validate=validate.Length(max=100))
    variables = fields.Dict(keys=fields.String())
    shares_servers = fields.Boolean()
    timeout_seconds = fields.Integer(allow_none=True, strict=True)
    is_active = fields.Boolean()
    version = fields.Integer(strict=True, load_default=None, metadata={"description": "The version you read."})


class UploadSchema(Strict):
    """POST /playbooks: one file as text, with what is declared about it."""

    name = text(1, 255, required=True)
    file_name = text(1, 500, required=True, metadata={"description": "Path inside its project, e.g. site.yml"})
    content = fields.String(required=True, validate=validate.Length(max=MAX_BYTES))
    description = text(0, 5000, load_default=None, allow_none=True)
    tags = fields.List(text(1, 50), load_default=list, validate=validate.Length(max=20))
    variable_specs = fields.List(fields.Raw(), load_default=list, validate=validate.Length(max=100))
    variables = fields.Dict(keys=fields.String(), load_default=dict)
    shares_servers = fields.Boolean(load_default=False)
    timeout_seconds = fields.Integer(load_default=None, allow_none=True, strict=True)


class ContentSchema(Strict):
    """PUT /playbooks/{id}/content: the new text."""

    content = fields.String(required=True, validate=validate.Length(max=MAX_BYTES))
    version = fields.Integer(strict=True, load_default=None)


class ApproveSchema(Strict):
    """POST /playbooks/{id}/approve: which content was read."""

    manifest_hash = fields.String(
        load_default=None, validate=validate.Regexp(r"[0-9a-f]{64}\Z"), metadata={"description": "What you read."}
    )


class SelectionFields(Strict):
    """Which servers: those named, those with a tag, those of an environment; narrowed by host names."""

    server_ids = fields.List(identifier(), load_default=list, validate=validate.Length(max=10_000))
    group = text(
        1,
        100,
        load_default=None,
        allow_none=True,
        metadata={"description": "Servers of this group (name or uuid), nested ones too.", "example": "web"},
    )
    groups = fields.List(
        text(1, 100),
        load_default=list,
        validate=validate.Length(max=50),
        metadata={"description": "Several groups, as group.", "example": ["web", "db"]},
    )
    server_tags = fields.List(
        text(1, 50),
        load_default=list,
        validate=validate.Length(max=50),
        metadata={"description": "Servers with any of these tags."},
    )
    environment = text(1, 50, load_default=None, allow_none=True)
    limit = text(
        0,
        2000,
        load_default=None,
        allow_none=True,
        metadata={"description": "Narrows by names of hosts and groups: web-*,!web-3,&live"},
    )


class OptionFields(Strict):
    """How to run. None of them has a default here: what is left out is not changed."""

    check = fields.Boolean()
    diff = fields.Boolean()
    tags = fields.List(fields.String(), metadata={"description": "Ansible's --tags"})
    skip_tags = fields.List(fields.String(), metadata={"description": "Ansible's --skip-tags"})
    forks = fields.Integer(strict=True)
    verbosity = fields.Integer(strict=True)
    timeout_seconds = fields.Integer(strict=True, allow_none=True)


class NewLaunchSchema(SelectionFields, OptionFields):
    """POST /launches and the launch form."""

    playbook_id = identifier(required=True)
    extra_vars = fields.Dict(keys=fields.String(), load_default=dict)

    @validates_schema(skip_on_field_errors=True)
    def _something_chosen(self, data: dict[str, Any], **_kw: Any) -> None:
        if to_selection(data).is_empty:
            raise ValidationError(NOTHING_CHOSEN, "server_ids")


class NewJobSchema(Strict):
    """POST /jobs: one playbook on one server."""

    playbook_id = identifier(required=True)
    server_id = identifier(required=True)
    extra_vars = fields.Dict(keys=fields.String(), load_default=dict)
    check = fields.Boolean(load_default=False)
    diff = fields.Boolean(load_default=False)
    timeout_seconds = fields.Integer(strict=True, load_default=None, allow_none=True)


class RelaunchSchema(OptionFields, SelectionFields):
    """POST /launches/{uuid}/relaunch: which servers, and what differs this time."""

    # Not an attribute in the end: marshmallow takes declared fields away from the class.
    only = fields.String(  # type: ignore[assignment]
        load_default="all",
        validate=validate.OneOf(["failed", "all"]),
        metadata={"description": "Which of its servers, unless others are named."},
    )
    extra_vars = fields.Dict(
        keys=fields.String(),
        metadata={
            "description": "Merged over the old values; secrets left out are kept.",
            "example": {"release": "1.3"},
        },
    )


def relaunch_changes(data: dict[str, Any]) -> tuple[dict[str, Any], Selection]:
    """Return the changed inputs of loaded RelaunchSchema data, and other servers if they are named."""
    names = {*OPTIONS, "extra_vars"}
    return {name: value for name, value in data.items() if name in names}, to_selection(data)


def to_selection(data: dict[str, Any]) -> Selection:
    """Return the selection of loaded NewLaunchSchema data."""
    return Selection(
        server_ids=tuple(dict.fromkeys(data["server_ids"])),
        groups=tuple(dict.fromkeys([*data["groups"], *([data["group"]] if data["group"] else [])])),
        tags=tuple(data["server_tags"]),
        environment=data["environment"] or None,
        limit=data["limit"] or None,
    )


def to_options(data: dict[str, Any]) -> LaunchOptions:
    """Return the options of loaded NewLaunchSchema or NewJobSchema data."""
    return options_from(data, data["extra_vars"])


class PlaybookSchema(Schema):
    """A playbook as the API shows it."""

    id = fields.Integer()
    name = fields.String()
    description = fields.String(allow_none=True)
    project_id = fields.Integer()
    file_path = fields.String()
    file_hash = fields.String()
    manifest_hash = fields.String()
    tags = fields.List(fields.String())
    variables = fields.Dict(keys=fields.String())
    variable_specs = fields.List(fields.Nested(VariableSpecSchema))
    is_active = fields.Boolean()
    is_approved = fields.Boolean(metadata={"description": "Whether the present content may be launched."})
    shares_servers = fields.Boolean()
    timeout_seconds = fields.Integer(allow_none=True)
    version = fields.Integer()
    created_at = fields.AwareDateTime(format="iso")
    updated_at = fields.AwareDateTime(format="iso")


class SourceSchema(Schema):
    """A playbook's text, and what changed since it was approved."""

    content = fields.String()
    file_path = fields.String()
    file_hash = fields.String()
    manifest_hash = fields.String()
    is_approved = fields.Boolean()
    diff = fields.List(
        fields.String(), metadata={"description": "Unified diff of the file to the content approved last."}
    )
    changed_files = fields.List(
        fields.String(), metadata={"description": "Every file of the project that differs from it."}
    )


def playbook_json(playbook: Playbook, *, is_approved: bool) -> dict[str, Any]:
    """Return what PlaybookSchema dumps."""
    names = (
        *("id", "name", "description", "project_id", "file_path", "file_hash", "manifest_hash", "is_active"),
        *("shares_servers", "timeout_seconds", "version", "created_at", "updated_at"),
    )
    return {
        **{name: getattr(playbook, name) for name in names},
        "tags": playbook.tags or [],
        "variables": playbook.variables or {},
        "variable_specs": playbook.variable_specs or [],
        "is_approved": is_approved,
    }
