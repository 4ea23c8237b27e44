"""The story of ``make demo``: one playbook that works, one that fails, its ticket, the audit log. In plain words."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from app.standalone import terminal
from app.standalone.demo_client import Client, StoryError
from app.standalone.environment import ROOT
from app.standalone.platform import Platform, start

JOB_SECONDS = 180.0  # a slow machine needs a few; the playbooks themselves take seconds
TICKET_SECONDS = 30.0
SERVER = "controller"
GOOD, BAD = "Hello", "Check a service port"
NEWEST_LINES = 20
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
say = terminal.write


def _say_title(text: str) -> None:
    say("")
    say(f"== {text}")


class _ProcessLog:
    """Where the processes' own lines go, so that the story can be read; the newest are kept for a failure."""

    def __init__(self) -> None:
        self._early: list[str] = []
        self._file: TextIO | None = None
        self.newest: deque[str] = deque(maxlen=NEWEST_LINES)

    def write(self, line: str) -> None:
        """Take one line; before ``open`` it waits in memory."""
        self.newest.append(line)
        if self._file is None:
            self._early.append(line)
        else:
            self._file.write(line + "\n")
            self._file.flush()

    def open(self, platform: Platform) -> None:
        """Write to ``demo.log`` in the data folder from now on; a new demo begins a new file."""
        path = platform.folder.path / "demo.log"
        file = path.open("w", encoding="utf-8")
        file.writelines(line + "\n" for line in self._early)
        self._file = file
        say(f"   What the processes say goes to {path}")


@contextmanager
def _api_key(platform: Platform) -> Iterator[str]:
    """Give a key for the length of the story; it is never printed and revoked at the end."""

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "app.standalone.demo_key", *arguments]
        environment = dict(platform.environment)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise StoryError(f"No API key for the demo: {done.stderr.strip()}")
        return done.stdout

    made = json.loads(run("issue").splitlines()[-1])
    try:
        yield made["key"]
    finally:
        run("revoke", str(made["id"]))


