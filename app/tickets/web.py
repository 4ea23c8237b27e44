"""Pages of tickets: list, board, one ticket, and the forms of its triage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import Schema, ValidationError

from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.permissions import Permission, can, require
from app.tickets import listings, queries_list, service, timeline
from app.tickets.models import TICKET_TRANSITIONS, Ticket, TicketStatus
from app.tickets.queries_list import TicketFilter
from app.tickets.schemas import NewComment, NewTicket, TicketPageQuery, TicketPatch

blueprint = Blueprint("tickets", __name__, template_folder="templates")
# Order of the buttons: what one does next comes first.
_NEXT = (TicketStatus.IN_PROGRESS, TicketStatus.RESOLVED, TicketStatus.OPEN, TicketStatus.CLOSED)


def _load(schema: Schema, given: dict[str, Any]) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = schema.load(given)
    except ValidationError as error:
        problem = InvalidInput("Some values cannot be used: " + ", ".join(sorted(map(str, error.messages_dict))) + ".")
        problem.errors = dict(error.messages_dict)
        raise problem from None
    return loaded


def _people(actor: Actor) -> list[tuple[int, str]]:
    return [(user.id, user.username) for user in queries_list.possible_assignees(actor)]


def _ticket_of_job(job_uuid: str) -> Ticket | None:
    actor = current_actor()
    return queries_list.newest_ticket_of_job(actor, job_uuid) if can(actor, Permission.TICKET_VIEW) else None


def _open_tickets_of_server(server_id: int) -> Sequence[Ticket]:
    actor = current_actor()
    return queries_list.open_tickets_of_server(actor, server_id) if can(actor, Permission.TICKET_VIEW) else []


@blueprint.app_context_processor
def _for_other_pages() -> dict[str, Any]:
    # The pages of jobs and servers may not know tickets: their templates call these if they are there.
    return {"ticket_of_job": _ticket_of_job, "open_tickets_of_server": _open_tickets_of_server}


@blueprint.get("/tickets")
def index() -> str:
    """List tickets, or show them as a board by status."""
    actor = current_actor()
    query = _load(TicketPageQuery(), {name: value for name, value in request.args.items() if value != ""})
    wanted = TicketFilter(
        status=query["status"],
        priority=query["priority"],
        assignee_id=query["assignee_id"],
        job_id=str(query["job_id"]) if query["job_id"] else None,
        server_id=query["server_id"],
        playbook_id=query["playbook_id"],
        overdue=query["overdue"],
        text=query["q"] or query["text"],
    )
    context: dict[str, Any] = {"view": query["view"], "people": _people(actor), "page": None, "columns": []}
    if query["view"] == "board":
        for status, tickets in queries_list.board(actor, wanted).items():
            context["columns"].append(
                {
                    "status": status.value,
                    "tickets": listings.ticket_rows(tickets),
                    "more": queries_list.count_beyond_board(actor, wanted, status, tickets),
                }
            )
    else:
        page = queries_list.list_tickets(
            actor, wanted, page=query["page"], page_size=query["page_size"], after=query["after"]
        )
        context["page"] = page.with_items(listings.ticket_rows(page.items))
    return render_template("tickets/index.html", **context)


def _ticket_page(ticket: Ticket, status: int = 200, **more: Any) -> ResponseReturnValue:
    actor = current_actor()
    jobs = queries_list.jobs_of(ticket)
    context: dict[str, Any] = {
        "ticket": listings.ticket_rows([ticket])[0],
        "first_error": listings.first_error(jobs),
        "jobs": jobs,
        "jobs_more": max(0, queries_list.count_jobs(ticket) - len(jobs)),
        "events": timeline.event_rows(queries_list.history_of(ticket)),
        "next_statuses": [word.value for word in _NEXT if word in TICKET_TRANSITIONS[ticket.status]],
        "people": _people(actor),
        "form": {},
        "errors": {},
    }
    return render_template("tickets/ticket.html", **{**context, **more}), status


@blueprint.get("/tickets/<uuid:ticket_id>")
def ticket(ticket_id: Any) -> ResponseReturnValue:
    """Show one ticket."""
    return _ticket_page(queries_list.get_ticket(current_actor(), str(ticket_id)))


def _form(*ignored: str) -> dict[str, Any]:
    return {name: value for name, value in request.form.items() if name not in ("csrf_token", *ignored)}


@blueprint.post("/tickets/<uuid:ticket_id>")
def ticket_update(ticket_id: Any) -> ResponseReturnValue:
    """Change what the form says, then show the ticket."""
    given = _form()
    if given.get("assignee_id") == "":
        given["assignee_id"] = None
    values = _load(TicketPatch(), given)
    version = values.pop("version")
    service.update_ticket(current_actor(), str(ticket_id), service.TicketChanges(**values), version=version)
    flash("Saved.", "success")
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id), 303)


@blueprint.post("/tickets/<uuid:ticket_id>/comments")
def comment(ticket_id: Any) -> ResponseReturnValue:
    """Add a comment, then show the ticket."""
    actor = current_actor()
    try:
        service.comment_ticket(actor, str(ticket_id), _load(NewComment(), _form())["body"])
    except InvalidInput as error:
        found = queries_list.get_ticket(actor, str(ticket_id))
        return _ticket_page(found, error.status, form=request.form, errors=error.errors)
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id), 303)


def _new_page(status: int = 200, *, errors: dict[str, Any] | None = None) -> ResponseReturnValue:
    actor = current_actor()
    require(actor, Permission.TICKET_EDIT)
    page = render_template("tickets/ticket_new.html", form=request.form, errors=errors or {}, people=_people(actor))
    return page, status


@blueprint.get("/tickets/new")
def ticket_new() -> ResponseReturnValue:
    """Show the form for a ticket by hand."""
    return _new_page()


@blueprint.post("/tickets/new")
def ticket_create() -> ResponseReturnValue:
    """Open a ticket by hand, or show the form again with what is wrong."""
    actor = current_actor()
    require(actor, Permission.TICKET_EDIT)
    given = _form("job")
    if given.get("assignee_id") == "":
        given["assignee_id"] = None
    try:
        uuid = queries_list.find_job(actor, request.form.get("job", ""))
        if uuid is None:
            raise InvalidInput(job="There is no such job. Take the number or the UUID from the job's page.")
        values = _load(NewTicket(), {**given, "job_id": uuid})
        created = service.create_ticket(
            actor,
            title=values["title"],
            description=values["description"],
            priority=values["priority"],
            job_uuid=uuid,
            assignee_id=values["assignee_id"],
        )
    except InvalidInput as error:
        return _new_page(error.status, errors=error.errors)
    return redirect(url_for("tickets.ticket", ticket_id=created.ticket_id), 303)
