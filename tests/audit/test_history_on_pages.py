"""What happened to a thing stands on the page of the thing."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask

from app.accounts.models_teams import Team
from app.core.actor import Role
from tests import factories
from tests.holdings import make_holdings


@pytest.mark.parametrize("kind", ["playbook", "server_group", "team", "saved_launch"])
def test_the_page_of_a_thing_tells_what_happened_to_it(app: Flask, kind: str) -> None:
    admin = factories.make_person(factories.make_tenant("Default").id)
    held = make_holdings(app, admin)
    team = factories.rows(Team)[0]
    path = {
        "playbook": f"/playbooks/{held.playbook_id}",
        "server_group": f"/server-groups/{held.group_id}",
        "team": f"/teams/{team.uuid}",
        "saved_launch": f"/saved-launches/{held.saved_uuid}",
    }[kind]
    browser = factories.sign_in(app.test_client(), admin)
    page = browser.get(path)
    assert page.status_code == 200
    found = re.search(r'hx-get="(/audit/history[^"]+)"', page.get_data(as_text=True))
    assert found is not None
    part = browser.get(html.unescape(found[1])).get_data(as_text=True)
    assert re.search(r":create<", part)
    viewer = factories.sign_in(app.test_client(), factories.make_person(admin.tenant_id, Role.VIEWER))
    seen = viewer.get(path)
    assert seen.status_code == 200 and "/audit/history" not in seen.get_data(as_text=True)


def test_the_log_leads_to_the_pages_of_things(app: Flask) -> None:
    admin = factories.make_person(factories.make_tenant("Default").id)
    held = make_holdings(app, admin)
    browser = factories.sign_in(app.test_client(), admin)
    log = browser.get("/audit").get_data(as_text=True)
    entries = [browser.get(path).get_data(as_text=True) for path in set(re.findall(r"/audit/entries/\d+", log))]
    for path in (
        f"/server-groups/{held.group_id}",
        f"/teams/{held.team_uuid}",
        f"/saved-launches/{held.saved_uuid}",
    ):
        assert any(f'<dt>On</dt><dd><a href="{path}">' in entry for entry in entries), path
