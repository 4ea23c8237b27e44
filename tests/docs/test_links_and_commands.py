"""What the documents name exists: files, headings, ``make`` targets, ``flask`` commands, permissions."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from flask import Flask
from flask_migrate.cli import db as database_commands

from app.cli import register_commands
from app.core.actor import Role
from app.core.permissions import ROLE_GRANTS, Permission
from config import PREFIX, Settings
from tests.support.databases import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "app").rglob("*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# In code spans and code blocks only: "make sure" in a sentence is no target.
CODE = re.compile(r"```.*?```|`[^`\n]+`", re.DOTALL)
MAKE = re.compile(r"(?:^|[`\s])make ([a-z][a-z-]*)")
FLASK = re.compile(r"(?:^|[`\s\"])flask ((?:[a-z][a-z-]*)(?: [a-z][a-z-]*)?)")
# What is made while running is not there before.
FOLDERS = ["bench", "deploy", "docs", "migrations", "playbooks", "scripts", "tests", "app"]
FOLDERS += [path.name for path in (ROOT / "app").iterdir() if path.is_dir()]
names = [path.relative_to(ROOT).as_posix() for path in DOCUMENTS]


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _has_heading(document: Path, anchor: str) -> bool:
    return not anchor or anchor in map(_anchor, HEADING.findall(document.read_text(encoding="utf-8")))


def _code(text: str) -> str:
    return "\n".join(CODE.findall(text))


@pytest.mark.parametrize("name", names)
def test_every_relative_link_leads_somewhere(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    broken = []
    for target in LINK.findall(text):
        if "://" in target or target.startswith("mailto:"):
            continue
        path, _, anchor = target.partition("#")
        found = ((ROOT / name).parent / path).resolve() if path else ROOT / name
        if not found.is_relative_to(ROOT) or not found.exists() or not _has_heading(found, anchor):
            broken.append(target)
    assert not broken


@pytest.mark.parametrize("name", names)
def test_every_make_target_that_is_named_exists(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(MAKE.findall(_code((ROOT / name).read_text(encoding="utf-8")))) <= targets


def _has(command: click.Command | None, words: list[str]) -> bool:
    """Whether the words lead to a command; what follows a command without further ones are its arguments."""
    if command is None:
        return False
    return not words or not isinstance(command, click.Group) or _has(command.commands.get(words[0]), words[1:])


@pytest.mark.parametrize("name", names)
def test_every_flask_command_that_is_named_exists(name: str) -> None:
    app = Flask("documents")
    register_commands(app)
    app.cli.add_command(database_commands)
    called = set(FLASK.findall(_code((ROOT / name).read_text(encoding="utf-8"))))
    unknown = [words for words in called if not _has(app.cli, words.split())]
    assert not unknown


def test_every_path_of_the_code_that_a_document_names_exists() -> None:
    # As the root sees it, or as ``app/`` does: jobs/service.py::submit.
    named = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)(?:::\w+)?`")
    missing = [
        f"{path.relative_to(ROOT)}: {place}"
        for path in DOCUMENTS
        for place in named.findall(path.read_text(encoding="utf-8"))
        if not (ROOT / place).exists() and not (ROOT / "app" / place).exists()
    ]
    assert not missing


def test_the_table_of_roles_is_that_of_the_code() -> None:
    roles = (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
    wanted = [
        f"| `{permission.value}` | "
        + " | ".join("yes" if permission in ROLE_GRANTS[role] else "" for role in roles)
        + " |"
        for permission in Permission
        if permission is not Permission.PLATFORM_ADMIN
    ]
    text = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `[a-z_]+:[a-z_]+` \|.*$", text, re.MULTILINE) == wanted


def test_every_setting_is_read_by_something() -> None:
    places = [*(ROOT / "app").rglob("*.py"), *ROOT.glob("*.py"), *(ROOT / "deploy").glob("*.py")]
    code = "\n".join(path.read_text(encoding="utf-8") for path in places)
    unread = [
        name
        for name in Settings.model_fields
        if not re.search(rf"(?:settings\w*(?:\(\))?|self|config|chosen)\.{name}\b", code)
    ]
    assert unread == []


def test_every_setting_that_a_document_names_exists() -> None:
    known = {f"{PREFIX}{name.upper()}{suffix}" for name in Settings.model_fields for suffix in ("", "_FILE")}
    # One for the tests themselves, read by the test runner and not by the product.
    named = re.compile(rf"\b{PREFIX}(?!TEST_)[A-Z0-9_]+\b")
    texts = {path: path.read_text(encoding="utf-8") for path in DOCUMENTS}
    unknown = [f"{path.name}: {name}" for path, text in texts.items() for name in set(named.findall(text)) - known]
    assert unknown == []


def test_every_runtime_library_has_its_reason() -> None:
    pins = re.findall(r"^([A-Za-z][\w.-]*)==", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    rows = re.findall(
        r"^\| ([^|]+) \|", (ROOT / "docs/adr/0002-libraries.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    explained = {name.strip().lower() for row in rows for name in row.split(",")}
    assert {pin.lower() for pin in pins} - explained == set()


def test_decisions_are_numbered_without_gaps_and_have_the_same_parts() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("*.md"))
    assert [path.name[:4] for path in decisions] == [f"{number:04}" for number in range(1, len(decisions) + 1)]
    for path in decisions:
        assert HEADING.findall(path.read_text(encoding="utf-8"))[1:] == ["Context", "Decision", "Consequences"], (
            path.name
        )
    listed = re.findall(
        r"^\| \[(\d{4})\]\(adr/([^)]+)\) \| (.+) \|$", (ROOT / "docs/decisions.md").read_text("utf-8"), re.M
    )
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in decisions]
    assert [(number, name) for number, name, _ in listed] == [(path.name[:4], path.name) for path in decisions]
    assert [f"# {number} {title}" for number, _, title in listed] == titles


def test_the_picture_in_the_readme_is_small() -> None:
    assert all(image.stat().st_size < 300_000 for image in Path(ROOT / "docs" / "images").iterdir())
