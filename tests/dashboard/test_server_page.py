"""One page tells what concerns a server: what ran, what failed, who changed it."""

from __future__ import annotations

import html
import re

import pytest
from flask import Flask

from app.core.actor import Role
from tests import factories
from tests.holdings import make_holdings


@pytest.mark.database
def test_a_servers_page_shows_its_jobs_changes_and_tickets(app: Flask) -> None:
    admin = factories.make_person(factories.make_tenant("Default").id)
    held, other = make_holdings(app, admin), make_holdings(app, admin)
    for person, sees_log in ((admin, True), (factories.make_person(admin.tenant_id, Role.VIEWER), False)):
        browser = factories.sign_in(app.test_client(), person)
        page = browser.get(f"/servers/{held.server_id}").get_data(as_text=True)
        parts = {
            name: html.unescape(path)
            for path in re.findall(r'hx-get="([^"]+)"', page)
            for name in (path.split("?")[0],)
        }
        jobs = browser.get(parts["/jobs"]).get_data(as_text=True)
        assert held.job_id in jobs and other.job_id not in jobs
        assert f"/tickets/{held.ticket_id}" in page and other.ticket_id not in page
        assert ("<h2>Changes</h2>" in page) is sees_log
