"""REST face of triage: an address per act, history, similar tickets, figures."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from flask_smorest import Blueprint
from marshmallow import RAISE

from app.core.edit_version import IF_MATCH, etag, seen_version
from app.core.faces import documented
from app.core.flask_app import current_actor
from app.tickets import (
    listings,
    queries_list,
    queries_similar,
    queries_statistics,
    service_merge,
    service_triage,
    timeline,
)
from app.tickets.models import Ticket
from app.tickets.schemas import EventsQuery, TicketEventSchema, TicketSchema
from app.tickets.schemas_triage import (
    AcknowledgeBody,
    BulkBody,
    BulkResultSchema,
    MergeBody,
    NoteBody,
    ReopenBody,
    Seen,
    SimilarSchema,
    SnoozeBody,
    StatisticsSchema,
)
from app.tickets.service_triage import Act, Order

triage = Blueprint("api_ticket_triage", __name__, description="What people do with tickets")


def _answer(ticket: Ticket) -> Any:
    return listings.ticket_rows([ticket])[0], 200, etag(ticket.version)


def _act(ticket_id: Any, body: dict[str, Any], act: Act, **more: Any) -> Any:
    version = seen_version(body.get("version"))
    return _answer(service_triage.triage_ticket(current_actor(), str(ticket_id), Order(act, **more), version=version))


@triage.route("/tickets/<uuid:ticket_id>/acknowledge", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(AcknowledgeBody, example={"start": True, "version": 3})
@triage.response(200, TicketSchema)
def acknowledge(body: dict[str, Any], ticket_id: Any) -> Any:
    """Note that somebody has seen it; with start it is in progress afterwards."""
    return _act(ticket_id, body, Act.ACKNOWLEDGE, start=body["start"])


@triage.route("/tickets/<uuid:ticket_id>/snooze")
class Snooze(MethodView):
    """Out of sight until a time; it comes back by itself, or when it becomes more urgent."""

    @documented(triage, 404, 409, 413, 415)
    @triage.doc(parameters=[IF_MATCH])
    @triage.arguments(SnoozeBody)
    @triage.response(200, TicketSchema)
    def post(self, body: dict[str, Any], ticket_id: Any) -> Any:
        """Snooze an open ticket; its clocks run on."""
        return _act(ticket_id, body, Act.SNOOZE, until=body["until"])

    @documented(triage, 404, 409)
    @triage.doc(parameters=[IF_MATCH])
    @triage.response(200, TicketSchema)
    def delete(self, ticket_id: Any) -> Any:
        """End a snooze."""
        return _act(ticket_id, {}, Act.WAKE)


@triage.route("/tickets/<uuid:ticket_id>/resolve", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(NoteBody)
@triage.response(200, TicketSchema)
def resolve(body: dict[str, Any], ticket_id: Any) -> Any:
    """Resolve it, with a note that similar tickets will show."""
    return _act(ticket_id, body, Act.RESOLVE, note=body["note"])


@triage.route("/tickets/<uuid:ticket_id>/close", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(NoteBody)
@triage.response(200, TicketSchema)
def close(body: dict[str, Any], ticket_id: Any) -> Any:
    """Close it."""
    return _act(ticket_id, body, Act.CLOSE, note=body["note"])


@triage.route("/tickets/<uuid:ticket_id>/reopen", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(ReopenBody)
@triage.response(200, TicketSchema)
def reopen(body: dict[str, Any], ticket_id: Any) -> Any:
    """Open it again, with the reason; its clocks start anew."""
    return _act(ticket_id, body, Act.REOPEN, note=body["reason"])


@triage.route("/tickets/<uuid:ticket_id>/merge", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(MergeBody)
@triage.response(200, TicketSchema)
def merge(body: dict[str, Any], ticket_id: Any) -> Any:
    """Merge it into an open ticket, which is the answer: jobs, history and later repeats go there."""
    into = service_merge.merge_ticket(
        current_actor(),
        str(ticket_id),
        str(body["into"]),
        reason=body["reason"],
        version=seen_version(body["version"]),
    )
    return _answer(into)


@triage.route("/tickets/<uuid:ticket_id>/split", methods=["POST"])
@documented(triage, 404, 409, 413, 415)
@triage.doc(parameters=[IF_MATCH])
@triage.arguments(Seen, example={"version": 3})
@triage.response(200, TicketSchema)
def split(body: dict[str, Any], ticket_id: Any) -> Any:
    """Take a merge back; what was seen since stays with the other ticket."""
    version = seen_version(body["version"])
    return _answer(service_merge.split_ticket(current_actor(), str(ticket_id), version=version))


@triage.route("/tickets/bulk", methods=["POST"])
@documented(triage, 404, 413, 415)
@triage.arguments(BulkBody)
@triage.response(200, BulkResultSchema)
def bulk(body: dict[str, Any]) -> Any:
    """Carry out one act on up to 100 tickets; says for each that refused why."""
    uuids = [str(one) for one in body["ticket_ids"]]
    order = Order(body["act"], note=body["note"], until=body["until"], assignee_id=body["assignee_id"])
    result = service_triage.triage_tickets(current_actor(), uuids, order)
    return {
        "done": [ticket.ticket_id for ticket in result.done],
        "refused": [{"ticket_id": uuid, "number": number, "message": why} for uuid, number, why in result.refused],
    }


@triage.route("/tickets/<uuid:ticket_id>/events")
@documented(triage, 404)
@triage.arguments(EventsQuery, location="query", unknown=RAISE)
@triage.response(200, TicketEventSchema(many=True))
def events(query: dict[str, Any], ticket_id: Any) -> Any:
    """Show a ticket's history, oldest first; the next page begins after the last id."""
    ticket = queries_list.get_ticket(current_actor(), str(ticket_id))
    return timeline.event_rows(queries_list.history_of(ticket, after=query["after"], limit=query["page_size"]))


@triage.route("/tickets/<uuid:ticket_id>/similar")
@documented(triage, 404)
@triage.response(200, SimilarSchema(many=True))
def similar(ticket_id: Any) -> Any:
    """Show ended tickets like this one and how they were resolved, the likest first."""
    actor = current_actor()
    return queries_similar.similar_tickets(actor, queries_list.get_ticket(actor, str(ticket_id)))


@triage.route("/tickets/statistics")
@documented(triage)
@triage.response(200, StatisticsSchema)
def statistics() -> Any:
    """Show times to acknowledge and to resolve of the last 30 days, by priority and playbook."""
    return queries_statistics.statistics(current_actor())
