"""Another team's automation: talks to the platform over HTTP with an API key, and knows nothing else of it."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.hosts import SshHost
from tests.support.processes import wait_until

FINAL = {"success", "failed", "cancelled"}
PATIENCE = 120.0  # seconds; a net for a broken product, nothing is measured by it
LOOK = 0.2  # seconds between two looks


@dataclass(frozen=True)
class Answer:
    """Status, decoded JSON (or text) and headers of one answer."""

    status: int
    data: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Event:
    """One server-sent event."""

    name: str
    data: dict[str, Any]
    event_id: str | None


class Team:
    """A program with a key. Paths are those below /api/v1."""

    def __init__(self, base_url: str, key: str) -> None:
        self.base_url = base_url
        self.key = key

    def _request(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> urllib.request.Request:
        given = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json", **headers}
        return urllib.request.Request(f"{self.base_url}/api/v1{path}", data=body, method=method, headers=given)

    def call(
        self, method: str, path: str, body: Any = None, *, raw: bytes | None = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send one request; any status is an answer."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if method == "POST" and data is None:
            data = b""
        try:
            with urllib.request.urlopen(self._request(method, path, data, headers), timeout=60) as found:
                return _answer(found.status, found.read(), found.headers)
        except urllib.error.HTTPError as error:
            with error:
                return _answer(error.code, error.read(), error.headers)

    def get(self, path: str) -> Any:
        """Data of a GET that must succeed."""
        found = self.call("GET", path)
        assert found.status == 200, (path, found)
        return found.data

    def post(self, path: str, body: Any = None, *, expect: int = 200, **headers: str) -> Any:
        """Data of a POST that must give ``expect``; headers as Idempotency_Key="..."."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        found = self.call("POST", path, body, headers=given)
        assert found.status == expect, (path, found)
        return found.data

    # --- inventory and playbooks

    def add_server(self, host: SshHost, key_path: Any, **more: Any) -> int:
        """Add a server that is reached over ssh."""
        values = {
            "hostname": host.name,
            "ip_address": host.address,
            "ssh_port": host.port,
            "ssh_user": host.user,
            "ssh_key_path": str(key_path),
            "python_interpreter": host.python_interpreter,
            "connection": "ssh",
            **more,
        }
        return int(self.post("/servers", values, expect=201)["id"])

    def add_local(self, name: str) -> int:
        """Add a server that is this machine itself: every process of a run is then in reach of a census."""
        values = {"hostname": name, "ip_address": "127.0.0.1", "connection": "local"}
        return int(self.post("/servers", values, expect=201)["id"])

    def test_server(self, server_id: int) -> dict[str, Any]:
        """Have the connection tested; returns what the test says."""
        self.post(f"/servers/{server_id}/test", expect=202)

        def done() -> Any:
            test = self.get(f"/servers/{server_id}")["test"]
            return test if test["state"] == "done" else None

        found: dict[str, Any] = wait_until(done, PATIENCE, "the connection test", LOOK)
        return found

    def trust(self, server_id: int) -> dict[str, Any]:
        """Test, accept the keys that the host showed, test again; returns the last test."""
        self.test_server(server_id)
        for key in self.get(f"/servers/{server_id}/host-keys"):
            if key["trust"] == "waiting":
                self.post(f"/servers/{server_id}/host-keys/{key['id']}/accept")
        return self.test_server(server_id)

    def upload(self, name: str, text: str, **more: Any) -> int:
        """Upload a playbook and approve it; returns its id."""
        made = self.post("/playbooks", {"name": name, "file_name": "site.yml", "content": text, **more}, expect=201)
        self.post(f"/playbooks/{made['id']}/approve", {"manifest_hash": made["manifest_hash"]})
        return int(made["id"])

    # --- work

    def launch(self, playbook_id: int, server_ids: Sequence[int], *, key: str | None = None, **more: Any) -> str:
        """Launch; returns the launch's UUID."""
        headers = {"Idempotency_Key": key} if key else {}
        body = {"playbook_id": playbook_id, "server_ids": list(server_ids), **more}
        return str(self.post("/launches", body, expect=202, **headers)["uuid"])

    def jobs(self, launch: str) -> dict[str, dict[str, Any]]:
        """Jobs of a launch by server name."""
        return {job["server_name"]: job for job in self.get(f"/launches/{launch}")["jobs"]}

    def outcome(self, launch: str) -> dict[str, tuple[str, str | None]]:
        """(status, failure code) by server name."""
        return {name: (job["status"], job["failure_code"]) for name, job in self.jobs(launch).items()}

    def finished(self, launch: str, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait for the end of a launch and return it."""

        def ended() -> Any:
            found = self.get(f"/launches/{launch}")
            return found if found["status"] in FINAL else None

        found: dict[str, Any] = wait_until(ended, timeout, "the end of the launch", LOOK)
        return found

    def rows(self, job_id: str) -> list[dict[str, Any]]:
        """Every row of a job's log, page by page; asserts that the numbers have no gap."""
        found: list[dict[str, Any]] = []
        while True:
            part = self.get(f"/jobs/{job_id}/logs?after={len(found)}")
            found += part["lines"]
            if not part["lines"]:
                break
        assert [row["n"] for row in found] == list(range(1, len(found) + 1))
        return found

    def lines(self, job_id: str) -> list[str]:
        """The log as the engine printed it: continued rows joined to their line."""
        parts: list[list[str]] = []
        for row in self.rows(job_id):
            if row.get("c"):
                parts[-1].append(row["x"])
            else:
                parts.append([row["x"]])
        return ["".join(line) for line in parts]

    def follow(self, job_id: str, *, after: str | None = None) -> Iterator[Event]:
        """Follow a job's log live; ``after`` is the Last-Event-ID. Close the iterator to cut the line."""
        headers = {"Last-Event-ID": after} if after else {}
        stream = urllib.request.urlopen(self._request("GET", f"/jobs/{job_id}/stream", None, headers), timeout=60)
        with stream:
            yield from _events(stream)

    def tickets(self, **query: Any) -> list[dict[str, Any]]:
        """Tickets, the oldest first, with their jobs and history."""
        words = "&".join(f"{name}={value}" for name, value in query.items())
        listed = self.get(f"/tickets?{words}")
        return [self.get(f"/tickets/{ticket['ticket_id']}") for ticket in reversed(listed)]


def _answer(status: int, body: bytes, headers: Any) -> Answer:
    text = body.decode()
    is_json = "json" in (headers.get("Content-Type") or "")
    return Answer(status, json.loads(text) if is_json and text else text, dict(headers))


def _events(stream: http.client.HTTPResponse) -> Iterator[Event]:
    name, data, event_id = "message", "", None
    for raw in stream:
        line = raw.decode().rstrip("\n")
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "data":
            data = value
        elif field == "id":
            event_id = value
        elif not line and data:
            yield Event(name, json.loads(data), event_id)
            name, data, event_id = "message", "", None
