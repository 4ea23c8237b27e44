"""What the command palette finds: servers, playbooks, jobs, tickets and actions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select, true

from app.core.actor import Actor
from app.core.db import db
from app.core.permissions import Permission, can, require
from app.core.searching import begins
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.jobs.finding import search_jobs
from app.jobs.models import Job, Launch
from app.playbooks.models import Playbook
from app.tickets.models import Ticket
from app.tickets.queries_list import TicketFilter, tickets_statement

TEXT_LIMIT = 200  # characters
EACH = 6  # results of one kind
# title, endpoint, permission; left out where no such page is wired
ACTIONS: tuple[tuple[str, str, Permission], ...] = (
    ("Launch a playbook", "playbooks.index", Permission.JOB_LAUNCH),
    ("Run a module on servers", "playbooks.adhoc", Permission.JOB_LAUNCH),
    ("Add a server", "inventory.server_new", Permission.SERVER_EDIT),
    ("Upload a playbook", "playbooks.upload", Permission.PLAYBOOK_EDIT),
    ("Open a ticket", "tickets.ticket_new", Permission.TICKET_EDIT),
    ("Ticket figures", "tickets.statistics", Permission.TICKET_VIEW),
    ("Priority rules and targets of tickets", "tickets.rules", Permission.TICKET_VIEW),
    ("Add a priority rule", "tickets.rule_new", Permission.TICKET_ADMIN),
    ("Make an API key", "accounts.me", Permission.API_KEY_OWN),
    ("Verify the audit log", "audit.index", Permission.AUDIT_VIEW),
)


@dataclass(frozen=True, slots=True)
class Found:
    """One line of the palette. ``endpoint`` and ``values`` make its address."""

    title: str
    subtitle: str
    kind: str
    endpoint: str
    values: dict[str, int | str]


def search(actor: Actor, text: str) -> list[Found]:
    """Return what ``text`` names, the most exact kinds first; nothing for an empty text. Five queries at most."""
    require(actor, Permission.DASHBOARD_VIEW)
    text = text.replace("\0", "").strip()[:TEXT_LIMIT]  # SQLite ends a LIKE pattern at a NUL: it would match all
    return list(_search(actor, text)) if text else []


def _search(actor: Actor, text: str) -> Iterator[Found]:
    if can(actor, Permission.JOB_VIEW):
        yield from _jobs(search_jobs(actor, text))
    if can(actor, Permission.SERVER_VIEW):
        servers = scoped(actor, Server).where(begins(Server.hostname, text.lower()))
        for server in db.session.scalars(servers.order_by(Server.hostname).limit(EACH)):
            words = [server.environment or "", "" if server.is_active else "inactive"]
            subtitle = " ".join(word for word in (server.ip_address, *words) if word)
            yield Found(server.hostname, subtitle, "server", "inventory.server", {"server_id": server.id})
    if can(actor, Permission.PLAYBOOK_VIEW):
        playbooks = scoped(actor, Playbook).where(
            Playbook.is_active == true(), Playbook.name.icontains(text, autoescape=True)
        )
        for playbook in db.session.scalars(playbooks.order_by(Playbook.name).limit(EACH)):
            values: dict[str, int | str] = {"playbook_id": playbook.id}
            yield Found(playbook.name, "playbook", "playbook", "playbooks.playbook", values)
    if can(actor, Permission.TICKET_VIEW):
        name = text[2:] if text.lower().startswith("t-") else text
        tickets = tickets_statement(actor, TicketFilter(text=name)) if name else scoped(actor, Ticket).limit(0)
        for ticket in db.session.scalars(tickets.order_by(Ticket.id.desc()).limit(EACH)):
            subtitle = f"T-{ticket.id}, {ticket.status.value.replace('_', ' ')}"
            yield Found(ticket.title, subtitle, "ticket", "tickets.ticket", {"ticket_id": ticket.ticket_id})
    for title, endpoint, permission in ACTIONS:
        if text.lower() in title.lower() and can(actor, permission):
            yield Found(title, "action", "action", endpoint, {})


def _jobs(jobs: Sequence[Job]) -> Iterator[Found]:
    titles = (
        {row.id: row.title for row in db.session.scalars(select(Launch).where(Launch.id.in_(_launch_ids(jobs))))}
        if jobs
        else {}
    )
    for job in jobs:
        title = f"#{job.id} {titles.get(job.launch_id, '')}".strip()
        yield Found(title, f"job, {job.status.value}", "job", "jobs.job", {"job_id": job.job_id})


def _launch_ids(jobs: Sequence[Job]) -> set[int]:
    return {job.launch_id for job in jobs}
