"""Shapes of Terraform projects, workspaces and state versions, shared by the REST API and the forms."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.sources.git_address import MAX_URL
from app.sources.git_fields import MAX_SECRET, offered_keys
from app.sources.models import CredentialKind
from app.terraform import queries
from app.terraform.models import ApplyPolicy, Binary, ProjectSource, TagPolicy, TerraformProject
from app.terraform.models_git import GitBranch
from app.terraform.models_state import TerraformStateFile
from app.terraform.state_document import Difference
from app.terraform.tag_policy import DEFAULT_TAGS

NUMBER = validate.Range(1, 2**31 - 1)


class TerraformProjectFields(Strict):
    """What people set on a project."""

    name = fields.String(validate=validate.Length(1, 200), metadata={"example": "network"})
    description = fields.String(validate=validate.Length(max=10_000), allow_none=True)
    program = fields.Enum(Binary, by_value=True)
    terraform_version = fields.String(
        validate=validate.Length(1, 20),
        metadata={"example": "1.11.4", "description": "Of the program; default: the newest that a worker has."},
    )
    working_directory = fields.String(
        validate=validate.Length(max=255), metadata={"description": "Folder that holds the configuration; empty: all."}
    )
    apply_policy = fields.Enum(
        ApplyPolicy, by_value=True, metadata={"description": "Whether plans are applied by themselves."}
    )
    is_destroy_protected = fields.Boolean(metadata={"description": "Nothing may be destroyed or replaced."})
    timeout_seconds = fields.Integer(strict=True, allow_none=True, validate=validate.Range(1, 10_000_000))
    required_tags = fields.List(
        fields.String(validate=validate.Length(1, 128)),
        allow_none=True,
        validate=validate.Length(max=20),
        metadata={"description": "Tags that every resource has; null: Environment and Project.", "example": ["Owner"]},
    )
    tag_policy = fields.Enum(
        TagPolicy, by_value=True, metadata={"description": "What missing tags do: nothing, a warning, or a refusal."}
    )
    source = fields.Enum(
        ProjectSource, by_value=True, metadata={"description": "files: uploads and the editor; git: read at each run."}
    )
    git_repository_url = fields.String(
        validate=validate.Length(max=MAX_URL),
        allow_none=True,
        metadata={"description": "https or ssh; another host drops credential and host keys."},
    )
    git_branch = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "Read unless a plan names another."}
    )
    credential_kind = fields.String(validate=validate.OneOf([kind.value for kind in CredentialKind]))
    credential_user = fields.String(
        validate=validate.Length(max=100), allow_none=True, metadata={"description": "User beside a token."}
    )
    credential_secret = fields.String(
        validate=validate.Length(max=MAX_SECRET),
        allow_none=True,
        load_only=True,
        metadata={
            "description": "Private ssh key or token. Write-only: stored encrypted, never given out.",
            "example": None,
        },
    )


class TerraformProjectCreate(TerraformProjectFields):
    """A new project."""

    name = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "network"})


class TerraformProjectEdit(TerraformProjectFields):
    """Changes; ``version`` is the one they were made from (If-Match says the same)."""

    is_active = fields.Boolean(metadata={"description": "False takes it out of use; its states stay."})
    version = fields.Integer(
        strict=True, validate=NUMBER, metadata={"description": "Refused with 409 when not the row's."}
    )


class TerraformProjectQuery(Strict):
    """Filters, order and paging of the list."""

    q = fields.String(validate=validate.Length(max=200), metadata={"description": "Part of the name."})
    is_active = fields.Boolean(metadata={"description": "Default: those in use."})
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))
    sort = sort_field("name", "created")


class StateVersionQuery(Strict):
    """Filter and paging of versions."""

    branch = fields.String(
        validate=validate.Length(1, 200), metadata={"description": "Only those that runs of this branch wrote."}
    )
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class StateCompareQuery(Strict):
    """Which two versions."""

    before = fields.Integer(required=True, validate=NUMBER, metadata={"example": 1})
    after = fields.Integer(required=True, validate=NUMBER, metadata={"example": 2})


class TerraformHostKeyOut(Schema):
    """An ssh host key that a repository's host showed."""

    key_type = fields.String()
    fingerprint = fields.String()


