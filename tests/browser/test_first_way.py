"""A new user's way, counted: from signing in to the first line of an own playbook from git on an own server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import Watched
from tests.browser.test_story import sign_in
from tests.support.git_repositories import Repository
from tests.support.hosts import SshHosts
from tests.support.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.stack]
CLICKS = 21  # more than these on the way is a step backwards
PLAY = """---
- name: Say it
  hosts: all
  gather_facts: false
  tasks:
    - name: Say it
      ansible.builtin.debug:
        msg: Hello from my own playbook
"""


class Way:
    """A person who is counted: each click and each field that is filled."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks, self.fields = page, 0, 0
        self.steps: list[tuple[str, int, float]] = []
        self._began = self._since = time.monotonic()
        self._before = 0

    def click(self, selector: str) -> None:
        self.page.locator(selector).first.click()
        self.clicks += 1

    def fill(self, **values: str) -> None:
        for name, value in values.items():
            self.page.fill(f"[name={name}]", value)
            self.fields += 1

    def step(self, name: str) -> None:
        """Note what the clicks since the last step were for."""
        now = time.monotonic()
        self.steps.append((name, self.clicks - self._before, now - self._since))
        self._since, self._before = now, self.clicks

    @property
    def told(self) -> str:
        """The whole way in one line."""
        parts = ", ".join(f"{name} {clicks} clicks {seconds:.0f} s" for name, clicks, seconds in self.steps)
        seconds = time.monotonic() - self._began
        return f"first way: {self.clicks} clicks, {self.fields} fields, {seconds:.0f} s to the first line ({parts})"


def bring_server(way: Way, hosts: SshHosts, key_path: Path) -> str:
    """Add a server, have it tested, accept its host key."""
    host = hosts.new("own-1")
    way.click("nav.side >> text=Servers")
    way.click("a:has-text('Add a server')")
    way.fill(hostname="own-1.example.org", ip_address=host.address, ssh_user=host.user)
    way.fill(ssh_port=str(host.port), ssh_key_path=str(key_path), python_interpreter=host.python_interpreter)
    way.click("button:has-text('Add the server')")
    way.click("button:has-text('Test connection')")
    way.click("button:has-text('Accept this key')")
    way.click("#confirm button.danger")
    way.page.wait_for_selector("text=accepted")
    way.step("server")
    return "own-1.example.org"


def bring_playbook(way: Way, repository: Repository) -> None:
    """Name a git repository, take a playbook out of it, read and approve it."""
    way.click("nav.side >> text=Playbooks")
    way.click("nav.tabs >> text=Projects")
    way.click("main a:has-text('New project')")
    way.fill(name="Own plays", git_url=repository.url)
    way.click("button:has-text('Make the project')")
    way.page.wait_for_selector("text=Found playbooks")
    way.page.locator("[name=paths]").first.check()
    way.clicks += 1
    way.click("button:has-text('Make playbooks')")
    way.click("a:has-text('Read and approve')")
    way.click("button:has-text('Approve this content')")
    way.step("playbook from git")


def test_a_new_user_gets_from_sign_in_to_the_first_line_of_an_own_playbook(
    stack: Stack,
    ssh_hosts: SshHosts,
    tmp_path: Path,
    open_page: Callable[..., Watched],
    summary_line: Callable[[str], None],
) -> None:
    repository = Repository(tmp_path / "repositories" / "plays")
    repository.commit({"site.yml": PLAY}, "The first play")
    stack.settings["MILLWRIGHT_GIT_LOCAL_ROOT"] = str(tmp_path / "repositories")
    key_path = ssh_hosts.install_key(stack.data_dir / "ssh_keys")
    admin = stack.first_admin()
    stack.start()
    watched = open_page(stack.base_url)
    watched.page.set_default_timeout(30_000)
    way = Way(watched.page)
    sign_in(watched.page, admin)
    way.clicks, way.fields = 2, 5
    way.step("sign in")

    hostname = bring_server(way, ssh_hosts, key_path)
    bring_playbook(way, repository)

    way.click("main a:has-text('Launch')")
    way.page.locator(f"label:has-text('{hostname}') input[name=server_ids]").check()
    way.clicks += 1
    way.click("aside button.primary")
    way.click("table.matrix th a")
    watched.page.wait_for_selector(".log-rows >> text=Hello from my own playbook")
    way.step("launch")
    summary_line(way.told)
    watched.page.wait_for_selector("#page-status [data-status=success]")
    watched.assert_clean()
    assert way.clicks <= CLICKS
