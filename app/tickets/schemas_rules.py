"""Shapes of priority rules and targets."""

from __future__ import annotations

from typing import Any

from marshmallow import fields, pre_load, validate

from app.core.schemas import Strict
from app.jobs.schemas import MAX_ID
from app.runners.base import FailureCode
from app.tickets.models import TicketPriority

CODES = sorted(code.value for code in FailureCode if code is not FailureCode.CANCELLED)
LONGEST = 60 * 24 * 365  # minutes


class RuleFields(Strict):
    """Conditions, all of which have to hold; null means any. ``min_share`` in percent."""

    is_active = fields.Boolean()
    environments = fields.String(
        allow_none=True,
        validate=validate.Length(0, 200),
        metadata={"description": "Names with commas between them", "example": "production, prod"},
    )
    tag = fields.String(allow_none=True, validate=validate.Length(0, 100), metadata={"example": "web"})
    playbook_id = fields.Integer(allow_none=True, validate=validate.Range(1, MAX_ID))
    failure_code = fields.String(allow_none=True, validate=validate.OneOf(CODES))
    check_mode = fields.Boolean(allow_none=True)
    min_servers = fields.Integer(validate=validate.Range(1, 100_000))
    min_share = fields.Integer(validate=validate.Range(0, 100), metadata={"example": 50})
    assignee_id = fields.Integer(allow_none=True, validate=validate.Range(1, MAX_ID))
    due_hours = fields.Integer(allow_none=True, validate=validate.Range(1, LONGEST // 60))


class NewRule(RuleFields):
    """A rule; it goes behind the others."""

    name = fields.String(required=True, validate=validate.Length(1, 100), metadata={"example": "Web servers first"})
    priority = fields.Enum(TicketPriority, by_value=True, required=True)


class RulePatch(RuleFields):
    """What to change; what is left out stays."""

    version = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))
    name = fields.String(validate=validate.Length(1, 100))
    priority = fields.Enum(TicketPriority, by_value=True)


class RuleForm(NewRule):
    """The page's form: an empty field means any, a missing tick no."""

    version = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, MAX_ID))

    @pre_load
    def _empty_is_any(self, data: dict[str, Any], **_more: Any) -> dict[str, Any]:
        given = {name: None if value == "" else value for name, value in data.items()}
        for name, otherwise in (("min_servers", 1), ("min_share", 0), ("name", "")):
            if given.get(name) is None:
                given[name] = otherwise
        return {"is_active": False, **given}


class RuleSchema(RuleFields):
    """A rule as stored."""

    id = fields.Integer()
    position = fields.Integer()
    name = fields.String()
    priority = fields.Enum(TicketPriority, by_value=True)
    version = fields.Integer()


class TrialQuery(Strict):
    """Which job to try the rules on."""

    job_id = fields.UUID(required=True)


class TrialSchema(Strict):
    """What the rules give for a job."""

    rule = fields.String(metadata={"description": "Name of the rule that decides"})
    rule_id = fields.Integer(allow_none=True, metadata={"description": "null: built in"})
    priority = fields.Enum(TicketPriority, by_value=True)
    respond_minutes = fields.Integer()
    solve_minutes = fields.Integer()
    assignee_name = fields.String(allow_none=True)
    hit = fields.Integer(metadata={"description": "Servers hit"})
    taking_part = fields.Integer(metadata={"description": "Servers of the run"})
    assumed = fields.Boolean(metadata={"description": "The job has not failed: taken as if it had"})


def _minutes(example: int) -> fields.Integer:
    return fields.Integer(required=True, validate=validate.Range(1, LONGEST), metadata={"example": example})


class TargetSchema(Strict):
    """Minutes from opening, round the clock."""

    respond_minutes = _minutes(15)
    solve_minutes = _minutes(240)


class TargetsSchema(Strict):
    """Targets by priority."""

    critical = fields.Nested(TargetSchema)
    high = fields.Nested(TargetSchema)
    medium = fields.Nested(TargetSchema)
    low = fields.Nested(TargetSchema)
