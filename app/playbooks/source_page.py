"""What the source part of a project's page shows."""

from __future__ import annotations

from typing import Any

from app.core.actor import Actor
from app.playbooks import queries_sources
from app.playbooks.models import SYNC_OPEN, PlaybookProject
from app.sources.git_fields import offered_keys


def sync_context(actor: Actor, project: PlaybookProject) -> dict[str, Any]:
    """Return the newest sync, whether it is open, offered host keys, found files without a playbook, vanished ones."""
    newest = queries_sources.last_sync(actor, project)
    offers = queries_sources.offers_of(actor, project)
    return {
        "sync": newest,
        "is_syncing": newest is not None and newest.status in SYNC_OPEN,
        "offered": offered_keys(project),
        "offers": [offer for offer in offers if offer.playbook is None or not offer.playbook.is_active],
        "missing": queries_sources.missing_playbooks(actor, project),
    }
