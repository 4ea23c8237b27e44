"""What people do with the log itself: have it verified, take it away as a file."""

from __future__ import annotations

from dataclasses import asdict

from app.audit import queries
from app.audit.models import AuditVerification
from app.audit.queries import AuditFilter
from app.audit.resource import Resource
from app.audit.service import record
from app.audit.verify import store_verification, verify_chain
from app.audit.walks import begin_walk
from app.core.actor import Actor
from app.core.clock import utc_now
from app.core.errors import Conflict
from app.core.permissions import Permission, require

WALK_LIMIT = 20_000  # entries that one request checks, about half a second


def verify_now(actor: Actor) -> AuditVerification | None:
    """Walk the actor's chain and keep the result; None above WALK_LIMIT entries: the keeper does it step by step.

    Conflict when a walk is under way already.
    """
    require(actor, Permission.AUDIT_VIEW)
    if queries.open_walk(actor) is not None:
        raise Conflict("The log is being verified already. Its page shows how far it is.")
    if queries.newest_seq(actor) > WALK_LIMIT:
        walk = begin_walk(actor.tenant_id, actor.user_id)
        record(actor, "audit:ask_verification", Resource("audit", walk.id), action="VERIFY")
        return None
    result = store_verification(verify_chain(actor.tenant_id), user_id=actor.user_id, started_at=utc_now())
    details = {"entries": result.entries, "intact": result.intact, "first_bad_seq": result.first_bad_seq}
    record(actor, "audit:verify", Resource("audit", result.id), details=details)
    return result


def note_export(actor: Actor, wanted: AuditFilter, form: str) -> int:
    """Record that the actor takes the entries of a filter away as a file; return the id of the newest one in it."""
    require(actor, Permission.AUDIT_VIEW)
    asked = {name: value for name, value in asdict(wanted).items() if value is not None}
    record(actor, "audit:export", Resource("audit"), details={"format": form, **asked})
    return queries.newest_id(actor)
