"""What playbooks offer to slices beside them: launching what is saved."""

from __future__ import annotations

from app.core.actor import Actor
from app.jobs import launchers
from app.playbooks import queries_saved
from app.playbooks.queries_saved import SavedFilter
from app.playbooks.service_saved_launch import launch_saved_on

MOST = 100  # saved launches that are offered


def saved_titles(actor: Actor) -> dict[str, str]:
    """Return the active saved launches by UUID, by name."""
    page = queries_saved.list_saved(actor, SavedFilter(active=True), page_size=MOST)
    return {saved.uuid: saved.name for saved in page.items}


launchers.launchers[launchers.SAVED] = launch_saved_on
launchers.titles[launchers.SAVED] = saved_titles
