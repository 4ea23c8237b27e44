"""A tenant's own priority rules and targets: kept by administrators, tried out by everybody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.audit import service as audit
from app.audit.resource import Resource
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.versioning import check_version
from app.jobs import queries as job_queries
from app.jobs.events import FinishedJob
from app.jobs.models import Job
from app.jobs.status import JobStatus
from app.tickets import queries, queries_rules
from app.tickets.judging import Judge
from app.tickets.keeping import finished_event
from app.tickets.models import TicketPriority
from app.tickets.models_rules import TicketRule, TicketTarget
from app.tickets.priority import Rule
from app.tickets.problems import Problem, find_problems

FIELDS = (
    "name", "is_active", "environments", "tag", "playbook_id", "failure_code", "check_mode", "min_servers",
    "min_share", "priority", "assignee_id", "due_hours",
)  # fmt: skip


def create_rule(actor: Actor, values: Mapping[str, Any]) -> TicketRule:
    """Add a rule behind the others. ``values``: FIELDS; name and priority are needed."""
    require(actor, Permission.TICKET_ADMIN)
    rules = queries_rules.list_rules(actor)
    if len(rules) >= queries_rules.RULE_LIMIT:
        raise Conflict(f"A tenant has at most {queries_rules.RULE_LIMIT} rules. Remove one first.")
    rule = TicketRule(tenant_id=actor.tenant_id, position=max((row.position for row in rules), default=0) + 1)
    _set(actor, rule, values)
    db.session.add(rule)
    db.session.flush()
    _record(actor, "ticket_rule:create", rule, _told(values))
    return rule


def update_rule(actor: Actor, rule_id: int, values: Mapping[str, Any], *, version: int | None = None) -> TicketRule:
    """Change a rule; what is not in ``values`` stays. Raises NotFound, VersionConflict, InvalidInput."""
    require(actor, Permission.TICKET_ADMIN)
    rule = queries_rules.get_rule(actor, rule_id)
    check_version(rule, version)
    _set(actor, rule, values)
    db.session.flush()
    _record(actor, "ticket_rule:update", rule, _told(values))
    return rule


def delete_rule(actor: Actor, rule_id: int) -> None:
    """Remove a rule; tickets keep the priority that it gave them."""
    require(actor, Permission.TICKET_ADMIN)
    rule = queries_rules.get_rule(actor, rule_id)
    _record(actor, "ticket_rule:delete", rule, {"name": rule.name})
    db.session.delete(rule)
    db.session.flush()


def move_rule(actor: Actor, rule_id: int, direction: Literal["up", "down"]) -> None:
    """Change places with the rule before or behind; at the end of the list nothing happens."""
    require(actor, Permission.TICKET_ADMIN)
    rules = list(queries_rules.list_rules(actor))
    here = next((n for n, row in enumerate(rules) if row.id == rule_id), None)
    if here is None:
        queries_rules.get_rule(actor, rule_id)  # NotFound
        return
    there = here + (1 if direction == "down" else -1)
    if not 0 <= there < len(rules):
        return
    rules[here], rules[there] = rules[there], rules[here]
    for position, row in enumerate(rules, 1):
        if row.position != position:
            row.position = position
            row.version += 1
    db.session.flush()
    _record(actor, "ticket_rule:move", rules[there], {"direction": direction})


def set_targets(actor: Actor, targets: Mapping[TicketPriority, tuple[int, int]]) -> None:
    """Set minutes to acknowledge and to solve by priority; open tickets keep the clocks that they have.

    InvalidInput where a ticket would have to be solved before it has to be acknowledged.
    """
    require(actor, Permission.TICKET_ADMIN)
    own = queries_rules.list_targets(actor)
    for priority, (respond, solve) in targets.items():
        if solve < respond:
            raise InvalidInput(**{priority.value: "The time to solve is shorter than the time to acknowledge."})
        row = own.get(priority)
        if row is None:
            row = TicketTarget(tenant_id=actor.tenant_id, priority=priority)
            db.session.add(row)
        else:
            row.version += 1
        row.respond_minutes, row.solve_minutes = respond, solve
    db.session.flush()
    details = {priority.value: {"respond": times[0], "solve": times[1]} for priority, times in targets.items()}
    audit.record(actor, "ticket_target:update", Resource("ticket_target"), action="UPDATE", details=details)


@dataclass(frozen=True, slots=True)
class Trial:
    """What the rules give for a job. ``assumed``: it has not failed, so this is what a failing task would give."""

    rule: Rule
    priority: TicketPriority
    respond_minutes: int
    solve_minutes: int
    assignee_name: str | None
    hit: int
    taking_part: int
    assumed: bool


def try_rules(actor: Actor, job_uuid: str) -> Trial:
    """Say what the rules of this moment give for the failure of a job; nothing is changed. NotFound for others' jobs.

    A job that has not failed is taken as if a task had failed on its server alone.
    """
    require(actor, Permission.TICKET_VIEW)
    job = job_queries.get_job(actor, job_uuid)
    event = finished_event(job.run_id)
    servers = queries.servers_by_id({one.server_id for one in event.jobs if one.server_id is not None})
    problem = next((p for p in find_problems(event, servers) if any(one.id == job.id for one in p.all_jobs)), None)
    if problem is None:
        if job.server_id is not None and job.server_id not in servers:
            servers = {**servers, **queries.servers_by_id({job.server_id})}
        problem = _assumed(job)
    judge = Judge(event, servers)
    rule, facts = judge.rule_for(problem), judge.facts(problem)
    target = judge.targets[rule.priority]
    solve = int(target.solve.total_seconds() // 60) if rule.due_hours is None else rule.due_hours * 60
    return Trial(
        rule=rule,
        priority=rule.priority,
        respond_minutes=min(int(target.respond.total_seconds() // 60), solve),
        solve_minutes=solve,
        assignee_name=judge.assignee_name(rule),
        hit=len(facts.hit),
        taking_part=max(len(facts.hit), len(facts.taking_part)),
        assumed=job.status is not JobStatus.FAILED,
    )


def _assumed(job: Job) -> Problem:
    code = job.failure_code or "task_failed"
    one = FinishedJob(
        id=job.id,
        job_uuid=job.job_id,
        server_id=job.server_id,
        playbook_id=job.playbook_id,
        status=JobStatus.FAILED,
        failure_code=code,
        error_message=None,
        failed_task=None,
        failed_module=None,
    )
    return Problem("", code, "", "", "", [one])


def _set(actor: Actor, rule: TicketRule, values: Mapping[str, Any]) -> None:
    given = {name: values[name] for name in FIELDS if name in values}
    if "name" in given:
        given["name"] = given["name"].strip()
        if not given["name"]:
            raise InvalidInput(name="Give it a name: it stands in the history of the tickets that it decides.")
    if "tag" in given:
        given["tag"] = (given["tag"] or "").strip().lower() or None
    if "environments" in given:
        given["environments"] = ", ".join(queries_rules.environment_names(given["environments"])) or None
    playbook_id, assignee_id = given.get("playbook_id"), given.get("assignee_id")
    if playbook_id is not None and not queries_rules.playbook_names(actor, {playbook_id}):
        raise InvalidInput(playbook_id="No playbook with this id was ever launched in your tenant.")
    if assignee_id is not None and queries.active_person(assignee_id) is None:
        raise InvalidInput(assignee_id="There is no active person with this id in your tenant.")
    for name, value in given.items():
        setattr(rule, name, value)


def _told(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: getattr(value, "value", value) for name, value in values.items() if name in FIELDS}


def _record(actor: Actor, event: str, rule: TicketRule, details: dict[str, Any]) -> None:
    audit.record(actor, event, Resource("ticket_rule", rule.id), details=details)