@contextmanager
def _closed_port() -> Iterator[int]:
    """Hold a TCP port of this machine without listening, so that every connection to it is refused."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        port: int = holder.getsockname()[1]
        yield port


def _one(rows: list[Any], key: str, wanted: str, what: str) -> Any:
    for row in rows:
        if row[key] == wanted:
            return row
    raise StoryError(f"There is no active {what} named '{wanted}'; the demo needs it.")


class Story:
    """The steps, each of which raises StoryError when it does not go as told."""

    def __init__(self, platform: Platform, client: Client) -> None:
        self._platform = platform
        self._client = client
        self._colours = sys.stdout.isatty()

    def _print_log(self, job: Any) -> list[int]:
        """Print a job's lines as they come, under the names of their tasks; return their numbers."""
        numbers: list[int] = []
        names: dict[int, str] = {}
        task = 0
        for line in self._client.follow(job["job_id"], JOB_SECONDS):
            numbers.append(line["n"])
            if line["s"] != task:
                task = line["s"]
                if task not in names:
                    results = self._client.ask(f"/launches/{job['launch_uuid']}/results")
                    names = {known["seq"]: known["name"] for known in results["tasks"]}
                say(f"   | TASK [{names.get(task, 'outside of a task')}]")
            text = line["x"]
            say("   | " + (text + "\x1b[0m" if self._colours else _COLOURS.sub("", text)))
        return numbers

    def run_playbook(self, name: str, extra_vars: dict[str, Any], wanted: str) -> Any:
        """Launch a playbook on this machine, print its log as it grows and return the job as it ended."""
        playbooks = self._client.ask("/playbooks", q=name)
        servers = self._client.ask("/servers", q=SERVER)
        playbook = _one(playbooks, "name", name, "playbook")
        server = _one(servers, "hostname", SERVER, "server")
        body = {"playbook_id": playbook["id"], "server_id": server["id"], "extra_vars": extra_vars}
        begun = time.monotonic()
        job = self._client.ask("/jobs", body=body)
        say(f"   Job #{job['number']}: '{name}' on {SERVER} (this machine)")
        say(f"   {self._platform.base_url}/jobs/{job['job_id']}")
        numbers = self._print_log(job)
        job = self._client.ask(f"/jobs/{job['job_id']}")
        if numbers != list(range(1, job["log_lines"] + 1)) or not job["log_complete"]:
            raise StoryError(f"Job #{job['number']} has {job['log_lines']} lines, the stream gave {len(numbers)}.")
        took = time.monotonic() - begun
        how = "polled, as the live stream could not be had" if self._client.polled else "over the live stream"
        say(f"   Ended as '{job['status']}' after {took:.1f} s; {len(numbers)} lines {how}, none missing.")
        if job["status"] != wanted:
            why = job["error_message"] or job["failure_code"] or "it gives no reason"
            raise StoryError(f"Job #{job['number']} should have ended as '{wanted}': {why}")
        return job

    def show_ticket(self, job: Any) -> None:
        """Print the ticket of a failed job."""
        deadline = time.monotonic() + TICKET_SECONDS
        while not (tickets := self._client.ask("/tickets", job_id=job["job_id"])):
            if time.monotonic() > deadline:
                raise StoryError(f"No ticket opened for job #{job['number']} within {TICKET_SECONDS:g} s.")
            time.sleep(0.5)
        ticket = tickets[0]
        seen = ticket["occurrences"]
        times = "once" if seen == 1 else f"{seen} times"
        say(f"   Ticket #{ticket['number']}: {ticket['title']}")
        say(f"   Priority {ticket['priority']}, status {ticket['status']}, seen {times}")
        if ticket["failed_task"]:
            say(f"   Failed task: {ticket['failed_task']}")
        say(f"   {self._platform.base_url}/tickets/{ticket['ticket_id']}")
        if seen > 1:
            say("   An earlier demo opened it: the same problem joins its ticket instead of opening another.")

    def verify_audit(self) -> None:
        """Check the chain of the audit log with the platform's own command."""
        done = self._platform.flask("audit", "verify")
        for line in done.stdout.splitlines():
            say(f"   {line}")
        if done.returncode:
            raise StoryError(f"flask audit verify ended with {done.returncode}. {done.stderr.strip()}")

    def tell(self) -> None:
        """Tell the whole story."""
        _say_title("1. A playbook that works, launched through the REST API; its log, live")
        self.run_playbook(GOOD, {"greeting": "Good day", "repeat": 3}, "success")
        _say_title("2. One that fails on purpose: it asks for a service on a port where nothing listens")
        with _closed_port() as port:
            failed = self.run_playbook(BAD, {"tcp_port": port, "wait_seconds": 2}, "failed")
        _say_title("3. The ticket that opened by itself")
        self.show_ticket(failed)
        _say_title("4. The audit log: who did what, in a chain of hashes (flask audit verify)")
        self.verify_audit()


def _tell(platform: Platform, log: _ProcessLog) -> None:
    try:
        with _api_key(platform) as key:
            Story(platform, Client(platform.base_url, key)).tell()
    except StoryError:
        say("")
        say("   The newest lines of the processes:")
        for line in log.newest:
            say(f"   > {line}")
        raise


def main(*, host: str, port: int | None, stay: bool) -> int:
    """Start the platform, tell the story, stay until Ctrl-C when asked to. Returns 0.

    StoryError when a step did not go as told, StartError when the platform could not be started.
    """
    log = _ProcessLog()
    _say_title("Millwright: setting everything up")
    with start(host=host, port=port, write=log.write, tell=lambda text: say(f"   {text}")) as platform:
        log.open(platform)
        try:
            _tell(platform, log)
            _say_title("That was the story")
            say(f"   {platform.base_url}")
        finally:
            terminal.announce(platform.first_admin)  # also when the story failed: it is stored nowhere
        if stay:
            terminal.stay(platform)
    say("Done; everything is stopped." if not stay else "Stopped.")
    return 0
