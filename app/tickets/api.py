"""REST face of tickets."""

from __future__ import annotations

from typing import Any

from flask import url_for
from flask.views import MethodView
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented, paged
from app.core.flask_app import current_actor
from app.tickets import api_rules, api_triage, listings, queries_list, service, timeline
from app.tickets.models import Ticket
from app.tickets.queries_list import TicketFilter
from app.tickets.schemas import (
    NewComment,
    NewTicket,
    TicketDetailSchema,
    TicketPatch,
    TicketQuery,
    TicketSchema,
)

tickets = Blueprint("api_tickets", __name__, description="Problems: opened by failures, resolved by green runs")
blueprints = [tickets, api_triage.triage, api_rules.rules]


def _detail(ticket: Ticket) -> dict[str, Any]:
    row = listings.ticket_rows([ticket])[0]
    data = {name: getattr(row, name) for name in row.__slots__}
    data["jobs"] = queries_list.jobs_of(ticket)
    data["events"] = timeline.event_rows(queries_list.history_of(ticket))
    return data


@tickets.route("/tickets")
class Tickets(MethodView):
    """All tickets."""

    @documented(tickets)
    @tickets.arguments(TicketQuery, location="query", unknown=RAISE)
    @tickets.response(200, TicketSchema(many=True))
    def get(self, query: dict[str, Any]) -> Any:
        """List tickets, newest first unless sorted otherwise."""
        paging = {name: query.pop(name, None) for name in ("page", "page_size", "after", "sort")}
        query["job_id"] = str(query["job_id"]) if query["job_id"] else None
        page = queries_list.list_tickets(current_actor(), TicketFilter(**query), **paging)
        return paged(page, listings.ticket_rows(page.items))

    @documented(tickets, 413, 415)
    @tickets.arguments(NewTicket)
    @tickets.response(201, TicketDetailSchema)
    def post(self, body: dict[str, Any]) -> Any:
        """Open a ticket by hand, about a job or about the last job of a server."""
        ticket = service.create_ticket(
            current_actor(),
            title=body["title"],
            description=body["description"],
            priority=body["priority"],
            job_uuid=str(body["job_id"]) if body["job_id"] else None,
            server_id=body["server_id"],
            assignee_id=body["assignee_id"],
        )
        return _detail(ticket), 201, {"Location": url_for("api_tickets.OneTicket", ticket_id=ticket.ticket_id)}


@tickets.route("/tickets/<uuid:ticket_id>")
class OneTicket(MethodView):
    """One ticket."""

    @documented(tickets, 404)
    @tickets.response(200, TicketDetailSchema)
    def get(self, ticket_id: Any) -> Any:
        """Show a ticket with its jobs and history."""
        ticket = queries_list.get_ticket(current_actor(), str(ticket_id))
        return _detail(ticket), 200, etag(ticket.version)

    @documented(tickets, 404, 409, 413, 415)
    @tickets.doc(parameters=[IF_MATCH])
    @tickets.arguments(TicketPatch)
    @tickets.response(200, TicketDetailSchema)
    def patch(self, body: dict[str, Any], ticket_id: Any) -> Any:
        """Change a ticket: status, priority, assignee, title, description, acknowledged."""
        version = seen_version(body.pop("version"))
        changes = service.TicketChanges(**body)
        ticket = service.update_ticket(current_actor(), str(ticket_id), changes, version=version)
        return _detail(ticket), 200, etag(ticket.version)


@tickets.route("/tickets/<uuid:ticket_id>/comments", methods=["POST"])
@documented(tickets, 404, 409, 413, 415)
@tickets.arguments(NewComment)
@tickets.response(201, TicketDetailSchema)
def add_comment(body: dict[str, Any], ticket_id: Any) -> Any:
    """Comment on a ticket."""
    return _detail(service.comment_ticket(current_actor(), str(ticket_id), body["body"]))
