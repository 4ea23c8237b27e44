"""Every template, rendered with sample data, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser import (
    sample_accounts,
    sample_content,
    sample_groups,
    sample_jobs,
    sample_servers,
    sample_sources,
    sample_terraform,
    sample_tickets,
    samples,
)
from tests.browser.axe import CONTRAST, violations
from tests.browser.conftest import Watched

pytestmark = pytest.mark.browser
assert (
    sample_accounts
    and sample_content
    and sample_groups
    and sample_jobs
    and sample_tickets
    and sample_servers
    and sample_terraform
    and sample_sources
)  # importing it fills samples.PAGES


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_a_page_is_accessible_in_both_themes_fits_a_phone_and_runs_no_text_as_script(
    name: str, preview_url: str, one_page: Watched
) -> None:
    page = one_page.page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.emulate_media(color_scheme="light")
    page.goto(f"{preview_url}/page/{name}")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, CONTRAST) == []
    assert page.locator("h1").count() == 1
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    one_page.assert_clean()


def test_the_accessibility_check_sees_a_fault(preview_url: str, open_page: Callable[..., Any]) -> None:
    page = open_page(preview_url + "/page/errors/404").page
    page.evaluate(
        "() => { const h = document.querySelector('h1'); h.style.color = '#ddd'; h.style.background = '#fff'; }"
    )
    assert any(found.startswith("color-contrast") for found in violations(page, CONTRAST))


def test_a_chosen_theme_is_kept_and_the_system_decides_without_a_choice(
    preview_url: str, open_page: Callable[..., Any]
) -> None:
    watched = open_page(preview_url + "/page/errors/404", theme="dark")
    page = watched.page
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    switch = page.locator("[data-theme-switch]")
    page.wait_for_selector("[data-theme-switch][title]")
    switch.click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    light = page.evaluate(background)
    assert light != dark
    page.reload()
    assert page.evaluate(background) == light
    watched.assert_clean()


def test_the_palette_opens_by_keyboard_and_shows_names_as_text(preview_url: str, open_page: Callable[..., Any]) -> None:
    watched = open_page(preview_url + "/page/errors/404")
    page = watched.page
    page.wait_for_selector("[data-theme-switch][title]")
    page.keyboard.press("Control+k")
    page.locator("#palette input").fill("<img src=x onerror=alert(1)>")
    page.wait_for_selector("#palette [role=option]:has-text('web-0 <img')")
    assert page.locator("#palette img").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_url("**/to/server/0")
    watched.assert_clean()


def test_a_question_mark_shows_the_keys_and_g_goes_to_a_page(preview_url: str, open_page: Callable[..., Any]) -> None:
    page = open_page(preview_url + "/page/errors/404").page
    page.wait_for_selector("[data-theme-switch][title]")
    page.keyboard.press("?")
    assert page.locator("#help[open]").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/to/inventory.servers")
