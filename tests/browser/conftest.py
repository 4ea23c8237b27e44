"""One Chromium for all browser tests, and a page that notices whatever a page must never do."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from flask import Flask
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from werkzeug.serving import make_server

from tests.browser.preview_app import create_preview

CHROMIUM = Path("/usr/bin/chromium")
ARGS = ["--no-sandbox", "--headless", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
# Collected by a script of the test, because a violation is an event of the document.
WATCH_CSP = """
window.__csp = [];
document.addEventListener("securitypolicyviolation",
  (e) => window.__csp.push(`${e.violatedDirective} ${e.blockedURI}`));
"""


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("needs Chromium at /usr/bin/chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGS)
        yield chromium
        chromium.close()


@pytest.fixture
def serve() -> Iterator[Callable[[Flask], str]]:
    """Give a function that serves an application on a free port and returns its base address."""
    servers = []

    def start(app: Flask) -> str:
        server = make_server("127.0.0.1", 0, app, threaded=True)
        server.daemon_threads = True  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        servers.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join(5)
        server.server_close()


@pytest.fixture(scope="session")
def preview_url() -> Iterator[str]:
    """Serve every template with sample data, once for the whole session; gives the base address."""
    server = make_server("127.0.0.1", 0, create_preview(), threaded=True)
    server.daemon_threads = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join(5)
    server.server_close()


@dataclass
class Watched:
    """A page together with what it did that it must not do."""

    page: Page
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def assert_clean(self) -> None:
        """Fail if a script ran that should not, an error was thrown or the policy was violated."""
        assert self.dialogs == []
        assert self.errors == []
        assert self.page.evaluate("window.__csp") == []


@pytest.fixture(scope="session")
def one_page(browser: Browser) -> Iterator[Watched]:
    """One light page for tests that only look: it keeps its cache from one address to the next."""
    context = browser.new_context(
        viewport={"width": 1280, "height": 800}, color_scheme="light", reduced_motion="reduce"
    )
    yield _watch(context)
    context.close()


def _watch(context: BrowserContext) -> Watched:
    context.add_init_script(WATCH_CSP)
    watched = Watched(context.new_page())
    watched.page.on("dialog", lambda d: (watched.dialogs.append(d.message), d.dismiss()))
    watched.page.on("pageerror", lambda e: watched.errors.append(str(e)))
    return watched


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Watched]]:
    """Give a function that opens an address in a fresh context and watches it."""
    contexts = []

    def open_(url: str, *, theme: str = "light", width: int = 1280, height: int = 800, scripts: bool = True) -> Watched:
        context = browser.new_context(
            viewport={"width": width, "height": height},
            color_scheme=theme,
            java_script_enabled=scripts,
            reduced_motion="reduce",
        )
        contexts.append(context)
        watched = _watch(context)
        watched.page.goto(url)
        return watched

    yield open_
    for context in contexts:
        context.close()
