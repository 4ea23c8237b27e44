"""The whole platform as one context manager: ``with start(...) as platform: platform.base_url``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGKILL
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

from app.standalone import broker, environment
from app.standalone.environment import ROOT
from app.standalone.errors import StartError
from app.standalone.folder import DataFolder
from app.standalone.supervisor import Service, Supervisor

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8000
PORTS_TRIED = 20
READY_SECONDS = 60.0
HEALTH_PATH = "/health"


@dataclass(frozen=True)
class FirstAdmin:
    """The account of the very first start. The password is valid once and stored nowhere."""

    username: str
    password: str


@dataclass(frozen=True)
class Platform:
    """A running platform. ``environment`` is that of its processes; ``first_admin`` is None after the first start."""

    base_url: str
    folder: DataFolder
    environment: Mapping[str, str]
    supervisor: Supervisor
    first_admin: FirstAdmin | None

    def flask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a ``flask`` command of the platform and return what it printed (no check of its exit code)."""
        return run_flask(self.environment, *arguments)


def flask_command(*arguments: str) -> list[str]:
    """Return the command line of ``flask ARGUMENTS``."""
    return [sys.executable, "-m", "flask", "--app", "wsgi", *arguments]


def run_flask(settings: Mapping[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``flask --app wsgi ...`` in a process of its own."""
    return subprocess.run(
        flask_command(*arguments), cwd=ROOT, env=dict(settings), capture_output=True, text=True, check=False
    )


def choose_port(host: str, wanted: int | None) -> int:
    """Return ``wanted`` or the first free port from 8000 on. StartError when it is taken."""
    candidates = [wanted] if wanted is not None else list(range(DEFAULT_PORT, DEFAULT_PORT + PORTS_TRIED))
    for port in candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return port
    raise StartError(f"Port {candidates[0]} on {host} is taken. Free it or choose another: make run ARGS='--port 9000'")


def migrate(settings: Mapping[str, str]) -> None:
    """Bring the database to the newest schema. StartError with what the command printed."""
    done = run_flask(settings, "db", "upgrade")
    if done.returncode:
        raise StartError(f"The database could not be brought to the newest schema:\n{done.stdout}{done.stderr}")


def ensure_first_admin(settings: Mapping[str, str]) -> FirstAdmin | None:
    """Make the first administrator when there is none; in a process of its own, as it needs the application."""
    command = [sys.executable, "-m", "app.standalone.first_start"]
    done = subprocess.run(command, cwd=ROOT, env=dict(settings), capture_output=True, text=True, check=False)
    if done.returncode:
        raise StartError(f"The first administrator could not be made:\n{done.stderr}")
    answer = json.loads(done.stdout.splitlines()[-1])
    return FirstAdmin(**answer) if answer else None


def web_command(host: str, port: int) -> list[str]:
    """Return gunicorn's command line."""
    configuration = str(ROOT / "deploy" / "gunicorn.conf.py")
    return [sys.executable, "-m", "gunicorn", "-c", configuration, "--bind", f"{host}:{port}", "wsgi:app"]


def worker_command(name: str) -> list[str]:
    """Return the Celery worker's command line; ``name`` tells workers of one machine apart."""
    words = ["-m", "celery", "-A", "celery_worker", "worker", "--queues", "runs,terraform", "--hostname", f"{name}@%h"]
    # Workers never talk to each other: the database is the truth.
    return [sys.executable, *words, "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel", "INFO"]


def keeper_command() -> list[str]:
    """Return the keeper's command line."""
    return flask_command("keeper")


def _answers(base_url: str) -> bool:
    """Say whether the web process answers requests, whatever the answer says about its dependencies."""
    try:
        with urlopen(base_url + HEALTH_PATH, timeout=2):  # noqa: S310 - our own http URL
            return True
    except HTTPError:
        return True
    except (URLError, OSError):
        return False


def _services(host: str, port: int, drain_seconds: float) -> list[Service]:
    def started() -> bool:
        return True  # these two say nothing that can be asked; what dies is started again

    base_url = f"http://{host}:{port}"
    return [
        Service("web", web_command(host, port), lambda: _answers(base_url), death_signal=SIGKILL),
        # Runs get the drain time to end; the rest is for stopping what did not.
        Service("worker", worker_command("standalone"), started, grace_seconds=drain_seconds + 20),
        Service("keeper", keeper_command(), started),
    ]


@contextmanager
def start(
    *,
    host: str = DEFAULT_HOST,
    port: int | None = None,
    write: Callable[[str], None],
    tell: Callable[[str], None] = lambda text: None,
) -> Iterator[Platform]:
    """Start everything, yield it, stop everything.

    ``write`` gets the processes' lines, ``tell`` a few words about each step. Signals are the caller's business:
    leave the block, or call ``platform.supervisor.interrupt()``. StartError says what to do.
    """
    folder = DataFolder(environment.data_dir(os.environ))
    folder.take()
    supervisor: Supervisor | None = None
    try:
        port = choose_port(host, port)
        base_url = f"http://{host}:{port}"
        settings = environment.build(folder, base_url)
        if environment.uses_own_keys(os.environ):
            folder.ensure_keys()
        supervisor = Supervisor(settings, ROOT, write)
        if environment.uses_own_broker(os.environ):
            tell(f"Starting the broker ({broker.find_program()})")
            socket_path = folder.socket
            # It holds doorbells only, so it may be killed; the next start must not meet the old one.
            own = Service(
                "broker",
                broker.command(folder),
                lambda: broker.answers(socket_path),
                death_signal=SIGKILL,
                stops_last=True,
            )
            supervisor.add(own, READY_SECONDS)
        tell("Bringing the database to the newest schema")
        migrate(settings)
        first_admin = ensure_first_admin(settings)
        tell("Starting web, worker and keeper")
        for service in _services(host, port, float(settings.get("MILLWRIGHT_DRAIN_SECONDS", "60"))):
            supervisor.add(service, READY_SECONDS)
        yield Platform(base_url, folder, settings, supervisor, first_admin)
    finally:
        if supervisor is not None:
            supervisor.stop()
        folder.release()
