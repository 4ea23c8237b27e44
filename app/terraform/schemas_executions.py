"""Shapes of executions, files and variables of Terraform projects."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.jobs.status import JobStatus
from app.terraform.models_environment import TerraformEnvironment
from app.terraform.models_executions import ExecutionType, Review, TerraformExecution
from app.terraform.models_files import TerraformRevision
from app.terraform.models_variables import TerraformVariable
from app.terraform.queries_executions import ExecutionRow
from app.terraform.schemas_variable_rules import TerraformVariableRules
from app.terraform.service_executions import MAX_ADDRESS, MAX_ADDRESSES, ExecutionRequest
from app.terraform.variable_rules import rules_of

_ADDRESSES = validate.Length(max=MAX_ADDRESSES)
NUMBER = validate.Range(1, 2**31 - 1)


class TerraformExecutionCreate(Strict):
    """What terraform is asked to do. Applies are asked for by their plan."""

    execution_type = fields.String(
        load_default="plan", validate=validate.OneOf(["init", "plan", "refresh"]), metadata={"example": "plan"}
    )
    workspace = fields.String(load_default="default", validate=validate.Length(1, 90))
    is_destroy = fields.Boolean(load_default=False, metadata={"description": "Plan the end of everything."})
    is_refresh_only = fields.Boolean(load_default=False, metadata={"description": "Only look what changed outside."})
    is_speculative = fields.Boolean(
        load_default=False, metadata={"description": "Only for looking: cannot be applied, waits for nobody."}
    )
    targets = fields.List(fields.String(validate=validate.Length(1, MAX_ADDRESS)), load_default=[], validate=_ADDRESSES)
    replaces = fields.List(
        fields.String(validate=validate.Length(1, MAX_ADDRESS)), load_default=[], validate=_ADDRESSES
    )
    note = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=500))
    branch = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 200),
        metadata={"description": "Of a project from git; default: the project's.", "example": None},
    )


class TerraformReviewNote(Strict):
    """What somebody says when a plan is applied or discarded."""

    note = fields.String(
        load_default=None, allow_none=True, validate=validate.Length(max=500), metadata={"example": "As agreed"}
    )


class TerraformExecutionQuery(Strict):
    """Filters and paging of executions."""

    workspace = fields.String(validate=validate.Length(1, 90))
    execution_type = fields.Enum(ExecutionType, by_value=True)
    status = fields.Enum(JobStatus, by_value=True)
    review = fields.Enum(Review, by_value=True, metadata={"description": "What became of a plan."})
    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class TerraformChangesOut(Schema):
    """Numbers of a plan."""

    add = fields.Integer()
    change = fields.Integer()
    destroy = fields.Integer()
    imported = fields.Integer(data_key="import")
    drift = fields.Integer()
    outputs = fields.Integer()


class TerraformExecutionOut(Schema):
    """An execution; status, times and error are those of its job."""

    id = fields.String(metadata={"description": "Its UUID."})
    number = fields.Integer()
    project_id = fields.String()
    workspace = fields.String()
    execution_type = fields.String()
    status = fields.String()
    job_id = fields.String()
    plan_id = fields.String(allow_none=True, metadata={"description": "The plan that an apply carries out."})
    initiated_by = fields.Integer()
    is_destroy = fields.Boolean()
    is_refresh_only = fields.Boolean()
    is_speculative = fields.Boolean()
    targets = fields.List(fields.String())
    replaces = fields.List(fields.String())
    note = fields.String(allow_none=True)
    branch = fields.String(allow_none=True)
    review = fields.String()
    review_note = fields.String(allow_none=True)
    reviewed_by = fields.Integer(allow_none=True)
    reviewed_at = fields.String(allow_none=True)
    plan_hash = fields.String(allow_none=True)
    base_serial = fields.Integer(allow_none=True)
    changes_summary = fields.Nested(TerraformChangesOut, allow_none=True)
    started_at = fields.String(allow_none=True)
    completed_at = fields.String(allow_none=True)
    failure_code = fields.String(allow_none=True)
    error_message = fields.String(allow_none=True)
    created_at = fields.String()


class TerraformChangeOut(Schema):
    """What a plan does with one resource."""

    address = fields.String()
    kind = fields.String()
    type = fields.String()
    name = fields.String()
    module = fields.String()
    previous = fields.String(allow_none=True)
    odd_region = fields.String(
        allow_none=True, metadata={"description": "Its region, if the list that ships with the product has it not."}
    )
    missing_tags = fields.List(
        fields.String(), metadata={"description": "Tags that the project requires, and it will not have."}
    )


class TerraformPlanOut(Schema):
    """What a plan would do."""

    output = fields.String(allow_none=True, metadata={"description": "As terraform prints it, masked."})
    changes = fields.List(fields.Nested(TerraformChangeOut))
    required_tags = fields.List(fields.String(), metadata={"description": "By the project's policy of today."})
    tag_policy = fields.String()
    void_because = fields.String(allow_none=True, metadata={"description": "Why it cannot be applied any more."})


class TerraformFileSave(Strict):
    """One file's new text."""

    content = fields.String(
        required=True,
        validate=validate.Length(max=300_000),
        metadata={"example": 'resource "terraform_data" "first" {}\n'},
    )
    base = fields.UUID(metadata={"description": "The revision that the text was made from: a conflict is refused."})
    note = fields.String(validate=validate.Length(max=500))


