"""What is vendored is what the manifest says, and nothing opens a door for injected markup."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

APP = Path(__file__).resolve().parents[2] / "app"
VENDOR = APP / "static" / "vendor"
TEMPLATES = sorted([*APP.glob("templates/**/*.html"), *APP.glob("*/templates/**/*.html")])
SCRIPTS = sorted((APP / "static" / "js").rglob("*.js"))


def test_every_vendored_file_has_the_hash_of_the_manifest() -> None:
    listed = {
        name: digest
        for package in json.loads((VENDOR / "MANIFEST.json").read_text())
        for name, digest in package["files"].items()
    }
    found = {
        str(p.relative_to(VENDOR)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in VENDOR.rglob("*")
        if p.is_file() and p.name != "MANIFEST.json"
    }
    assert found == listed


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda p: str(p.relative_to(APP)))
def test_a_template_has_no_inline_code_and_never_turns_escaping_off(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape false|Markup", text)
    assert not re.search(r"<script(?![^>]*\bsrc=)[^>]*>|\son[a-z]+\s*=\s*[\"']|\sstyle\s*=|javascript:|<style", text)
    assert not re.search(r"(src|href)=[\"']https?://", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: str(p.relative_to(APP)))
def test_a_script_writes_text_never_markup(path: Path) -> None:
    text = path.read_text()
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|"
        r"createContextualFragment|DOMParser",
        text,
    )
    assert len(text.splitlines()) <= 400


@pytest.mark.parametrize("path", sorted((APP / "static" / "css").glob("*.css")), ids=lambda p: p.name)
def test_a_style_sheet_stays_short_and_loads_nothing_from_elsewhere(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    assert "http" not in text
    assert "@import" not in text


def test_every_icon_that_is_asked_for_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([\w-]+)"', (APP / "static" / "icons.svg").read_text()))
    asked = set()
    for path in TEMPLATES:
        asked |= set(re.findall(r"icon\(\"([\w-]+)\"\)", path.read_text()))
    asked |= set(re.findall(r': \("([\w-]+)", "', (APP / "templates" / "_words.html").read_text()))
    for path in SCRIPTS:
        asked |= set(re.findall(r"icon\(\"([\w-]+)\"\)", path.read_text()))
    assert asked - drawn == set()
