"""A step of the demo that does not go as told ends it with a reason, whatever it printed before."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from app.standalone import demo
from app.standalone.demo import Story
from app.standalone.demo_client import Client, StoryError
from app.standalone.platform import Platform


class FakeClient:
    """Answers as the platform would for one job; tests change what differs."""

    def __init__(self) -> None:
        self.playbooks = [{"id": 7, "name": "Hello"}]
        self.job = {"job_id": "j", "number": 1, "status": "success", "log_lines": 2, "log_complete": True}
        self.job |= {"error_message": None, "failure_code": None, "launch_uuid": "l"}
        self.lines = [{"n": 1, "s": 1, "x": "one"}, {"n": 2, "s": 1, "x": "\x1b[0;32mtwo\x1b[0m"}]
        self.launched: list[Any] = []
        self.polled = False

    def ask(self, path: str, *, body: Any = None, **query: object) -> Any:
        if path == "/jobs":
            self.launched.append(body)
        found = {
            "/playbooks": self.playbooks,
            "/servers": [{"id": 3, "hostname": "controller-2"}, {"id": 4, "hostname": "controller"}],
            "/jobs": self.job,
            "/jobs/j": self.job,
            "/launches/l/results": {"tasks": [{"seq": 1, "name": "First task"}]},
            "/tickets": [],
        }
        return found[path]

    def follow(self, job_id: str, seconds: float) -> Iterator[dict[str, Any]]:
        return iter(self.lines)


@pytest.fixture
def client() -> FakeClient:
    return FakeClient()


@pytest.fixture
def story(client: FakeClient) -> Story:
    platform = SimpleNamespace(base_url="http://127.0.0.1:1")
    return Story(cast(Platform, platform), cast(Client, client))


def test_a_job_that_ends_as_told_is_printed_without_colours_into_a_file(
    story: Story, client: FakeClient, capsys: pytest.CaptureFixture[str]
) -> None:
    story.run_playbook("Hello", {"a": 1}, "success")

    printed = capsys.readouterr().out
    assert "   | TASK [First task]\n   | one\n   | two\n" in printed
    assert client.launched == [{"playbook_id": 7, "server_id": 4, "extra_vars": {"a": 1}}]


def test_a_job_that_ends_otherwise_says_how_and_why(story: Story, client: FakeClient) -> None:
    client.job |= {"status": "failed", "error_message": "The server was unreachable."}
    with pytest.raises(StoryError, match="should have ended as 'success': The server was unreachable"):
        story.run_playbook("Hello", {}, "success")


def test_a_line_that_the_stream_left_out_is_noticed(story: Story, client: FakeClient) -> None:
    del client.lines[0]
    with pytest.raises(StoryError, match="has 2 lines, the stream gave 1"):
        story.run_playbook("Hello", {}, "success")


def test_a_playbook_that_somebody_deactivated_is_named(story: Story, client: FakeClient) -> None:
    client.playbooks = []
    with pytest.raises(StoryError, match="no active playbook named 'Hello'"):
        story.run_playbook("Hello", {}, "success")


def test_a_failure_without_a_ticket_ends_the_story(
    story: Story, client: FakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(demo, "TICKET_SECONDS", 0.0)
    with pytest.raises(StoryError, match="No ticket opened for job #1"):
        story.show_ticket(client.job)


def test_a_broken_audit_chain_ends_the_story(client: FakeClient) -> None:
    broken = SimpleNamespace(returncode=1, stdout="default: BROKEN. Entry 3 was changed.\n", stderr="")
    platform = SimpleNamespace(flask=lambda *words: broken)
    with pytest.raises(StoryError, match="flask audit verify ended with 1"):
        Story(cast(Platform, platform), cast(Client, client)).verify_audit()
