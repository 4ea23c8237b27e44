"""REST face of priority rules and targets."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.tickets import queries_rules, service_rules
from app.tickets.models import TicketPriority
from app.tickets.schemas_rules import NewRule, RulePatch, RuleSchema, TargetsSchema, TrialQuery, TrialSchema

rules = Blueprint("api_ticket_rules", __name__, description="How urgent tickets are, and until when to solve them")


@rules.route("/ticket-rules")
class Rules(MethodView):
    """The tenant's own rules; built-in ones stand behind them."""

    @documented(rules)
    @rules.response(200, RuleSchema(many=True))
    def get(self) -> Any:
        """List the rules in the order in which they are tried."""
        return queries_rules.list_rules(current_actor())

    @documented(rules, 409, 413, 415)
    @rules.arguments(NewRule)
    @rules.response(201, RuleSchema)
    def post(self, body: dict[str, Any]) -> Any:
        """Add a rule behind the others."""
        rule = service_rules.create_rule(current_actor(), body)
        return rule, 201, {"Location": url_for("api_ticket_rules.OneRule", rule_id=rule.id), **etag(rule.version)}


@rules.route("/ticket-rules/<int:rule_id>")
class OneRule(MethodView):
    """One rule."""

    @documented(rules, 404)
    @rules.response(200, RuleSchema)
    def get(self, rule_id: int) -> Any:
        """Show a rule."""
        rule = queries_rules.get_rule(current_actor(), rule_id)
        return rule, 200, etag(rule.version)

    @documented(rules, 404, 409, 413, 415)
    @rules.doc(parameters=[IF_MATCH])
    @rules.arguments(RulePatch)
    @rules.response(200, RuleSchema)
    def patch(self, body: dict[str, Any], rule_id: int) -> Any:
        """Change a rule; open tickets keep what it gave them."""
        version = seen_version(body.pop("version"))
        rule = service_rules.update_rule(current_actor(), rule_id, body, version=version)
        return rule, 200, etag(rule.version)

    @documented(rules, 404)
    @rules.response(204)
    def delete(self, rule_id: int) -> None:
        """Remove a rule."""
        service_rules.delete_rule(current_actor(), rule_id)


@rules.route("/ticket-rules/trial")
@documented(rules, 404)
@rules.arguments(TrialQuery, location="query", unknown=RAISE)
@rules.response(200, TrialSchema)
def try_rules(query: dict[str, Any]) -> Any:
    """Say what the rules would give for the failure of a job; changes nothing."""
    trial = service_rules.try_rules(current_actor(), str(query["job_id"]))
    return {
        "rule": trial.rule.name,
        "rule_id": trial.rule.id,
        **{name: getattr(trial, name) for name in TrialSchema().fields if name not in ("rule", "rule_id")},
    }


def targets_in_minutes() -> dict[str, dict[str, int]]:
    """Return the current tenant's targets as the schema shows them."""
    return {
        priority.value: {
            "respond_minutes": int(target.respond.total_seconds() // 60),
            "solve_minutes": int(target.solve.total_seconds() // 60),
        }
        for priority, target in queries_rules.targets().items()
    }


@rules.route("/ticket-targets")
class TicketTargets(MethodView):
    """Times to acknowledge and to solve, by priority."""

    @documented(rules)
    @rules.response(200, TargetsSchema)
    def get(self) -> Any:
        """Show the targets, the defaults where the tenant has none of its own."""
        require(current_actor(), Permission.TICKET_VIEW)
        return targets_in_minutes()

    @documented(rules, 413, 415)
    @rules.arguments(TargetsSchema, example={"critical": {"respond_minutes": 15, "solve_minutes": 240}})
    @rules.response(200, TargetsSchema)
    def patch(self, body: dict[str, Any]) -> Any:
        """Set targets of some priorities; open tickets keep their clocks."""
        times = {TicketPriority(name): (one["respond_minutes"], one["solve_minutes"]) for name, one in body.items()}
        service_rules.set_targets(current_actor(), times)
        return targets_in_minutes()
