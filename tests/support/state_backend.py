"""A bare HTTP state backend for terraform: a lock and states in memory. What the platform's own is measured by."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


class StateBackend:
    """Serves one state on 127.0.0.1; ``posts`` are the bodies of all states that came."""

    def __init__(self) -> None:
        self.posts: list[bytes] = []
        self.holder: dict[str, Any] | None = None
        self.is_away = False  # answers 500 to everything
        self.requests: list[tuple[str, str]] = []
        backend = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                state = backend.posts[-1] if backend.posts else b""
                self._answer(200 if state else 404, state)

            def do_POST(self) -> None:
                body = self._body()
                lock_id = parse_qs(urlsplit(self.path).query).get("ID", [""])[0]
                if backend.holder is not None and backend.holder["ID"] != lock_id:
                    return self._answer(423, json.dumps(backend.holder).encode())
                if not backend.is_away:
                    backend.posts.append(body)
                return self._answer(200, b"")

            def do_LOCK(self) -> None:
                body = self._body()
                if backend.holder is not None:
                    return self._answer(423, json.dumps(backend.holder).encode())
                backend.holder = json.loads(body)
                return self._answer(200, b"")

            def do_UNLOCK(self) -> None:
                self._body()
                backend.holder = None
                self._answer(200, b"")

            def _body(self) -> bytes:
                return self.rfile.read(int(self.headers.get("Content-Length") or 0))

            def _answer(self, code: int, body: bytes) -> None:
                backend.requests.append((self.command, self.headers.get("Authorization") or ""))
                code = 500 if backend.is_away else code
                self.send_response(code)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    @property
    def address(self) -> str:
        """Where the state is."""
        return f"http://127.0.0.1:{self._server.server_port}/state"

    def state(self) -> dict[str, Any]:
        """The last state."""
        found: dict[str, Any] = json.loads(self.posts[-1])
        return found

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
