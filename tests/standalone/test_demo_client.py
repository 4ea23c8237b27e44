"""Following a log through the REST API: resumed, polled when the stream cannot be had, bounded."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from app.standalone import demo_client
from app.standalone.demo_client import Client, StoryError

Answer = tuple[int, str]
Serve = Callable[[Callable[[str, str | None], Answer]], str]


def _lines(*numbers: int) -> list[dict[str, object]]:
    return [{"n": number, "x": f"line {number}"} for number in numbers]


def _event(name: str, data: dict[str, object]) -> str:
    return f": still here\n\nevent: {name}\ndata: {json.dumps(data)}\n\n"


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Serve ``answer(path, Last-Event-ID)`` and return the base URL."""
    monkeypatch.setattr(demo_client, "POLL_SECONDS", 0.01)
    servers: list[ThreadingHTTPServer] = []

    def run(answer: Callable[[str, str | None], Answer]) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                code, text = answer(self.path, self.headers.get("Last-Event-ID"))
                self.send_response(code)
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield run
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_stream_that_breaks_is_resumed_behind_the_last_line(serve: Serve) -> None:
    asked: list[str | None] = []

    def answer(path: str, last: str | None) -> Answer:
        asked.append(last)
        if last == "0":
            return 200, _event("lines", {"lines": _lines(1, 2)})
        return 200, _event("lines", {"lines": _lines(3)}) + _event("end", {})

    lines = list(Client(serve(answer), "key").follow("job", 20))

    assert [line["n"] for line in lines] == [1, 2, 3]
    assert asked == ["0", "2"]


def test_without_a_stream_the_log_is_polled_to_its_end(serve: Serve) -> None:
    polls: list[str] = []

    def answer(path: str, last: str | None) -> Answer:
        if path.endswith("/stream"):
            return 429, "{}"
        polls.append(path)
        numbers = (1, 2) if len(polls) == 1 else (3,)
        part = {"lines": _lines(*numbers), "last_line": numbers[-1], "complete": len(polls) > 1, "status": "success"}
        return 200, json.dumps(part)

    client = Client(serve(answer), "key")
    lines = list(client.follow("job", 20))

    assert client.polled
    assert [line["n"] for line in lines] == [1, 2, 3]
    assert [path.rpartition("?")[2] for path in polls] == ["after=0", "after=2"]


def test_a_job_that_does_not_end_is_given_up_with_its_status(serve: Serve) -> None:
    def answer(path: str, last: str | None) -> Answer:
        part = {"lines": [], "last_line": 0, "complete": False, "status": "running"}
        return (429, "{}") if path.endswith("/stream") else (200, json.dumps(part))

    with pytest.raises(StoryError, match="it is 'running'"):
        list(Client(serve(answer), "key").follow("job", 0.05))


def test_a_refused_request_says_what_was_asked_and_answered(serve: Serve) -> None:
    base = serve(lambda path, last: (422, '{"message": "no such playbook"}'))
    with pytest.raises(StoryError, match=r"GET /api/v1/playbooks\?q=x was answered with 422: .*no such playbook"):
        Client(base, "key").ask("/playbooks", q="x")
