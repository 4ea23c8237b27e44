"""The main path in a real browser against the real platform: sign in, launch, watch, fail, read the ticket."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page

from tests.browser.axe import CONTRAST, violations
from tests.browser.conftest import Watched
from tests.support.processes import wait_until
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
PASSWORD = "grey-otter-walks-home"
PATIENCE = 120_000  # ms; a slow machine needs some, a quick one none of it
PAGES = (
    "/",
    "/servers",
    "/servers/1",
    "/servers/new",
    "/playbooks",
    "/playbooks/1",
    "/playbooks/1/launch",
    "/launches",
)
PAGES += ("/playbooks/upload", "/jobs", "/tickets", "/tickets?view=board", "/audit", "/me", "/servers/999999")


def sign_in(page: Page, admin: dict[str, str]) -> None:
    page.fill("[name=username]", admin["username"])
    page.fill("[name=password]", admin["password"])
    page.click("button.primary")
    page.fill("[name=current_password]", admin["password"])
    page.fill("[name=new_password]", PASSWORD)
    page.fill("[name=repeated_password]", PASSWORD)
    page.click("main button.primary")
    page.wait_for_selector("h1:has-text('Dashboard')")


def launch(page: Page, base: str, playbook: str) -> None:
    page.goto(f"{base}/playbooks")
    page.click(f"a[aria-label='Launch {playbook}']")
    page.check("input[name=server_ids]")
    page.dblclick("aside button.primary")
    page.wait_for_url("**/launches/*")
    page.click("table.matrix th a")
    page.wait_for_url("**/jobs/*")


def assert_sound(watched: Watched) -> None:
    page = watched.page
    page.emulate_media(color_scheme="light")
    assert violations(page) == [], page.url
    page.emulate_media(color_scheme="dark")
    assert violations(page, CONTRAST) == [], page.url
    watched.assert_clean()


def test_a_person_signs_in_watches_a_job_live_and_reads_the_ticket_of_one_that_fails(
    stack: Stack, open_page: Callable[..., Watched]
) -> None:
    admin = stack.first_admin()
    stack.start()
    watched = open_page(stack.base_url)
    page = watched.page
    page.set_default_timeout(PATIENCE)
    sign_in(page, admin)

    launch(page, stack.base_url, "Hello")
    page.wait_for_selector(".log-rows >> text=Hello from controller, 1 of 3")  # nobody has loaded the page again
    page.wait_for_selector("#page-status [data-status=success]")
    assert_sound(watched)

    launch(page, stack.base_url, "Check a service port")
    page.wait_for_selector("#page-status [data-status=failed]")
    page.wait_for_selector(".log-failure:not([hidden])")
    link = page.locator("a:has-text('Ticket T-')")

    def has_ticket() -> bool:
        page.reload()
        return link.count() == 1

    wait_until(has_ticket, timeout=60, message="the ticket on the job's page")
    assert_sound(watched)
    link.click()
    page.wait_for_url("**/tickets/*")
    assert page.locator("h1").inner_text().startswith("Check a service port")
    assert_sound(watched)

    page.goto(f"{stack.base_url}/launches")
    assert page.locator("tbody tr").count() == 2  # each was clicked twice
    for path in PAGES:
        page.goto(stack.base_url + path)
        assert page.locator("h1").count() == 1, path
        assert_sound(watched)
