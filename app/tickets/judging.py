"""What a tenant's rules say of one run's problems: rules and targets are read once per run, and only if needed."""

from __future__ import annotations

from functools import cached_property

from app.jobs.events import RunFinished
from app.tickets import queries, queries_rules
from app.tickets.priority import Facts, Rule, Targets, Traits, decide
from app.tickets.problems import Problem, ServerNames

_NOWHERE = Traits()


class Judge:
    """Judges the problems of one run inside the tenant's scope; two queries, one more for a rule's assignee."""

    def __init__(self, event: RunFinished, servers: ServerNames) -> None:
        self._event = event
        self._traits = {key: _traits(server) for key, server in servers.items()}
        self._names: dict[int, str | None] = {}

    @cached_property
    def _rules(self) -> list[Rule]:
        return queries_rules.active_rules()

    @cached_property
    def targets(self) -> Targets:
        """The tenant's targets of time."""
        return queries_rules.targets()

    def rule_for(self, problem: Problem) -> Rule:
        """Return the rule that decides about a problem."""
        return decide(self._rules, self.facts(problem))

    def facts(self, problem: Problem) -> Facts:
        """Return a problem as rules see it."""
        return Facts(
            hit=[self._traits.get(job.server_id or 0, _NOWHERE) for job in problem.all_jobs],
            taking_part=[self._traits.get(job.server_id or 0, _NOWHERE) for job in self._event.jobs],
            playbook_id=next((job.playbook_id for job in problem.jobs), None),
            failure_code=problem.code,
            is_check=self._event.is_check,
        )

    def assignee_name(self, rule: Rule) -> str | None:
        """Return who gets the tickets of a rule, None where it names nobody who can still work here."""
        if rule.assignee_id is None:
            return None
        if rule.assignee_id not in self._names:
            self._names[rule.assignee_id] = queries.active_person(rule.assignee_id)
        return self._names[rule.assignee_id]


def _traits(server: queries.ServerName) -> Traits:
    return Traits((server.environment or "").strip().lower(), frozenset(tag.lower() for tag in server.tags))
