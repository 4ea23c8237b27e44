"""Reads of rules and targets, as rows for their page and as plain values for the rule engine."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta

from sqlalchemy import func, select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.jobs.models import Launch
from app.tickets.models import TicketPriority
from app.tickets.models_rules import TicketRule, TicketTarget
from app.tickets.priority import DEFAULT_TARGETS, Rule, Target

RULE_LIMIT = 200  # of one tenant


def list_rules(actor: Actor) -> Sequence[TicketRule]:
    """Return the tenant's own rules in their order, switched off ones too."""
    require(actor, Permission.TICKET_VIEW)
    return db.session.scalars(
        scoped(actor, TicketRule).order_by(TicketRule.position, TicketRule.id).limit(RULE_LIMIT)
    ).all()


def get_rule(actor: Actor, rule_id: int) -> TicketRule:
    """Return a rule; NotFound for an unknown or foreign one."""
    require(actor, Permission.TICKET_VIEW)
    known = scoped(actor, TicketRule).where(TicketRule.id == rule_id)
    rule = db.session.scalars(known).one_or_none() if 0 < rule_id < 2**31 else None
    if rule is None:
        raise NotFound("This rule")
    return rule


def list_targets(actor: Actor) -> dict[TicketPriority, TicketTarget]:
    """Return the tenant's own targets; priorities without one are left out."""
    require(actor, Permission.TICKET_VIEW)
    return {row.priority: row for row in db.session.scalars(scoped(actor, TicketTarget))}


def playbook_names(actor: Actor, playbook_ids: Collection[int]) -> dict[int, str]:
    """Return the names that playbooks had at their last launch; those never launched are left out."""
    require(actor, Permission.TICKET_VIEW)
    if not playbook_ids:
        return {}
    newest = (
        select(func.max(Launch.id))
        .where(
            Launch.tenant_id == actor.tenant_id,
            Launch.subject_type == "playbook",
            Launch.subject_id.in_(playbook_ids),
        )
        .group_by(Launch.subject_id)
    )
    rows = db.session.execute(select(Launch.subject_id, Launch.title).where(Launch.id.in_(newest)))
    return {row.subject_id: row.title for row in rows}


def active_rules() -> list[Rule]:
    """Return the current tenant's active rules in their order; one query."""
    rows = db.session.scalars(
        select(TicketRule)
        .where(TicketRule.is_active == true())
        .order_by(TicketRule.position, TicketRule.id)
        .limit(RULE_LIMIT)
    )
    return [as_rule(row) for row in rows]


def as_rule(row: TicketRule) -> Rule:
    """Return a stored rule as the engine takes it."""
    return Rule(
        name=row.name,
        priority=row.priority,
        id=row.id,
        environments=frozenset(environment_names(row.environments)),
        tag=row.tag.lower() if row.tag else None,
        playbook_id=row.playbook_id,
        failure_code=row.failure_code,
        check_mode=row.check_mode,
        min_servers=row.min_servers,
        min_share=row.min_share,
        assignee_id=row.assignee_id,
        due_hours=row.due_hours,
    )


def environment_names(text: str | None) -> list[str]:
    """Return the names between the commas, in lower case, without repeats."""
    return list(dict.fromkeys(name for part in (text or "").split(",") if (name := part.strip().lower())))


def targets() -> dict[TicketPriority, Target]:
    """Return the current tenant's targets, the defaults where it has none; one query."""
    own = {
        row.priority: Target(timedelta(minutes=row.respond_minutes), timedelta(minutes=row.solve_minutes))
        for row in db.session.scalars(select(TicketTarget))
    }
    return {**DEFAULT_TARGETS, **own}
