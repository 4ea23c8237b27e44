"""``flask engines``: which ansible installations this machine's settings name, and whether each one works."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup

from app.jobs.engine_list import inspect_all
from app.runners.installations import Installation, playbook_command

group = AppGroup("engines", help="Ansible installations that runs may use (MILLWRIGHT_ENGINES).")
_PLAY = "- hosts: localhost\n  gather_facts: false\n  tasks:\n    - ansible.builtin.assert: {that: true}\n"
TRY_SECONDS = 60


def register(app: Flask) -> None:
    """Add ``flask engines ...``."""
    app.cli.add_command(group)


@group.command("list")
def list_engines() -> None:
    """Name each engine with its ansible-core, Python and number of collections."""
    for name, found in sorted(inspect_all().items()):
        click.echo(_line(name, found))


@group.command("check")
def check() -> None:
    """Play a task that changes nothing with each engine and Millwright's output plugin; exit 1 when one fails."""
    failed = 0
    for name, found in sorted(inspect_all().items()):
        problem = found.problem or _try(found.folder)
        failed += bool(problem)
        click.echo(f"{_line(name, found)}{'' if found.problem else f' - {problem}' if problem else ' - works'}")
    sys.exit(1 if failed else 0)


def _line(name: str, found: Installation) -> str:
    if found.problem:
        return f"{name}: BROKEN, {found.problem}"
    count = len(found.collections)
    return (
        f"{name}: ansible-core {found.version}, Python {found.python}, "
        f"{count} collection{'' if count == 1 else 's'}, in {found.folder}"
    )


def _try(folder: Path) -> str:
    """Return why the engine cannot play, "" when it can."""
    plugins = Path(__file__).resolve().parents[1] / "runners" / "ansible_plugins" / "callback"
    with tempfile.TemporaryDirectory(prefix="millwright-engine-") as home:
        book = Path(home) / "check.yml"
        book.write_text(_PLAY, encoding="utf-8")
        environment = {
            "PATH": f"{folder / 'bin'}:/usr/bin:/bin",
            "HOME": home,
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_HOME": home,
            "ANSIBLE_CALLBACK_PLUGINS": str(plugins),
            "ANSIBLE_STDOUT_CALLBACK": "millwright",
        }
        try:
            ended = subprocess.run(
                [str(playbook_command(folder)), "-i", "localhost,", "-c", "local", str(book)],
                capture_output=True,
                text=True,
                timeout=TRY_SECONDS,
                stdin=subprocess.DEVNULL,
                env=environment,
                cwd=home,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return f"FAILED, {type(error).__name__}"
    said = (ended.stderr.strip() or ended.stdout.strip()).splitlines()
    return f"FAILED, {said[-1][:300] if said else 'without a word'}" if ended.returncode else ""