class TerraformFileOut(Schema):
    """A file of the revision in force."""

    path = fields.String()
    size = fields.Integer()


class TerraformFilesOut(Schema):
    """The files in force."""

    revision = fields.String(allow_none=True)
    files = fields.List(fields.Nested(TerraformFileOut))


class TerraformProblemOut(Schema):
    """Something in the files that cannot be read or cannot work; ``file`` is empty when it is about the whole."""

    file = fields.String()
    line = fields.Integer(allow_none=True)
    reason = fields.String()


class TerraformRevisionOut(Schema):
    """One state of a project's files."""

    id = fields.String()
    number = fields.Integer()
    source = fields.String()
    manifest_hash = fields.String()
    file_count = fields.Integer()
    total_bytes = fields.Integer()
    note = fields.String(allow_none=True)
    commit_hash = fields.String(allow_none=True)
    commit_author = fields.String(allow_none=True)
    commit_date = fields.String(allow_none=True)
    commit_message = fields.String(allow_none=True)
    created_by = fields.Integer()
    created_at = fields.String()
    read_at = fields.String(allow_none=True, metadata={"description": "When what it declares was read; null: due."})
    problems = fields.List(fields.Nested(TerraformProblemOut))


class TerraformRevisionQuery(Strict):
    """Paging of revisions."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class TerraformEnvironmentSet(Strict):
    """A value for an environment variable."""

    value = fields.String(required=True, validate=validate.Length(1, 16_384), metadata={"example": "eu-central-1"})
    description = fields.String(load_default=None, allow_none=True, validate=validate.Length(max=500))
    sensitive = fields.Boolean(load_default=True, metadata={"description": "Encrypted, masked, never shown again."})


class TerraformEnvironmentOut(Schema):
    """An environment variable; the value of a sensitive one is null."""

    name = fields.String()
    value = fields.String(allow_none=True)
    sensitive = fields.Boolean()
    description = fields.String(allow_none=True)
    updated_at = fields.String()


class TerraformVariableFields(Strict):
    """What people set on a variable."""

    description = fields.String(allow_none=True, validate=validate.Length(max=1000))
    value = fields.Raw(metadata={"description": "Any JSON data.", "example": "eu-central-1"})
    sensitive = fields.Boolean(metadata={"description": "Stored encrypted, never shown, masked in logs."})
    rules = fields.Nested(TerraformVariableRules, allow_none=True, metadata={"example": None})


class TerraformVariableCreate(TerraformVariableFields):
    """A new value."""

    name = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "region"})
    value = fields.Raw(required=True, metadata={"description": "Any JSON data.", "example": "eu-central-1"})


class TerraformVariableEdit(TerraformVariableFields):
    """Changes; ``version`` is the one they were made from."""

    version = fields.Integer(strict=True, validate=NUMBER)


class TerraformVariableOut(Schema):
    """A variable; the value of a sensitive one is null."""

    id = fields.String()
    name = fields.String()
    description = fields.String(allow_none=True)
    value = fields.Raw(allow_none=True)
    sensitive = fields.Boolean()
    is_set = fields.Boolean(metadata={"description": "Whether it has a value here."})
    is_declared = fields.Boolean(metadata={"description": "Whether the files declare it."})
    is_required = fields.Boolean(metadata={"description": "Whether it is declared without a default."})
    type = fields.String(allow_none=True)
    default_value = fields.Raw(allow_none=True)
    rules = fields.Dict(metadata={"description": "What people set: pattern, min, max, min_length, max_length, one_of."})
    validation_rules = fields.List(fields.Dict(), metadata={"description": "Of the files, and of people."})
    updated_at = fields.String()
    version = fields.Integer()


def to_request(data: dict[str, Any]) -> ExecutionRequest:
    """Return loaded data as the service takes it."""
    return ExecutionRequest(**{**data, "execution_type": ExecutionType(data["execution_type"])})


def execution_data(row: ExecutionRow, project_uuid: str, plan: TerraformExecution | None = None) -> dict[str, Any]:
    """Return an execution as the API shows it."""
    execution, job = row.execution, row.job
    return {
        "id": execution.uuid,
        "number": execution.id,
        "project_id": project_uuid,
        "workspace": execution.workspace,
        "execution_type": execution.execution_type.value,
        "status": job.status.value,
        "job_id": job.job_id,
        "plan_id": plan.uuid if plan else None,
        "initiated_by": execution.initiated_by,
        "is_destroy": execution.is_destroy,
        "is_refresh_only": execution.is_refresh_only,
        "is_speculative": execution.is_speculative,
        "targets": execution.targets or [],
        "replaces": execution.replaces or [],
        "note": execution.note,
        "branch": execution.branch,
        "review": execution.review.value,
        "review_note": execution.review_note,
        "reviewed_by": execution.reviewed_by,
        "reviewed_at": iso(execution.reviewed_at),
        "plan_hash": execution.plan_hash,
        "base_serial": execution.base_serial,
        "changes_summary": _numbers(execution.changes_summary),
        "started_at": iso(job.started_at),
        "completed_at": iso(job.completed_at),
        "failure_code": job.failure_code,
        "error_message": job.error_message,
        "created_at": iso(execution.created_at),
    }


def _numbers(summary: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if summary is None else {("imported" if k == "import" else k): v for k, v in summary.items()}


def revision_data(revision: TerraformRevision) -> dict[str, Any]:
    """Return a revision as the API shows it."""
    return {
        "id": revision.uuid,
        "number": revision.id,
        "source": revision.source.value,
        "manifest_hash": revision.manifest_hash,
        "file_count": revision.file_count,
        "total_bytes": revision.total_bytes,
        "note": revision.note,
        "commit_hash": revision.commit_hash,
        "commit_author": revision.commit_author,
        "commit_date": iso(revision.commit_date),
        "commit_message": revision.commit_message,
        "created_by": revision.created_by,
        "created_at": iso(revision.created_at),
        "read_at": iso(revision.read_at),
        "problems": revision.problems or [],
    }


def variable_data(variable: TerraformVariable) -> dict[str, Any]:
    """Return a variable as the API shows it."""
    return {
        "id": variable.uuid,
        "name": variable.name,
        "description": variable.description,
        "value": variable.value,
        "sensitive": variable.sensitive,
        "is_set": variable.is_set,
        "is_declared": variable.is_declared,
        "is_required": variable.is_required,
        "type": variable.type,
        "default_value": None if variable.sensitive else variable.default_value,
        "rules": rules_of(variable),
        "validation_rules": variable.validation_rules or [],
        "updated_at": iso(variable.updated_at),
        "version": variable.version,
    }


def environment_data(row: TerraformEnvironment) -> dict[str, Any]:
    """Return an environment variable as the API shows it."""
    return {
        "name": row.name,
        "value": row.value,
        "sensitive": row.sensitive,
        "description": row.description,
        "updated_at": iso(row.updated_at),
    }
