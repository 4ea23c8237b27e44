"""Shapes of importing and exporting inventories."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, validate

from app.core.schemas import Schema, Strict
from app.inventory.import_report import Done, ImportReport, Row
from app.inventory.inventory_files import MAXIMUM_BYTES

EXAMPLE = "[web]\nweb[01:03].example.org ansible_user=deploy\n\n[web:vars]\nhttp_port=8080\n"


class ImportOptions(Strict):
    """How to import; the page and the API share it."""

    format = fields.String(
        load_default="auto",
        validate=validate.OneOf(("auto", "ini", "yaml")),
        metadata={"description": "auto tells by the text."},
    )
    into = fields.String(
        load_default=None,
        allow_none=True,
        validate=validate.Length(1, 100),
        metadata={
            "description": "A group that takes the place of 'all': it gets every host, the outermost groups and the "
            "variables of 'all'. Without it those variables hold for every server of the tenant.",
            "example": "shop",
        },
    )
    dry_run = fields.Boolean(
        load_default=True, metadata={"description": "Only say what an import would do; send false to import."}
    )


class ImportBody(ImportOptions):
    """POST /servers:import."""

    inventory = fields.String(
        required=True,
        validate=validate.Length(1, MAXIMUM_BYTES),
        metadata={"description": "The text of an Ansible inventory, INI or YAML, up to 5 MB.", "example": EXAMPLE},
    )


class LeftOutSchema(Schema):
    """A variable that was not taken over."""

    name = fields.String()
    reason = fields.String()


class RowSchema(Schema):
    """One host or group."""

    name = fields.String(metadata={"description": "As the inventory has it."})
    line = fields.Integer(allow_none=True)
    done = fields.Enum(Done, by_value=True)
    reason = fields.String(metadata={"description": "Why it was refused; else empty."})
    changed = fields.List(fields.String())
    left_out = fields.List(fields.Nested(LeftOutSchema))
    notes = fields.List(fields.String())
    id = fields.Integer(allow_none=True, metadata={"description": "Of the server or group, if there is one."})


class ReportSchema(Schema):
    """What an import did, or would do."""

    dry_run = fields.Boolean()
    counts = fields.Dict(keys=fields.String())
    hosts = fields.List(fields.Nested(RowSchema))
    groups = fields.List(fields.Nested(RowSchema))
    warnings = fields.List(fields.String())


class ExportQuery(Strict):
    """What is exported; all active servers when nothing is given."""

    format = fields.String(load_default="yaml", validate=validate.OneOf(("yaml", "ini")))
    group = fields.String(validate=validate.Length(1, 100), metadata={"description": "Name or uuid; nested ones too."})
    environment = fields.String(validate=validate.Length(1, 50))
    tag = fields.String(validate=validate.Length(1, 50))


def report_data(report: ImportReport) -> dict[str, Any]:
    """Return a report as the API shows it."""
    return {
        "dry_run": report.dry_run,
        "counts": report.counts(),
        "hosts": [row_data(row) for row in report.hosts],
        "groups": [row_data(row) for row in report.groups],
        "warnings": report.warnings,
    }


def row_data(row: Row) -> dict[str, Any]:
    """Return one host or group of a report."""
    return {
        "name": row.name,
        "line": row.line,
        "done": row.done,
        "reason": row.reason,
        "changed": row.changed,
        "left_out": [{"name": name, "reason": reason} for name, reason in row.left_out],
        "notes": row.notes,
        "id": row.id,
    }