class TerraformAcceptKey(Strict):
    """The key that a person compared."""

    fingerprint = fields.String(
        required=True,
        validate=validate.Regexp(r"SHA256:[A-Za-z0-9+/]{43}\Z"),
        metadata={"example": "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"},
    )


class TerraformBranchOut(Schema):
    """A branch that was read, or is the default one."""

    id = fields.String()
    name = fields.String()
    is_default = fields.Boolean()
    last_commit_hash = fields.String(allow_none=True)
    last_commit_message = fields.String(allow_none=True)
    last_commit_author = fields.String(allow_none=True)
    last_commit_date = fields.String(allow_none=True)
    created_at = fields.String()
    updated_at = fields.String()


class TerraformProjectOut(Schema):
    """A project."""

    id = fields.String(metadata={"description": "Its UUID."})
    number = fields.Integer()
    name = fields.String()
    description = fields.String(allow_none=True)
    program = fields.String()
    terraform_version = fields.String()
    working_directory = fields.String()
    apply_policy = fields.String()
    is_destroy_protected = fields.Boolean()
    timeout_seconds = fields.Integer(allow_none=True)
    required_tags = fields.List(fields.String())
    tag_policy = fields.String()
    metadata = fields.Dict(metadata={"description": "How the graph shows it."})
    source = fields.String()
    git_repository_url = fields.String(allow_none=True)
    git_branch = fields.String()
    git_commit_hash = fields.String(allow_none=True, metadata={"description": "Newest of that branch that was read."})
    credential_kind = fields.String(metadata={"description": "none, ssh_key or token; the secret is never shown."})
    credential_user = fields.String(allow_none=True)
    offered_host_keys = fields.List(
        fields.Nested(TerraformHostKeyOut), metadata={"description": "ssh host keys that nobody has accepted yet."}
    )
    has_files = fields.Boolean()
    is_active = fields.Boolean()
    owner_id = fields.Integer()
    created_at = fields.String()
    updated_at = fields.String()
    version = fields.Integer()


class StateLockOut(Schema):
    """Who holds a state's lock."""

    lock_id = fields.String()
    who = fields.String()
    operation = fields.String()
    info = fields.String()
    version = fields.String()
    acquired_at = fields.AwareDateTime()
    run_uuid = fields.String(allow_none=True)


class WorkspaceOut(Schema):
    """A workspace: what its newest state says."""

    workspace = fields.String()
    serial = fields.Integer(allow_none=True)
    lineage = fields.String(allow_none=True)
    state_version = fields.Integer(allow_none=True)
    resources_count = fields.Integer()
    terraform_version = fields.String(allow_none=True)
    state_file_hash = fields.String(allow_none=True)
    last_updated = fields.String(allow_none=True)
    backend = fields.String(metadata={"description": "platform, or where else it lives: s3, local."})
    backend_location = fields.String(allow_none=True)
    read_at = fields.String(allow_none=True, metadata={"description": "Last try to read it elsewhere."})
    read_error = fields.String(allow_none=True, metadata={"description": "Why that failed."})
    lock = fields.Nested(StateLockOut, allow_none=True)


class StateVersionOut(Schema):
    """A version of a state, without its content."""

    version = fields.Integer()
    serial = fields.Integer()
    lineage = fields.String()
    terraform_version = fields.String()
    resources_count = fields.Integer()
    size = fields.Integer()
    sha256 = fields.String()
    source = fields.String()
    created_by = fields.Integer(allow_none=True)
    run_uuid = fields.String(allow_none=True)
    branch = fields.String(allow_none=True, metadata={"description": "Of the run that wrote it, with git."})
    read_from = fields.String(allow_none=True, metadata={"description": "The place elsewhere that it was read at."})
    created_at = fields.String()


