"""What people set for instances of providers, as files of one run: arguments by an override, secrets beside it.

Terraform merges an override file into the blocks of the same name and alias
(https://developer.hashicorp.com/terraform/language/files/override). It is part of a saved plan, so no secret stands
in it: instances of AWS name a profile there, and the profiles lie in a file of the run's private inputs that the
environment names.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from app.runners.base import FailureCode
from app.runners.workspace import Workspace, WorkspaceError

OVERRIDE_NAME = "~millwright_providers_override.tf.json"  # after what the files override themselves
PROFILES_NAME = "aws-credentials"
PROFILES_VARIABLE = "AWS_SHARED_CREDENTIALS_FILE"
_FIELDS = {"access_key": "aws_access_key_id", "secret_key": "aws_secret_access_key", "token": "aws_session_token"}


def write_providers(given: Mapping[str, Any], folder: Path, workspace: Workspace) -> None:
    """Write the override beside the configuration, and the profiles; raises WorkspaceError."""
    overrides = given.get("provider_overrides") or []
    if overrides:
        blocks: dict[str, list[dict[str, Any]]] = {}
        for one in overrides:
            alias = {"alias": one["alias"]} if one.get("alias") else {}
            blocks.setdefault(one["name"], []).append({**alias, **_literal(one["arguments"])})
        override = folder / OVERRIDE_NAME
        override.unlink(missing_ok=True)
        override.write_text(json.dumps({"provider": blocks}), encoding="utf-8")
    if given.get("aws_profiles"):
        workspace.write_input(PROFILES_NAME, "".join(_profiles(given["aws_profiles"])))


def _literal(value: Any) -> Any:
    """Return a value in JSON syntax of configurations, where each text is a template."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, Mapping):
        return {name: _literal(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_literal(inner) for inner in value]
    return value


def _profiles(profiles: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    for name, fields in profiles.items():
        yield f"[{name}]\n"
        for field, text in fields.items():
            if "\n" in text or "\r" in text:
                raise WorkspaceError(FailureCode.ENGINE_ERROR, f"The credential {field} of {name} is not one line.")
            yield f"{_FIELDS[field]} = {text}\n"
        yield "\n"


def environment_of(given: Mapping[str, Any], workspace: Workspace) -> dict[str, str]:
    """Return the variable that names the file of profiles, if the run has one."""
    return {PROFILES_VARIABLE: str(workspace.inputs / PROFILES_NAME)} if given.get("aws_profiles") else {}


def secrets_of(given: Mapping[str, Any]) -> list[str]:
    """Return every text of the profiles, to be masked."""
    return [text for fields in (given.get("aws_profiles") or {}).values() for text in fields.values()]
