"""Pages of priority rules, targets of time and figures."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.jobs.finding import recent_playbooks
from app.tickets import queries_list, queries_rules, queries_statistics, service_rules, wording
from app.tickets.models import TicketPriority
from app.tickets.models_rules import TicketRule
from app.tickets.priority import BUILT_IN
from app.tickets.schemas_rules import CODES, LONGEST, RuleForm

_UNITS = {"minutes": 1, "hours": 60, "days": 1440}


def _typed(*ignored: str) -> dict[str, Any]:
    return {name: value for name, value in request.form.items() if name not in ("csrf_token", *ignored)}


def _rows(actor: Actor) -> list[dict[str, Any]]:
    rules = queries_rules.list_rules(actor)
    names = queries_list.names_of_users({rule.assignee_id for rule in rules})
    playbooks = queries_rules.playbook_names(actor, {rule.playbook_id for rule in rules if rule.playbook_id})
    rows: list[dict[str, Any]] = []
    for rule in rules:
        said = wording.rule_in_words(queries_rules.as_rule(rule))
        if rule.playbook_id:
            said = f"playbook {playbooks.get(rule.playbook_id, rule.playbook_id)}, {said}".removesuffix(", always")
        rows.append({"rule": rule, "said": said, "assignee": names.get(rule.assignee_id or 0)})
    return rows


def _rules_page(status: int = 200, **more: Any) -> ResponseReturnValue:
    actor = current_actor()
    context: dict[str, Any] = {
        "rows": _rows(actor),
        "built_in": [(rule, wording.rule_in_words(rule)) for rule in BUILT_IN],
        "targets": _targets_in_units(),
        "units": list(_UNITS),
        "trial": None,
        "errors": {},
        "form": {},
    }
    return render_template("tickets/rules.html", **{**context, **more}), status


def _targets_in_units() -> list[tuple[str, tuple[int, str], tuple[int, str]]]:
    targets = queries_rules.targets()
    return [
        (
            priority.value,
            _in_units(int(targets[priority].respond.total_seconds() // 60)),
            _in_units(int(targets[priority].solve.total_seconds() // 60)),
        )
        for priority in reversed(TicketPriority)
    ]


def _in_units(minutes: int) -> tuple[int, str]:
    for word in ("days", "hours"):
        if minutes % _UNITS[word] == 0:
            return minutes // _UNITS[word], word
    return minutes, "minutes"


def _minutes(name: str) -> int:
    text, unit = request.form.get(name, "").strip(), _UNITS.get(request.form.get(f"{name}_unit", ""))
    if not (text.isascii() and text.isdigit() and len(text) < 7) or unit is None:
        raise InvalidInput(**{name: "Write a whole number."})
    if not 1 <= int(text) * unit <= LONGEST:
        raise InvalidInput(**{name: "From one minute to a year."})
    return int(text) * unit


def _form_page(rule: TicketRule | None, status: int = 200, **more: Any) -> ResponseReturnValue:
    actor = current_actor()
    require(actor, Permission.TICKET_ADMIN)
    page = render_template(
        "tickets/rule.html",
        rule=rule,
        people=[(user.id, user.username) for user in queries_list.possible_assignees(actor)],
        playbooks=recent_playbooks(actor),
        codes=[(code, code.replace("_", " ")) for code in CODES],
        **{"form": {}, "errors": {}, **more},
    )
    return page, status


def _read_rule() -> dict[str, Any]:
    try:
        values: dict[str, Any] = RuleForm().load(_typed())
    except ValidationError as error:
        problem = InvalidInput()
        problem.errors = dict(error.messages_dict)
        raise problem from None
    return values


def _to_rules() -> ResponseReturnValue:
    return redirect(url_for("tickets.rules"), 303)


def routes(blueprint: Blueprint) -> None:
    """Add the pages to the blueprint of tickets."""

    @blueprint.get("/tickets/rules")
    def rules() -> ResponseReturnValue:
        """Show rules and targets; with ?job= try them on a job."""
        actor = current_actor()
        name = request.args.get("job", "").strip()
        if not name:
            return _rules_page()
        uuid = queries_list.find_job(actor, name)
        if uuid is None:
            wrong = {"job": ["There is no such job. Take the number or the UUID from the job's page."]}
            return _rules_page(422, errors=wrong, form={"job": name})
        return _rules_page(trial=service_rules.try_rules(actor, uuid), form={"job": name})

    @blueprint.route("/tickets/rules/new", methods=["GET", "POST"])
    def rule_new() -> ResponseReturnValue:
        """Show the form of a new rule, or add it."""
        if request.method == "GET":
            return _form_page(None)
        require(current_actor(), Permission.TICKET_ADMIN)
        try:
            values = _read_rule()
            values.pop("version")
            service_rules.create_rule(current_actor(), values)
        except InvalidInput as error:
            return _form_page(None, 422, form=request.form, errors=error.errors)
        flash("The rule was added behind the others.", "success")
        return _to_rules()

    @blueprint.route("/tickets/rules/<int:rule_id>", methods=["GET", "POST"])
    def rule_edit(rule_id: int) -> ResponseReturnValue:
        """Show the form of a rule, or change it."""
        actor = current_actor()
        require(actor, Permission.TICKET_ADMIN)
        rule = queries_rules.get_rule(actor, rule_id)
        if request.method == "GET":
            return _form_page(rule)
        try:
            values = _read_rule()
            version = values.pop("version")
            service_rules.update_rule(actor, rule_id, values, version=version)
        except InvalidInput as error:
            return _form_page(rule, 422, form=request.form, errors=error.errors)
        flash("Saved. Open tickets keep what they have.", "success")
        return _to_rules()

    @blueprint.post("/tickets/rules/<int:rule_id>/move")
    def rule_move(rule_id: int) -> ResponseReturnValue:
        """Move a rule up or down."""
        require(current_actor(), Permission.TICKET_ADMIN)
        service_rules.move_rule(current_actor(), rule_id, "down" if request.form.get("direction") == "down" else "up")
        return _to_rules()

    @blueprint.post("/tickets/rules/<int:rule_id>/delete")
    def rule_delete(rule_id: int) -> ResponseReturnValue:
        """Remove a rule after a question."""
        actor = current_actor()
        require(actor, Permission.TICKET_ADMIN)
        rule = queries_rules.get_rule(actor, rule_id)
        if not request.form.get("confirmed"):
            return render_template(
                "confirm.html",
                title=f"Remove the rule '{rule.name}'?",
                message="Later tickets are decided by the other rules. Tickets keep the priority that it gave them.",
                expected_name=None,
                action=url_for("tickets.rule_delete", rule_id=rule_id),
                action_label="Remove the rule",
                back_url=url_for("tickets.rules"),
                hidden={},
            )
        service_rules.delete_rule(actor, rule_id)
        flash("The rule was removed.", "success")
        return _to_rules()

    @blueprint.post("/tickets/rules/targets")
    def targets() -> ResponseReturnValue:
        """Set times to acknowledge and to solve for every priority."""
        actor = current_actor()
        require(actor, Permission.TICKET_ADMIN)
        try:
            times = {
                priority: (_minutes(f"{priority.value}_respond"), _minutes(f"{priority.value}_solve"))
                for priority in TicketPriority
            }
            service_rules.set_targets(actor, times)
        except InvalidInput as error:
            return _rules_page(422, errors=error.errors, form=request.form)
        flash("Saved. Open tickets keep their clocks.", "success")
        return _to_rules()

    @blueprint.get("/tickets/statistics")
    def statistics() -> str:
        """Show times to acknowledge and to resolve."""
        return render_template("tickets/statistics.html", figures=queries_statistics.statistics(current_actor()))
