"""A ticket's history in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from app.tickets import queries_list
from app.tickets.models import TicketEvent
from app.tickets.wording import name_hosts


@dataclass(frozen=True, slots=True)
class EventRow:
    """One line of a ticket's history; ``said`` is a sentence without its author."""

    kind: str
    who: str
    at: datetime
    said: str
    body: str | None
    details: Mapping[str, Any]
    moved_from: int | None  # number of the merged ticket that it came with
    id: int


def event_rows(events: Sequence[TicketEvent]) -> list[EventRow]:
    """Return a history for people, in its order; one query."""
    names = queries_list.names_of_users({event.user_id for event in events})
    return [
        EventRow(
            kind=event.kind,
            who=names.get(event.user_id, "somebody") if event.user_id else "Millwright",
            at=event.created_at,
            said=_sentence(event.kind, event.details or {}),
            body=event.body,
            details=event.details or {},
            moved_from=event.moved_from,
            id=event.id,
        )
        for event in events
    ]


def _where(details: Mapping[str, Any]) -> str:
    hosts = [str(host) for host in details.get("hosts", ())]
    if not hosts:
        return ""
    more = int(details.get("hosts_total", len(hosts))) - len(hosts)
    return f" on {', '.join(hosts)} and {more} more" if more > 0 else f" on {name_hosts(hosts)}"


def _moment(details: Mapping[str, Any]) -> str:
    try:
        moment = datetime.fromisoformat(str(details.get("until") or details.get("due")))
    except ValueError:
        return "another time"
    return f"{moment.astimezone(UTC):%d %b %Y %H:%M} UTC"


_WOKEN = {
    "time": "Back: the snooze ended.",
    "person": "Snooze ended by hand.",
    "priority": "Back before its time: it became more urgent.",
}


def _words(value: Any) -> str:
    return str(value).replace("_", " ")


def _sentence(kind: str, details: Mapping[str, Any]) -> str:
    where = _where(details)
    if kind in ("joined", "reopened") and "occurrences" in details:
        verb = "Seen again" if kind == "joined" else "Came back and was reopened"
        return f"{verb}{where}, {details['occurrences']} times by now."
    if kind == "cleared":
        left = int(details.get("remaining", 0))
        return f"Green again{where}; still open on {left} {'server' if left == 1 else 'servers'}."
    rule = f", by the rule '{details['rule']}'" if details.get("rule") else ""
    if kind in ("status", "priority"):
        return f"{kind.capitalize()}: {_words(details.get('from'))} to {_words(details.get('to'))}{rule}."
    if kind == "assigned":
        return f"Assigned to {details.get('assignee') or 'nobody'}{rule}."
    if kind in ("snoozed", "overdue"):
        return f"{'Snoozed until' if kind == 'snoozed' else 'Overdue: it was due at'} {_moment(details)}."
    if kind == "woken":
        return _WOKEN.get(str(details.get("why")), "Snooze ended.")
    if kind == "merged":
        return f"Merged into T-{details.get('into')}; repeats land there from now on."
    if kind in ("took_in", "split"):
        verb = "Took in" if kind == "took_in" else "Split from"
        return f"{verb} T-{details.get('number')}."
    if kind == "edited":
        return f"Changed the {' and the '.join(map(str, details.get('fields', ())))}."
    if kind == "closed":
        return f"Closed: it stayed resolved for {details.get('days')} days."
    return {
        "opened": f"Opened{': failed' + where if where else ''}.",
        "reopened": "Reopened.",
        "resolved": "Resolved: the problem is gone on every server that showed it.",
        "acknowledged": "Acknowledged.",
        "comment": "Commented.",
    }.get(kind, _words(kind).capitalize() + ".")
