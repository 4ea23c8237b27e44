"""Saved launches as people and programs see them: names, rights and figures, with a constant number of queries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.core.actor import Actor
from app.playbooks import queries, queries_saved, saved_rights
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.saved_statistics import SavedFigures, saved_figures
from app.playbooks.schemas_saved import saved_json


def saved_rows(actor: Actor, saved: Sequence[SavedLaunch]) -> list[dict[str, Any]]:
    """Return rows for SavedOut and the pages, in the order of ``saved``."""
    if not saved:
        return []
    figures = saved_figures(actor, [row.uuid for row in saved])
    playbooks = queries_saved.playbooks_of(actor, saved)
    owners = queries.user_names(actor, [row.owner_id for row in saved])
    marked = queries_saved.favourites_of(actor, saved)
    may_launch, may_edit = saved_rights.launchable(actor, saved), saved_rights.editable(actor, saved)
    return [
        saved_json(
            row,
            figures.get(row.uuid, SavedFigures()),
            playbook_name=playbooks[row.playbook_id].name,
            owner_name=owners.get(row.owner_id, "somebody"),
            is_favourite=row.id in marked,
            may_launch=row.id in may_launch and row.is_active,
            may_edit=row.id in may_edit,
        )
        for row in saved
    ]
