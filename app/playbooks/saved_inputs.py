"""What a saved launch holds and asks for: stored form and back, and what a launch of it may change."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from app.core.crypto import DecryptionError, Keyring
from app.core.errors import Conflict, InvalidInput
from app.core.runtime import settings
from app.playbooks.models_saved import SavedLaunch
from app.playbooks.targets import Selection

VARIABLE = "extra_vars."  # what stands before a variable's name among the asked inputs
# Inputs that may be asked for, besides single variables -> words for people.
ASKABLE: dict[str, str] = {
    "servers": "which of its servers",
    "limit": "host names",
    "check": "check only",
    "diff": "differences",
    "tags": "tags",
    "skip_tags": "skipped tags",
    "forks": "servers at a time",
    "verbosity": "verbosity",
    "timeout_seconds": "time limit",
}
# Field of a launch -> the asked input that it belongs to, where they differ.
_FIELDS = {"server_ids": "servers"}


def asked_variables(ask: Sequence[str]) -> list[str]:
    """Return the names of the variables among the asked inputs."""
    return [word.removeprefix(VARIABLE) for word in ask if word.startswith(VARIABLE)]


def check_ask(ask: Sequence[str], variables: Sequence[str]) -> list[str]:
    """Return asked inputs in a fixed order, each once; InvalidInput for a word that is none (``variables``: known)."""
    known = [*ASKABLE, *(VARIABLE + name for name in variables)]
    unknown = next((word for word in ask if word not in known), None)
    if unknown is not None:
        raise InvalidInput(ask=f"'{str(unknown)[:120]}' cannot be asked for. Known: {', '.join(known)[:1500]}.")
    return [word for word in known if word in ask]


def refuse_fixed(ask: Sequence[str], given: Mapping[str, Any]) -> None:
    """Raise InvalidInput with one entry per input that is given but not asked for."""
    wrong: list[str] = []
    for name, value in given.items():
        if name == "extra_vars":
            wrong += [VARIABLE + str(key)[:100] for key in value if VARIABLE + str(key) not in ask]
        elif _FIELDS.get(name, name) not in ask:
            wrong.append(name)
    if wrong:
        text = "This saved launch does not ask for it: it is fixed. Leave it out, or have the saved launch changed."
        raise InvalidInput(**dict.fromkeys(wrong, text))


def selection_json(selection: Selection) -> dict[str, Any]:
    """Return a selection as it is stored: only what says something."""
    stored = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(selection).items()}
    return {name: value for name, value in stored.items() if value}


def selection_from(data: Mapping[str, Any]) -> Selection:
    """Return the selection that ``selection_json`` stored, or that a launch's inputs name."""
    known = {field.name for field in fields(Selection)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in data.items() if key in known
    }
    return Selection(**values)


def _context(saved: SavedLaunch) -> str:
    return f"saved_launches|secret_variables|{saved.uuid}|{saved.tenant_id}"


def store_secrets(saved: SavedLaunch, secrets: Mapping[str, str]) -> None:
    """Encrypt the secret values of a saved launch onto its row; an empty mapping removes them."""
    keyring = Keyring(settings().master_key.get_secret_value())
    saved.secret_variables = keyring.encrypt(_context(saved), json.dumps(dict(secrets))) if secrets else None
    saved.secret_names = sorted(secrets) or None


def read_secrets(saved: SavedLaunch) -> dict[str, str]:
    """Return the secret values of a saved launch. Conflict when they cannot be opened any more."""
    if saved.secret_variables is None:
        return {}
    keyring = Keyring(settings().master_key.get_secret_value())
    try:
        found: dict[str, str] = json.loads(keyring.decrypt(_context(saved), saved.secret_variables))
    except DecryptionError as error:
        raise Conflict(
            "The secrets of this saved launch can no longer be opened. Edit it and type them again.",
            error="secrets_lost",
        ) from error
    return found
