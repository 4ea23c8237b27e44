"""Sample contexts of the pages of tickets, rules and figures."""

from __future__ import annotations

from typing import Any

from app.tickets.priority import BUILT_IN
from app.tickets.queries_statistics import Figures, Statistics
from app.tickets.wording import rule_in_words
from tests.browser.sample_pages import TICKETS, ago, listing, row
from tests.browser.samples import NOW, XSS, page

SNOOZES = ["1h", "1d", "7d"]


def tickets(view: str, items: list[Any]) -> dict[str, Any]:
    columns = [
        row(status=s, tickets=[t for t in items if t.status == s], more=0)
        for s in ("open", "in_progress", "resolved", "closed")
    ]
    return {
        "view": view,
        "show": "attention",
        "page": listing(items, len(items)),
        "columns": columns,
        "people": [(1, "jonas")],
        "me": 1,
        "playbooks": [(3, XSS)],
        "codes": [("task_failed", "task failed")],
        "default_sort": "-number",
        "snoozes": SNOOZES,
    }


page("tickets/list", "tickets/index.html")(lambda: tickets("list", TICKETS))
page("tickets/board", "tickets/index.html")(lambda: tickets("board", TICKETS))
page("tickets/empty", "tickets/index.html")(lambda: tickets("list", []))
FOUND_JOB = row(
    number=1412, job_id="j1", status="failed", server_name="web-1", server_id=1, created_at=NOW, cleared_at=None
)
page("tickets/new", "tickets/ticket_new.html")(
    lambda: {
        "form": {},
        "errors": {"job": ["No such job."]},
        "people": [],
        "job": "",
        "looked_for": XSS,
        "found": [FOUND_JOB],
    }
)


def event(kind: str, said: str, **more: Any) -> Any:
    return row(**{"kind": kind, "who": "jonas", "at": NOW, "body": None, "said": said, "moved_from": None, **more})


def ticket_page(**more: Any) -> dict[str, Any]:
    one = {
        **vars(TICKETS[0]),
        "number": 7,
        "ticket_id": "t7",
        "title": f"Install packages: no space left {XSS}",
        "description": f"{XSS} see https://wiki.example.org/disk.",
        "priority": "high",
        "source": "auto",
        "occurrences": 9,
        "created_by_name": "system",
        "failed_task": "Install packages",
        "failed_module": "ansible.builtin.apt",
        "failure_code": "task_failed",
        "version": 2,
        **more.pop("ticket", {}),
    }
    return {
        "ticket": row(**one),
        "first_error": row(
            text=f"fatal: [web-1]: FAILED! => No space left on device\n{XSS}",
            job_id="j1",
            job_number=1412,
            launch_uuid="l1",
            line=88,
            server_name="web-1",
        ),
        "lines": [{"n": n, "x": f"line {n} {XSS if n == 88 else ''}", "v": "INFO"} for n in range(83, 95)],
        "green": row(job_id="j0", number=1400, at=NOW, changes=["variable size: 1 then, 2 now", XSS]),
        "days": [row(label=f"{n:02} Nov", count=n % 4) for n in range(1, 31)],
        "relaunch": row(launch_uuid="l1", servers=["web-1", "web-2"], elsewhere=1),
        "similar": [
            row(
                ticket_id="t2",
                number=2,
                title=XSS,
                status="closed",
                likeness="same task",
                resolved_at=NOW,
                how=f"Freed /var {XSS}",
                how_by="jonas",
            )
        ],
        "took_in": [TICKETS[1]],
        "jobs": [FOUND_JOB, row(**{**vars(FOUND_JOB), "number": 1411, "server_name": "web-2", "cleared_at": NOW})],
        "jobs_more": 4,
        "next_statuses": ["in_progress", "resolved", "closed"],
        "people": [(1, "jonas")],
        "snoozes": SNOOZES,
        "form": {},
        "errors": {},
        "events": [
            event("opened", "Opened by job #1412", who="Millwright"),
            event("comment", "Commented.", body=f"Cleaning /var/log.\n{XSS} https://example.org/a", moved_from=3),
            event("overdue", "Overdue."),
        ],
        **more,
    }


page("tickets/ticket", "tickets/ticket.html")(ticket_page)
page("tickets/ticket-overdue", "tickets/ticket.html")(
    lambda: ticket_page(ticket={"is_overdue": True, "snoozed_until": NOW + ago(days=2), "due_at": NOW})
)
page("tickets/ticket-resolved", "tickets/ticket.html")(
    lambda: ticket_page(
        ticket={"status": "resolved", "resolution": XSS, "resolved_at": NOW},
        relaunch=None,
        next_statuses=["open", "closed"],
    )
)
page("tickets/ticket-merged", "tickets/ticket.html")(
    lambda: ticket_page(
        ticket={"status": "closed", "merged_into": "t1", "merged_into_number": 1, "resolved_at": NOW},
        first_error=None,
        relaunch=None,
        next_statuses=[],
        jobs=[],
        jobs_more=0,
        similar=[],
        took_in=[],
        days=[],
    )
)
SHORT = row(id=1, ticket_id="t1", title=XSS, occurrences=2, version=1)
page("tickets/merge", "tickets/merge.html")(
    lambda: {"ticket": SHORT, "into": None, "candidates": [row(id=2, title=XSS)], "form": {}, "errors": {}}
)
page("tickets/merge-confirm", "tickets/merge.html")(
    lambda: {"ticket": SHORT, "into": row(id=2, title=XSS), "candidates": [], "form": {}, "errors": {}}
)
RULE = row(
    id=1,
    name=XSS,
    is_active=False,
    environments="production, prod",
    tag="web",
    min_servers=2,
    min_share=50,
    playbook_id=3,
    failure_code="task_failed",
    check_mode=False,
    priority=row(value="critical"),
    assignee_id=1,
    due_hours=4,
    version=1,
)


def rules(**more: Any) -> dict[str, Any]:
    return {
        "rows": [{"rule": RULE, "said": f"environment {XSS}", "assignee": "jonas"}],
        "built_in": [(rule, rule_in_words(rule)) for rule in BUILT_IN],
        "targets": [(p, (4, "hours"), (1, "days")) for p in ("critical", "high", "medium", "low")],
        "units": ["minutes", "hours", "days"],
        "trial": row(
            priority=row(value="high"),
            rule=row(name=XSS),
            respond_minutes=15,
            solve_minutes=240,
            assignee_name="jonas",
            hit=1,
            taking_part=4,
            assumed=True,
        ),
        "errors": {},
        "form": {},
        **more,
    }


page("tickets/rules", "tickets/rules.html")(rules)
page("tickets/rules-wrong", "tickets/rules.html")(
    lambda: rules(trial=None, rows=[], errors={"critical_solve": ["Write a whole number."], "job": ["No such job."]})
)
page("tickets/rule", "tickets/rule.html")(
    lambda: {
        "rule": RULE,
        "people": [(1, "jonas")],
        "playbooks": [(3, XSS)],
        "codes": [("task_failed", "task failed")],
        "form": {},
        "errors": {"name": ["Give it a name."]},
    }
)
FIGURES = [Figures(name, 7, 5, 300.0, 1, 4, 86_400.0, 2) for name in ("critical", "high", "medium", "low")]
page("tickets/statistics", "tickets/statistics.html")(
    lambda: {"figures": Statistics(30, False, FIGURES, [Figures(XSS, 1, 0, None, 0, 0, None, 0)])}
)
page("tickets/statistics-empty", "tickets/statistics.html")(lambda: {"figures": Statistics(30, True, FIGURES, [])})
