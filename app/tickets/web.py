"""Pages of tickets: list, board, one ticket, and the forms of its triage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import ValidationError

from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, can, require
from app.core.schemas import Schema
from app.jobs.finding import recent_playbooks
from app.tickets import listings, queries_list, service, web_rules, web_triage
from app.tickets.linked_text import linked_text
from app.tickets.models import Ticket
from app.tickets.queries_list import SORTS, TicketFilter
from app.tickets.schemas import NewComment, NewTicket, TicketPageQuery, TicketPatch
from app.tickets.schemas_rules import CODES
from app.tickets.ticket_page import ticket_context

blueprint = Blueprint("tickets", __name__, template_folder="templates")
web_triage.routes(blueprint)
web_rules.routes(blueprint)
blueprint.add_app_template_filter(linked_text)


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


def _wanted(actor: Actor, query: dict[str, Any]) -> TicketFilter:
    """Return the filter that the address asks for: its own fields, over those of the ready-made view."""
    show = query["show"] or ("all" if query["status"] or query["q"] or query["text"] else "attention")
    views: dict[str, dict[str, Any]] = {
        "attention": {"is_open": True, "snoozed": False},
        "mine": {"is_open": True, "assignee_id": actor.user_id},
        "overdue": {"overdue": True},
        "snoozed": {"snoozed": True},
        "all": {},
    }
    if query["view"] == "board" and show == "attention":
        show = "all"  # its columns are the statuses
    query["show"] = show
    days = query["older_than_days"]
    own = {
        "status": query["status"],
        "priority": query["priority"],
        "assignee_id": query["assignee_id"],
        "job_id": str(query["job_id"]) if query["job_id"] else None,
        "server_id": query["server_id"],
        "playbook_id": query["playbook_id"],
        "overdue": query["overdue"],
        "snoozed": query["snoozed"],
        "acknowledged": query["acknowledged"],
        "is_open": query["is_open"],
        "source": query["source"],
        "failure_code": query["failure_code"],
        "created_from": query["created_from"],
        "created_to": utc_now() - timedelta(days=days) if days else query["created_to"],
        "text": query["q"] or query["text"],
    }
    return TicketFilter(**{**views[show], **{name: value for name, value in own.items() if value is not None}})


def _asked() -> dict[str, Any]:
    return _load(TicketPageQuery(), {name: value for name, value in request.args.items() if value != ""})


@blueprint.get("/tickets")
def index() -> str:
    """List tickets, or show them as a board by status."""
    actor = current_actor()
    query = _asked()
    wanted = _wanted(actor, query)
    context: dict[str, Any] = {
        "view": query["view"],
        "show": query["show"],
        "people": _people(actor),
        "me": actor.user_id,
        "playbooks": recent_playbooks(actor) if can(actor, Permission.JOB_VIEW) else [],
        "codes": [(code, code.replace("_", " ")) for code in CODES],
        "page": None,
        "columns": [],
        "default_sort": SORTS.default,
        "snoozes": list(web_triage.SNOOZES),
    }
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
            actor,
            wanted,
            page=query["page"],
            page_size=query["page_size"],
            after=query["after"],
            sort=query.get("sort"),
        )
        context["page"] = page.with_items(listings.ticket_rows(page.items))
    return render_template("tickets/index.html", **context)


@blueprint.get("/tickets/export")
def export() -> Response:
    """Download the filtered list."""
    actor = current_actor()
    require(actor, Permission.TICKET_VIEW)
    query = _asked()
    wanted = _wanted(actor, query)
    return export_rows(
        lambda after: queries_list.list_tickets(
            actor, wanted, page_size=PAGE_SIZE, after=after, sort=query.get("sort")
        ),
        lambda tickets: [asdict(row) for row in listings.ticket_rows(tickets)],
        [field.name for field in fields(listings.TicketRow)],
        name="tickets",
        form=export_format(query["format"]),
    )


def _ticket_page(ticket: Ticket, status: int = 200, **more: Any) -> ResponseReturnValue:
    context: dict[str, Any] = {
        **ticket_context(current_actor(), ticket),
        "snoozes": list(web_triage.SNOOZES),
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
    """Change what the form says, then show the ticket; with what is wrong beside the fields if it cannot be."""
    actor = current_actor()
    require(actor, Permission.TICKET_EDIT)
    found = queries_list.get_ticket(actor, str(ticket_id))
    given = _form()
    if given.get("assignee_id") == "":
        given["assignee_id"] = None
    try:
        values = _load(TicketPatch(), given)
        version = values.pop("version")
        service.update_ticket(actor, found.ticket_id, service.TicketChanges(**values), version=version)
    except InvalidInput as error:
        return _ticket_page(found, error.status, form=request.form, errors=error.errors)
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
    looked_for = request.args.get("find", "").strip()[:100]
    server = request.args.get("server_id", "")
    job = request.args.get("job", "")
    if not job and server.isascii() and server.isdigit() and len(server) < 10:
        job = queries_list.last_job_of_server(actor, int(server)) or ""
    page = render_template(
        "tickets/ticket_new.html",
        form=request.form,
        errors=errors or {},
        people=_people(actor),
        job=job,
        looked_for=looked_for,
        found=queries_list.find_jobs(actor, looked_for) if looked_for else [],
    )
    return page, status


@blueprint.get("/tickets/new")
def ticket_new() -> ResponseReturnValue:
    """Show the form for a ticket by hand; ?find= looks for its job, ?server_id= takes a server's last one."""
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
