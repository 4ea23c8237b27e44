"""Shapes of what a project's files declare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.terraform.models_configuration import TerraformOutput, TerraformProvider, TerraformResource
from app.terraform.models_modules import TerraformModule
from app.terraform.queries_configuration import Edge, Needed


class TerraformConfigurationPaging(Strict):
    """Paging."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class TerraformOutputQuery(TerraformConfigurationPaging):
    """Filters and paging of outputs."""

    module = fields.String(
        validate=validate.Length(1, 700), metadata={"description": "Address of a module, or root.", "example": "root"}
    )


class TerraformResourceQuery(TerraformOutputQuery):
    """Filters and paging of resources."""

    q = fields.String(validate=validate.Length(max=200), metadata={"description": "Part of the address."})
    resource_type = fields.String(validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    is_data = fields.Boolean(metadata={"description": "Data sources, or managed resources."})
    is_missing = fields.Boolean(metadata={"description": "Those that the files declare no more, or those they do."})


class TerraformResourceOut(Schema):
    """A resource as the files declare it, before count and for_each."""

    id = fields.String(metadata={"description": "Its UUID."})
    address = fields.String()
    resource_type = fields.String()
    resource_name = fields.String()
    is_data = fields.Boolean()
    module = fields.String(allow_none=True, metadata={"description": "Address of its module; null: the root."})
    status = fields.String()
    state_id = fields.String(allow_none=True)
    file = fields.String(allow_none=True)
    line = fields.Integer(allow_none=True)
    metadata = fields.Dict()
    missing_since = fields.String(allow_none=True, metadata={"description": "When it was first found no more."})
    created_at = fields.String()
    updated_at = fields.String()


class TerraformNeededOut(Schema):
    """The other end of a dependency."""

    id = fields.String()
    address = fields.String()
    dependency_type = fields.String()


class TerraformResourceDetailOut(TerraformResourceOut):
    """A resource with its arguments and its dependencies both ways."""

    provider = fields.String(allow_none=True)
    configuration = fields.Dict(metadata={"description": "Its arguments in JSON syntax, expressions in ${}."})
    needs = fields.List(fields.Nested(TerraformNeededOut))
    needed_by = fields.List(fields.Nested(TerraformNeededOut))


class TerraformModuleOut(Schema):
    """A module call."""

    id = fields.String()
    address = fields.String()
    name = fields.String()
    parent = fields.String(allow_none=True)
    source = fields.String()
    version = fields.String(allow_none=True)
    path = fields.String(metadata={"description": "Folder of a local module; empty for one that is fetched."})
    metadata = fields.Dict()
    missing_since = fields.String(allow_none=True)


class TerraformProviderOut(Schema):
    """A provider."""

    id = fields.String()
    name = fields.String()
    alias = fields.String()
    version = fields.String(allow_none=True)
    region = fields.String(allow_none=True)
    configuration = fields.Dict()
    missing_since = fields.String(allow_none=True)


class TerraformOutputOut(Schema):
    """A declared output; the value of a sensitive one is null."""

    id = fields.String()
    name = fields.String()
    module = fields.String(allow_none=True)
    description = fields.String(allow_none=True)
    value = fields.Raw(allow_none=True)
    sensitive = fields.Boolean()
    missing_since = fields.String(allow_none=True)


class TerraformDependencyOut(Schema):
    """``from`` needs ``to``."""

    id = fields.String()
    from_id = fields.String()
    from_address = fields.String()
    to_id = fields.String()
    to_address = fields.String()
    dependency_type = fields.String()


def resource_data(row: TerraformResource, modules: Mapping[int, str]) -> dict[str, Any]:
    """Return a resource as the API lists it."""
    return {
        "id": row.uuid,
        "address": row.terraform_address,
        "resource_type": row.resource_type,
        "resource_name": row.resource_name,
        "is_data": row.is_data,
        "module": _module(row.module_id, modules),
        "status": row.status.value,
        "state_id": row.state_id,
        "file": row.file_path,
        "line": row.line,
        "metadata": row.metadata_ or {},
        "missing_since": iso(row.missing_since),
        "created_at": iso(row.created_at),
        "updated_at": iso(row.updated_at),
    }


def resource_detail(
    row: TerraformResource,
    modules: Mapping[int, str],
    provider: TerraformProvider | None,
    needs: Sequence[Needed],
    needed_by: Sequence[Needed],
) -> dict[str, Any]:
    """Return one resource as the API shows it."""
    return {
        **resource_data(row, modules),
        "provider": provider_name(provider),
        "configuration": row.configuration or {},
        "needs": [_needed(one) for one in needs],
        "needed_by": [_needed(one) for one in needed_by],
    }


def provider_name(provider: TerraformProvider | None) -> str | None:
    """Return a provider as configurations name it: aws, or aws.west."""
    if provider is None:
        return None
    return f"{provider.name}.{provider.alias}" if provider.alias else provider.name


def _needed(one: Needed) -> dict[str, Any]:
    return {
        "id": one.resource.uuid,
        "address": one.resource.terraform_address,
        "dependency_type": one.dependency_type,
    }


def _module(module_id: int | None, modules: Mapping[int, str]) -> str | None:
    return None if module_id is None else modules.get(module_id)


def module_data(row: TerraformModule, modules: Mapping[int, str]) -> dict[str, Any]:
    """Return a module call as the API shows it."""
    return {
        "id": row.uuid,
        "address": row.terraform_address,
        "name": row.name,
        "parent": _module(row.parent_module_id, modules),
        "source": row.source,
        "version": row.version,
        "path": row.path,
        "metadata": row.metadata_ or {},
        "missing_since": iso(row.missing_since),
    }


def provider_data(row: TerraformProvider) -> dict[str, Any]:
    """Return a provider as the API shows it."""
    return {
        "id": row.uuid,
        "name": row.name,
        "alias": row.alias,
        "version": row.version,
        "region": row.region,
        "configuration": row.configuration or {},
        "missing_since": iso(row.missing_since),
    }


def output_data(row: TerraformOutput, modules: Mapping[int, str]) -> dict[str, Any]:
    """Return an output as the API shows it."""
    return {
        "id": row.uuid,
        "name": row.name,
        "module": _module(row.module_id, modules),
        "description": row.description,
        "value": None if row.sensitive else row.value,
        "sensitive": row.sensitive,
        "missing_since": iso(row.missing_since),
    }


def dependency_data(edge: Edge) -> dict[str, Any]:
    """Return a dependency as the API shows it."""
    return {
        "id": edge.dependency.uuid,
        "from_id": edge.source.uuid,
        "from_address": edge.source.terraform_address,
        "to_id": edge.target.uuid,
        "to_address": edge.target.terraform_address,
        "dependency_type": edge.dependency.dependency_type.value,
    }
