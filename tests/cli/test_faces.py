"""Which processes build pages and REST."""

from __future__ import annotations

import pytest
from flask import Flask

from app import create_app
from app.cli import serves
from config import Settings

CLI = {"FLASK_RUN_FROM_CLI": "true"}


@pytest.mark.parametrize(
    ("arguments", "environment", "wanted"),
    [
        (["gunicorn", "wsgi:app"], {}, True),
        (["flask", "run"], CLI, True),
        (["flask", "routes"], CLI, True),
        (["flask", "openapi", "print"], CLI, True),
        (["flask", "--help"], CLI, True),
        (["flask", "keeper"], CLI, False),
        (["flask", "db", "upgrade"], CLI, False),
        (["flask", "audit", "verify"], CLI, False),
    ],
)
def test_a_command_that_answers_no_request_builds_no_pages(
    arguments: list[str], environment: dict[str, str], wanted: bool
) -> None:
    assert serves(arguments, environment) is wanted


def test_an_application_without_faces_knows_its_commands_and_no_addresses(app: Flask, settings: Settings) -> None:
    bare = create_app(settings, faces=False)
    assert {rule.endpoint for rule in bare.url_map.iter_rules()} == {"static"}
    assert set(bare.cli.commands) == set(app.cli.commands) - {"openapi"}
