"""Pages' acts on tickets: one at a time, on ticked ones, merging and splitting."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.clock import utc_now
from app.core.edit_version import typed_version
from app.core.errors import InvalidInput, NotFound
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.tickets import queries_list, queries_merge, service_merge, service_triage
from app.tickets.service_triage import Act, Order

# Choices of the snooze form: word -> how long.
SNOOZES: dict[str, timedelta] = {
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "3d": timedelta(days=3),
    "7d": timedelta(days=7),
    "30d": timedelta(days=30),
}


def _order() -> Order:
    """Read the form: act, note or reason, snooze (a word of SNOOZES), assignee_id."""
    form = request.form
    try:
        act = Act(form.get("act", ""))
    except ValueError:
        raise InvalidInput(act="Choose what to do with the tickets.") from None
    until: datetime | None = None
    if act is Act.SNOOZE:
        length = SNOOZES.get(form.get("snooze", ""))
        if length is None:
            raise InvalidInput(snooze="Choose for how long.")
        until = utc_now() + length
    assignee = form.get("assignee_id", "")
    if assignee and not (assignee.isascii() and assignee.isdigit() and len(assignee) < 10):
        raise InvalidInput(assignee_id="Choose somebody from the list.")
    return Order(act, note=form.get("note"), until=until, assignee_id=int(assignee) if assignee else None)


def _back_to(ticket_id: Any) -> ResponseReturnValue:
    return redirect(url_for("tickets.ticket", ticket_id=ticket_id), 303)


def routes(blueprint: Blueprint) -> None:
    """Add the acts to the blueprint of tickets."""

    @blueprint.post("/tickets/<uuid:ticket_id>/act")
    def act(ticket_id: Any) -> ResponseReturnValue:
        """Carry out one act, then show the ticket."""
        require(current_actor(), Permission.TICKET_EDIT)
        service_triage.triage_ticket(current_actor(), str(ticket_id), _order(), version=typed_version())
        flash("Saved.", "success")
        return _back_to(ticket_id)

    @blueprint.post("/tickets/bulk")
    def bulk() -> ResponseReturnValue:
        """Carry out one act on ticked tickets, then show the list they were ticked in."""
        actor = current_actor()
        require(actor, Permission.TICKET_EDIT)
        uuids = list(dict.fromkeys(request.form.getlist("ticket_ids")))
        result = service_triage.triage_tickets(actor, uuids, _order())
        if result.done:
            flash(f"Done on {len(result.done)} ticket{'' if len(result.done) == 1 else 's'}.", "success")
        for _, number, why in result.refused[:10]:
            flash(f"T-{number}: {why}" if number else why, "warning")
        if len(result.refused) > 10:
            flash(f"And {len(result.refused) - 10} more refused.", "warning")
        query = request.form.get("back", "")
        return redirect(url_for("tickets.index") + (query if query.startswith("?") else ""), 303)

    @blueprint.route("/tickets/<uuid:ticket_id>/merge", methods=["GET", "POST"])
    def merge(ticket_id: Any) -> ResponseReturnValue:
        """Ask what to merge into (by number), say what will happen, then do it."""
        actor = current_actor()
        require(actor, Permission.TICKET_EDIT)
        found = queries_list.get_ticket(actor, str(ticket_id))
        errors: dict[str, list[str]] = {}
        into = None
        if request.method == "POST":
            into = queries_list.find_ticket(actor, request.form.get("into", ""))
            if into is None:
                errors = {"into": ["There is no such ticket. Type its number, like T-12."]}
            elif request.form.get("confirmed"):
                try:
                    survivor = service_merge.merge_ticket(
                        actor,
                        found.ticket_id,
                        into.ticket_id,
                        reason=request.form.get("reason"),
                        version=typed_version(),
                    )
                except InvalidInput as error:
                    errors, into = {name: list(texts) for name, texts in error.errors.items()}, None
                else:
                    flash(f"Merged. Repeats of T-{found.id} land here from now on.", "success")
                    return _back_to(survivor.ticket_id)
        page = render_template(
            "tickets/merge.html",
            ticket=found,
            into=into,
            form=request.form,
            errors=errors,
            candidates=queries_merge.merge_candidates(actor, found) if into is None else [],
        )
        return page, 422 if errors else 200

    @blueprint.post("/tickets/<uuid:ticket_id>/split")
    def split(ticket_id: Any) -> ResponseReturnValue:
        """Take a merge back, then show the ticket."""
        require(current_actor(), Permission.TICKET_EDIT)
        service_merge.split_ticket(current_actor(), str(ticket_id), version=typed_version())
        flash("Split. Repeats of this problem land here again.", "success")
        return _back_to(ticket_id)

    @blueprint.get("/tickets/number/<int:number>")
    def by_number(number: int) -> ResponseReturnValue:
        """Go to a ticket by its number, as people write it in texts."""
        found = queries_list.find_ticket(current_actor(), str(number))
        if found is None:
            raise NotFound("This ticket")
        return _back_to(found.ticket_id)
