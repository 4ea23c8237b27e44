"""Every template, rendered with sample data, in a real browser."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe

from tests.browser import sample_accounts, sample_jobs, samples
from tests.browser.preview_app import create_preview

pytestmark = pytest.mark.browser
assert sample_accounts and sample_jobs  # importing it fills samples.PAGES
AA = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}


CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def violations(page: Any, options: dict[str, Any] = AA) -> list[str]:
    found = Axe().run(page, options=options).response["violations"]
    return [f"{v['id']}: {n['target']} {n['failureSummary']}" for v in found for n in v["nodes"]]


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_a_page_is_accessible_in_both_themes_and_runs_no_text_as_script(
    name: str, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    watched = open_page(serve(create_preview()) + f"/page/{name}")
    page = watched.page
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, CONTRAST) == []
    assert page.locator("h1").count() == 1
    watched.assert_clean()


@pytest.mark.parametrize("name", sorted(samples.PAGES))
def test_a_page_fits_a_phone_without_scrolling_sideways(
    name: str, serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(serve(create_preview()) + f"/page/{name}", width=390, height=844).page
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_the_accessibility_check_sees_a_fault(serve: Callable[..., str], open_page: Callable[..., Any]) -> None:
    page = open_page(serve(create_preview()) + "/page/errors/404").page
    page.evaluate(
        "() => { const h = document.querySelector('h1'); h.style.color = '#ddd'; h.style.background = '#fff'; }"
    )
    assert any(found.startswith("color-contrast") for found in violations(page, CONTRAST))


def test_a_chosen_theme_is_kept_and_the_system_decides_without_a_choice(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    watched = open_page(serve(create_preview()) + "/page/errors/404", theme="dark")
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


def test_the_palette_opens_by_keyboard_and_shows_names_as_text(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    watched = open_page(serve(create_preview()) + "/page/errors/404")
    page = watched.page
    page.wait_for_selector("[data-theme-switch][title]")
    page.keyboard.press("Control+k")
    page.locator("#palette input").fill("<img src=x onerror=alert(1)>")
    page.wait_for_selector("#palette [role=option]:has-text('web-0 <img')")
    assert page.locator("#palette img").count() == 0
    page.keyboard.press("Enter")
    page.wait_for_url("**/to/server/0")
    watched.assert_clean()


def test_a_question_mark_shows_the_keys_and_g_goes_to_a_page(
    serve: Callable[..., str], open_page: Callable[..., Any]
) -> None:
    page = open_page(serve(create_preview()) + "/page/errors/404").page
    page.wait_for_selector("[data-theme-switch][title]")
    page.keyboard.press("?")
    assert page.locator("#help[open]").count() == 1
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/to/inventory.servers")
