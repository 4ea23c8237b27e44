"""The log viewer against its data contract, in a real browser. What it must hold does not depend on speed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.log_app import FakeJob, create_log_app, million
from tests.browser.test_pages import violations
from tests.support.processes import wait_until

pytestmark = pytest.mark.browser
Open = Callable[..., Any]
READY = ".log[data-ready]"
ALL_SHOWN = "() => ![...document.querySelectorAll('.is-missing')].length"


@pytest.fixture
def open_log(serve: Callable[..., str], open_page: Open) -> Open:
    def open_(job: FakeJob, fragment: str = "", **options: Any) -> Any:
        watched = open_page(serve(create_log_app(job)) + f"/log/{job.job_id}{fragment}", **options)
        watched.page.wait_for_selector(READY)
        watched.page.wait_for_function(ALL_SHOWN)
        return watched

    return open_


def shown(page: Any) -> list[int]:
    return page.evaluate("[...document.querySelectorAll('a.log-number')].map(a => Number(a.dataset.n))")


IN_VIEW = """n => { const a = document.querySelector(`a.log-number[data-n="${n}"]`); if (!a) return false;
        const r = a.getBoundingClientRect();
        const b = document.querySelector('.log-scroll').getBoundingClientRect();
        return r.top >= b.top - 1 && r.bottom <= b.bottom + 1; }"""


def line_in_view(page: Any, n: int) -> bool:
    return page.evaluate(IN_VIEW, n)


def wait_until_in_view(page: Any, n: int) -> None:
    page.wait_for_function(IN_VIEW, arg=n)


def wait_for_line(page: Any, n: int) -> None:
    page.wait_for_selector(f"a.log-number[data-n='{n}']")
    page.wait_for_function(ALL_SHOWN)


def test_a_million_lines_open_at_the_first_failure_with_few_nodes_and_few_requests(open_log: Open) -> None:
    job = million()
    watched = open_log(job)
    page = watched.page
    assert line_in_view(page, 699_501)
    assert page.locator("[data-log=failure]").is_visible()
    assert "no space left" in page.locator("[data-log=failure-text]").inner_text()
    assert page.evaluate("document.querySelectorAll('.log *').length") < 700
    assert job.requests["lines"] <= 5
    assert page.locator("[data-log=mark]").inner_text() == "complete: 1,000,000 lines"
    watched.assert_clean()


def test_dragging_and_paging_through_a_million_lines_keeps_memory_and_reaches_both_ends(
    open_log: Open,
) -> None:
    job = million()
    page = open_log(job).page
    box = page.locator(".log-scroll")
    for step in range(60):
        box.evaluate("(e, k) => { e.scrollTop = (e.scrollHeight - e.clientHeight) * k / 60; }", step)
        page.wait_for_timeout(5)
    box.evaluate("e => { e.scrollTop = e.scrollHeight; }")
    wait_for_line(page, 1_000_000)
    assert line_in_view(page, 1_000_000)
    box.evaluate("e => { e.scrollTop = 0; }")
    wait_for_line(page, 1)
    assert line_in_view(page, 1)
    assert page.evaluate("document.querySelector('.log').viewer.lines.blockCount") <= 40
    assert page.evaluate("document.querySelectorAll('.log *').length") < 700


def test_small_scrolls_in_a_scaled_log_skip_no_line(open_log: Open) -> None:
    page = open_log(million(), "#L500000").page
    wait_for_line(page, 500_000)
    seen: set[int] = set()
    page.locator(".log-scroll").hover()
    for _ in range(12):
        seen |= set(shown(page))
        before = page.evaluate("document.querySelector('.log').viewer.view.map.top")
        page.mouse.wheel(0, 240)
        page.wait_for_function("t => document.querySelector('.log').viewer.view.map.top > t", arg=before)
        page.wait_for_function(
            "() => new Promise(r => requestAnimationFrame(() => requestAnimationFrame(() => r(true))))"
        )
    assert sorted(seen) == list(range(min(seen), max(seen) + 1))
    assert max(seen) - min(seen) < 400


def test_a_running_log_follows_stops_when_one_scrolls_up_and_f_follows_again(open_log: Open) -> None:
    job = FakeJob("live", 3000, status="running")
    watched = open_log(job)
    page = watched.page
    assert line_in_view(page, 3000)
    job.publish(150)
    wait_for_line(page, 3150)
    assert line_in_view(page, 3150)
    page.locator(".log-scroll").hover()
    page.mouse.wheel(0, -400)
    page.wait_for_selector("[data-log=follow][aria-pressed=false]")
    first = shown(page)[0]
    job.publish(500)
    page.wait_for_function("() => document.querySelector('.log').viewer.lines.total === 3650")
    assert not line_in_view(page, 3650)
    assert shown(page)[0] <= first
    page.keyboard.press("f")
    wait_for_line(page, 3650)
    assert page.locator("[data-log=follow]").get_attribute("aria-pressed") == "true"
    watched.assert_clean()


def test_after_a_cut_the_log_goes_on_without_loss_or_double(open_log: Open) -> None:
    job = FakeJob("live", 100, status="running", per_task=10_000)
    watched = open_log(job)
    page = watched.page
    page.wait_for_function("() => document.querySelector('[data-log=mark] span').textContent.startsWith('live')")
    job.publish(50)
    wait_for_line(page, 150)
    for _ in range(3):
        job.change(lambda: (setattr(job, "generation", job.generation + 1), setattr(job, "total", job.total + 37)))
    page.wait_for_function("() => document.querySelector('.log').viewer.lines.total === 261")
    job.finish("success")
    page.wait_for_function("() => document.querySelector('[data-log=mark] span').textContent === 'complete: 261 lines'")
    assert any(cursor.startswith("live:") for cursor in job.resumed_from)
    numbers = page.evaluate(
        """async () => { const v = document.querySelector('.log').viewer, out = [];
        for (let n = 1; n <= 261; n++) out.push(v.lines.get(n)?.x); return out; }"""
    )
    assert [n for n, text in enumerate(numbers, 1) if text not in (None, job.text(n))] == []
    page.locator(".log-scroll").evaluate("e => { e.scrollTop = 0; }")
    wait_for_line(page, 1)
    assert len(shown(page)) == len(set(shown(page)))
    assert page.locator("#page-status").inner_text() == "success"
    watched.assert_clean()


def test_four_tabs_share_one_stream_and_each_gets_its_own_lines(serve: Callable[..., str], open_page: Open) -> None:
    jobs = [FakeJob(name, 10, status="running", per_task=10_000) for name in ("one", "two", "three")]
    base = serve(create_log_app(*jobs))
    watched = open_page(f"{base}/log/one")
    pages = [watched.page]
    for name in ("two", "three", "three"):  # the fourth tab shows what the third does
        pages.append(watched.page.context.new_page())
        pages[-1].goto(f"{base}/log/{name}")
    live = "() => document.querySelector('[data-log=mark] span').textContent.startsWith('live')"
    for page in pages:
        page.wait_for_function(live)
    wait_until(lambda: [job.open_streams for job in jobs] == [1, 1, 1], message="one stream for all tabs")
    for number, job in enumerate(jobs):
        job.publish(5 + number)
    for page, last in zip(pages, (15, 16, 17, 17), strict=True):
        wait_for_line(page, last)
        assert page.evaluate("document.querySelector('.log').viewer.lines.total") == last
        assert line_in_view(page, last)
    for page in pages[1:3]:
        page.close()
    wait_until(lambda: [job.open_streams for job in jobs] == [1, 0, 1], message="the others' stream")
    jobs[2].publish(1)
    wait_for_line(pages[3], 18)
    pages[3].close()
    wait_until(lambda: [job.open_streams for job in jobs] == [1, 0, 0], message="the last tab's stream")
    jobs[0].finish("success")
    watched.page.wait_for_function(
        "() => document.querySelector('[data-log=mark] span').textContent === 'complete: 15 lines'"
    )
    watched.assert_clean()


def test_where_streams_are_refused_the_log_polls_to_the_end(open_log: Open) -> None:
    job = FakeJob("live", 20, status="running", refuse=429)
    page = open_log(job).page
    page.wait_for_function("() => document.querySelector('[data-log=mark] span').textContent.includes('every 2 s')")
    job.publish(25)
    wait_for_line(page, 45)
    job.finish("failed")
    page.wait_for_function("() => document.querySelector('[data-log=mark] span').textContent === 'complete: 45 lines'")


def test_folding_hides_a_tasks_lines_and_shows_status_and_duration(open_log: Open) -> None:
    job = FakeJob("done", 60, per_task=20, failed_task=2, first_failure=21, status="failed")
    job.runs = [{"after_line": 20, "v": "WARNING", "x": "[WARNING]: of the whole run"}]
    page = open_log(job, height=1600).page
    page.wait_for_selector(".log-task:has-text('Task number 2')")
    heads = page.locator(".log-task")
    assert heads.count() == 3
    assert heads.nth(1).locator(".status").inner_text() == "failed"
    assert "2.5 s" in heads.nth(1).inner_text()
    assert page.locator(".is-run").inner_text().endswith("of the whole run")
    page.locator("[data-fold='1']").click()
    page.wait_for_selector("[data-fold='1'][aria-expanded=false]")
    assert [n for n in shown(page) if n <= 20] == []
    assert set(range(21, 61)) <= set(shown(page))
    page.locator("[data-log=unfold-all]").click()
    wait_for_line(page, 1)
    page.locator("[data-log=fold-all]").click()
    page.wait_for_function("() => !document.querySelector('a.log-number')")
    page.keyboard.press("n")
    wait_for_line(page, 21)
    assert [n for n in shown(page) if n > 40] == []


def test_a_task_that_a_finished_job_was_cut_off_in_is_not_said_to_run(open_log: Open) -> None:
    ended = open_log(FakeJob("lost", 20, status="failed", per_task=10, cut_off=True)).page
    assert ended.locator(".log-task .status").last.inner_text() == "no result"
    running = open_log(FakeJob("live", 20, status="running", per_task=10)).page
    assert running.locator(".log-task .status").last.inner_text() == "running"


def test_search_on_the_server_finds_next_and_previous_and_unfolds(open_log: Open) -> None:
    job = FakeJob("done", 300_000, text=lambda n: f"needle <b>{n}</b>" if n in (50, 250_100, 250_700) else f"hay {n}")
    watched = open_log(job)
    page = watched.page
    page.keyboard.press("/")
    page.keyboard.type("NEEDLE")
    page.keyboard.press("Enter")
    wait_for_line(page, 50)
    page.keyboard.press("Enter")
    wait_for_line(page, 250_100)
    page.wait_for_function("() => document.querySelector('[data-log=hits]').textContent.startsWith('2 of')")
    assert page.locator(".log-line.is-current mark").inner_text() == "needle"
    page.locator("[data-log=next]").click()
    wait_for_line(page, 250_700)
    page.locator("[data-log=previous]").click()
    page.wait_for_function("() => document.querySelector('[data-log=hits]').textContent.startsWith('2 of')")
    wait_until_in_view(page, 250_100)
    page.locator("[data-log=search]").fill("nowhere")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('[data-log=hits]').textContent === 'no hit'")
    watched.assert_clean()


def test_a_level_filter_shows_only_that_level_and_going_to_a_line_leaves_it(open_log: Open) -> None:
    page = open_log(million()).page
    page.locator("[data-log=level]").select_option("ERROR")
    page.wait_for_function("() => document.querySelector('.log').viewer.filtered?.size === 20")
    page.wait_for_function("() => document.querySelectorAll('a.log-number').length === 20")
    assert shown(page) == list(range(699_501, 699_521))
    page.locator("[data-log=failure]").click()
    wait_for_line(page, 699_500)
    assert page.locator("[data-log=level]").input_value() == ""


def test_a_link_to_lines_shows_and_marks_them_and_numbers_are_links(open_log: Open) -> None:
    page = open_log(million(), "#L1234-L1236").page
    wait_for_line(page, 1234)
    assert page.locator(".is-selected").count() == 3
    page.locator("a.log-number[data-n='1240']").click()
    assert page.evaluate("location.hash") == "#L1240"
    page.locator("a.log-number[data-n='1243']").click(modifiers=["Shift"])
    assert page.evaluate("location.hash") == "#L1240-L1243"
    assert page.locator(".is-selected").count() == 4


def test_what_a_host_prints_is_shown_as_text_and_ansi_becomes_classes(open_log: Open) -> None:
    texts = {
        1: "<img src=x onerror=alert(1)><script>alert(2)</script>",
        2: "\x1b[1;31mred\x1b[0m plain \x1b[38;5;46mgreen\x1b[48;2;0;0;250mblue ground\x1b[m",
        3: "\x1b]8;;javascript:alert(3)\x07link\x1b]8;;\x07 \x1b[2J\x1b[999;999Hmoved",
        4: "bell\x07 back\x08 \x1b",
        5: "\u202egnp.exe " + "x" * 20_000,
    }
    watched = open_log(FakeJob("done", 5, text=texts.__getitem__, per_task=5))
    page = watched.page
    line = page.locator(".log-text")
    assert line.nth(0).inner_text() == texts[1]
    assert page.locator(".log-text img, .log-text script, .log-text a").count() == 0
    assert line.nth(1).inner_text() == "red plain greenblue ground"
    assert line.nth(1).locator(".a-red.a-bold").inner_text() == "red"
    assert line.nth(1).locator(".a-green").first.inner_text() == "green"
    assert line.nth(1).locator(".ab-blue").inner_text() == "blue ground"
    assert line.nth(2).inner_text() == "link moved"
    assert "bell\u2407 back\u2408" in line.nth(3).inner_text()
    assert "more characters in the raw log" in line.nth(4).inner_text()
    page.keyboard.press("w")
    page.wait_for_selector(".is-wrapped")
    watched.assert_clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_the_log_is_accessible(open_log: Open, theme: str, width: int) -> None:
    page = open_log(million(), theme=theme, width=width, height=900).page
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_the_log_offers_its_plain_text(serve: Callable[..., str], open_page: Open) -> None:
    page = open_page(serve(create_log_app(FakeJob("done", 5))) + "/log/done", scripts=False).page
    assert page.get_by_role("link", name="Read it as plain text").is_visible()
    assert not page.locator("[data-log=follow]").is_visible()
