"""Shapes of rules, and of the servers that resources became."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.terraform.models_servers import TerraformServerRule
from app.terraform.queries_servers import Made

_TEXT = validate.Length(max=500)


class TerraformRuleFields(Strict):
    """What people set on a rule. Texts hold attributes of the resource in braces."""

    hostname = fields.String(validate=_TEXT, metadata={"example": "{tags.Name}"})
    ip_address = fields.String(validate=_TEXT, metadata={"example": "{private_ip}"})
    ssh_user = fields.String(validate=_TEXT, metadata={"example": "admin"})
    ssh_port = fields.String(validate=_TEXT, metadata={"example": "22"})
    ssh_key_path = fields.String(allow_none=True, validate=_TEXT)
    python_interpreter = fields.String(allow_none=True, validate=validate.Length(max=255))
    environment = fields.String(allow_none=True, validate=_TEXT, metadata={"example": "{resource.workspace}"})
    tags = fields.List(fields.String(validate=validate.Length(1, 200)), validate=validate.Length(max=20))
    become = fields.Boolean()
    trusts_first_key = fields.Boolean(
        metadata={"description": "Accept the first ssh host key of a machine that an apply has just made."}
    )
    bootstrap_uuid = fields.UUID(
        allow_none=True, metadata={"description": "Saved launch that runs once on each new server."}
    )


class TerraformRuleCreate(TerraformRuleFields):
    """A new rule."""

    resource_type = fields.String(required=True, validate=validate.Length(1, 200), metadata={"example": "aws_instance"})
    hostname = fields.String(required=True, validate=_TEXT, metadata={"example": "{tags.Name}"})
    ip_address = fields.String(required=True, validate=_TEXT, metadata={"example": "{private_ip}"})


class TerraformRuleEdit(TerraformRuleFields):
    """Changes; ``version`` is the one they were made from."""

    version = fields.Integer(strict=True, validate=validate.Range(1, 2**31 - 1))


class TerraformSync(Strict):
    """Which workspace's servers are brought up to date."""

    workspace = fields.String(load_default="default", validate=validate.Length(1, 90), metadata={"example": "default"})


class TerraformSyncOut(Schema):
    """What was done."""

    made = fields.Integer()
    changed = fields.Integer()
    left = fields.Integer()
    problems = fields.Integer()


class TerraformMadeQuery(Strict):
    """Paging."""

    page = fields.Integer(load_default=1, validate=validate.Range(1, 1_000_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=validate.Range(0, 2**31 - 1))


class TerraformRuleOut(Schema):
    """A rule."""

    id = fields.String()
    resource_type = fields.String()
    hostname = fields.String()
    ip_address = fields.String()
    ssh_user = fields.String()
    ssh_port = fields.String()
    ssh_key_path = fields.String(allow_none=True)
    python_interpreter = fields.String(allow_none=True)
    environment = fields.String(allow_none=True)
    tags = fields.List(fields.String())
    become = fields.Boolean()
    trusts_first_key = fields.Boolean()
    bootstrap_uuid = fields.String(allow_none=True)
    updated_at = fields.String()
    version = fields.Integer()


class TerraformMadeOut(Schema):
    """What a resource became."""

    address = fields.String()
    workspace = fields.String()
    server_id = fields.Integer(allow_none=True)
    hostname = fields.String(allow_none=True)
    is_active = fields.Boolean(allow_none=True)
    problem = fields.String(allow_none=True)
    bootstrap = fields.String()
    bootstrap_note = fields.String(allow_none=True)
    launch_id = fields.String(allow_none=True)
    execution_id = fields.String(allow_none=True)


def rule_data(rule: TerraformServerRule) -> dict[str, Any]:
    """Return a rule as the API shows it."""
    names = ("resource_type", "hostname", "ip_address", "ssh_user", "ssh_port", "ssh_key_path")
    flags = ("python_interpreter", "environment", "become", "trusts_first_key", "bootstrap_uuid", "version")
    return {
        "id": rule.uuid,
        **{name: getattr(rule, name) for name in (*names, *flags)},
        "tags": rule.tags or [],
        "updated_at": iso(rule.updated_at),
    }


def made_data(made: Made) -> dict[str, Any]:
    """Return a resource's server as the API shows it."""
    link, server = made.link, made.server
    return {
        "address": link.address,
        "workspace": made.workspace,
        "server_id": link.server_id,
        "hostname": server.hostname if server else None,
        "is_active": server.is_active if server else None,
        "problem": link.problem,
        "bootstrap": link.bootstrap.value,
        "bootstrap_note": link.bootstrap_note,
        "launch_id": link.launch_uuid,
        "execution_id": link.execution_uuid,
    }
