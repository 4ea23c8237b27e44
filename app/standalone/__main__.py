"""``python -m app.standalone run | demo | migrate | worker | keeper | flask ...``: behind the Makefile's targets."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys

from app.standalone import environment, terminal
from app.standalone.errors import StartError
from app.standalone.folder import DataFolder
from app.standalone.platform import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    flask_command,
    keeper_command,
    migrate,
    start,
    worker_command,
)


def run(arguments: argparse.Namespace) -> int:
    """Start the platform and keep it until SIGINT or SIGTERM; a second signal kills."""
    with start(host=arguments.host, port=arguments.port, write=terminal.write, tell=terminal.write) as platform:
        terminal.announce(platform.first_admin)
        terminal.stay(platform)
    return 0


def demo(arguments: argparse.Namespace) -> int:
    """Run the story of ``make demo``."""
    story = importlib.import_module("app.standalone.demo")
    code: int = story.main(host=arguments.host, port=arguments.port, stay=not arguments.exit)
    return code


def _settings() -> dict[str, str]:
    folder = DataFolder(environment.data_dir(os.environ))
    if environment.uses_own_keys(os.environ):
        folder.ensure_keys()
    return environment.build(folder, f"http://{DEFAULT_HOST}:{DEFAULT_PORT}")


def _become(command: list[str]) -> int:
    os.chdir(environment.ROOT)
    os.execvpe(command[0], command, _settings())  # noqa: S606 - an argv list, no shell


def parser() -> argparse.ArgumentParser:
    """Return the command line's description."""
    described = argparse.ArgumentParser(prog="python -m app.standalone", description=__doc__)
    commands = described.add_subparsers(dest="command", required=True)
    for name in ("run", "demo"):
        command = commands.add_parser(name)
        command.add_argument("--host", default=DEFAULT_HOST, help="address to listen on")
        command.add_argument("--port", type=int, help=f"port; the first free one from {DEFAULT_PORT} by default")
        if name == "demo":
            command.add_argument("--exit", action="store_true", help="stop after the story")
    for name in ("migrate", "worker", "keeper"):
        commands.add_parser(name)
    flask = commands.add_parser("flask", help="a command of the platform, for instance: flask audit verify")
    flask.add_argument("words", nargs=argparse.REMAINDER, help="what follows the word flask")
    return described


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    arguments = parser().parse_args(argv)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C, until the platform runs
    try:
        if arguments.command == "run":
            return run(arguments)
        if arguments.command == "demo":
            return demo(arguments)
        if arguments.command == "migrate":
            migrate(_settings())
            return 0
        if arguments.command == "flask":
            return _become(flask_command(*arguments.words))
        return _become(worker_command(f"extra-{os.getpid()}") if arguments.command == "worker" else keeper_command())
    except StartError as error:
        sys.stderr.write(f"millwright: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("millwright: stopped\n")
        return 130


if __name__ == "__main__":
    sys.exit(main())