class StateOutputQuery(Strict):
    """Whether sensitive values are wanted."""

    sensitive = fields.Boolean(
        load_default=False, metadata={"description": "Show them, too: needs terraform_state:read, and is audited."}
    )


class StateOutputOut(Schema):
    """An output of the root module."""

    name = fields.String()
    value = fields.Raw(allow_none=True)
    type = fields.Raw(allow_none=True)
    sensitive = fields.Boolean()
    reference = fields.String(metadata={"description": "Stands for it in the extra_vars of a launch."})


class StateDifferenceOut(Schema):
    """An address that differs between two versions."""

    address = fields.String()
    kind = fields.String()
    attributes = fields.Dict(metadata={"description": "name: [before, after]; sensitive values are hidden."})


def project_data(project: TerraformProject) -> dict[str, Any]:
    """Return a project as the API shows it."""
    return {
        "id": project.uuid,
        "number": project.id,
        "name": project.name,
        "description": project.description,
        "program": project.program.value,
        "terraform_version": project.terraform_version,
        "working_directory": project.working_directory,
        "apply_policy": project.apply_policy.value,
        "is_destroy_protected": project.is_destroy_protected,
        "timeout_seconds": project.timeout_seconds,
        "required_tags": list(DEFAULT_TAGS if project.required_tags is None else project.required_tags),
        "tag_policy": project.tag_policy.value,
        "metadata": project.metadata_ or {},
        "source": project.source.value,
        "git_repository_url": project.git_repository_url,
        "git_branch": project.git_branch,
        "git_commit_hash": project.git_commit_hash,
        "credential_kind": project.credential_kind,
        "credential_user": project.credential_user,
        "offered_host_keys": [
            {"key_type": key.key_type, "fingerprint": key.fingerprint} for key in offered_keys(project)
        ],
        "has_files": project.revision_id is not None,
        "is_active": project.is_active,
        "owner_id": project.user_id,
        "created_at": iso(project.created_at),
        "updated_at": iso(project.updated_at),
        "version": project.version,
    }


def branch_data(branch: GitBranch) -> dict[str, Any]:
    """Return a branch as the API shows it."""
    return {
        "id": branch.uuid,
        "name": branch.name,
        "is_default": branch.is_default,
        "last_commit_hash": branch.last_commit_hash,
        "last_commit_message": branch.last_commit_message,
        "last_commit_author": branch.last_commit_author,
        "last_commit_date": iso(branch.last_commit_date),
        "created_at": iso(branch.created_at),
        "updated_at": iso(branch.updated_at),
    }


def workspace_data(found: queries.Workspace) -> dict[str, Any]:
    """Return a workspace as the API shows it."""
    state = found.state
    return {
        "workspace": state.workspace,
        "serial": state.serial,
        "lineage": state.lineage,
        "state_version": state.state_version or None,
        "resources_count": state.resources_count,
        "terraform_version": state.terraform_version,
        "state_file_hash": state.state_file_hash,
        "last_updated": iso(state.last_updated),
        "backend": state.backend,
        "backend_location": state.backend_location,
        "read_at": iso(state.read_at),
        "read_error": state.read_error,
        "lock": queries.lock_data(found.lock),
    }


def version_data(file: TerraformStateFile, branch: str | None = None) -> dict[str, Any]:
    """Return a version of a state as the API shows it; ``branch`` is the name of its branch."""
    return {
        "version": file.version,
        "serial": file.serial,
        "lineage": file.lineage,
        "terraform_version": file.terraform_version,
        "resources_count": file.resources_count,
        "size": file.size,
        "sha256": file.sha256,
        "source": file.source.value,
        "created_by": file.created_by,
        "run_uuid": file.run_uuid,
        "branch": branch,
        "read_from": file.read_from,
        "created_at": iso(file.created_at),
    }


def difference_data(found: Difference) -> dict[str, Any]:
    """Return a difference as the API shows it."""
    return {
        "address": found.address,
        "kind": found.kind.value,
        "attributes": {name: list(pair) for name, pair in found.attributes.items()},
    }
