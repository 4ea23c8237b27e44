"""Between a browser's form (all text) and the fields of a server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

import yaml
from marshmallow import ValidationError

from app.core.errors import InvalidInput
from app.inventory.draft import ServerInput
from app.inventory.schemas import ServerEdit

TEXTS = ("hostname", "ip_address", "ssh_user", "ssh_key_path", "environment", "description", "connection")
TEXTS_TOO = ("python_interpreter", "become_user", "become_method", "os_type", "os_version", "network_os")
TEXTS_OF_WINRM = ("winrm_transport", "winrm_scheme", "winrm_cert_validation")
NUMBERS = ("ssh_port", "jump_host_id", "version")
EMPTY_IS_LEFT_OUT = frozenset({"hostname", "ip_address", "ssh_user", "connection", "ssh_port", "version"})
MAXIMUM_VARIABLES_TEXT = 65_536


def read_variables(text: str) -> dict[str, Any] | None:
    """Read one object in YAML or JSON; anchors are refused, since they let a small text grow without end."""
    if not text.strip():
        return None
    if len(text) > MAXIMUM_VARIABLES_TEXT:
        raise InvalidInput(variables="At most 64 KiB.")
    try:
        if any(isinstance(token, yaml.AliasToken) for token in yaml.scan(text, Loader=yaml.SafeLoader)):
            raise InvalidInput(variables="Write the values out: YAML aliases (*name) are not taken here.")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise InvalidInput(variables="This is neither YAML nor JSON. Write one 'name: value' on each line.") from error
    except RecursionError as error:
        raise InvalidInput(variables="Nested too deeply.") from error
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise InvalidInput(variables="Give one object of names and values, one 'name: value' on each line.")
    try:
        loaded: dict[str, Any] = json.loads(json.dumps(found))
    except (TypeError, ValueError) as error:
        raise InvalidInput(variables="Put dates and other special values into quotes.") from error
    return loaded


def read_form(form: Mapping[str, str]) -> tuple[ServerInput, int | None]:
    """Return the fields and the version. Raises InvalidInput by field; fields that were not sent stay out."""
    given: dict[str, Any] = {}
    for name in (*TEXTS, *TEXTS_TOO, *TEXTS_OF_WINRM):
        if name in form and (form[name].strip() or name not in EMPTY_IS_LEFT_OUT):
            given[name] = form[name].strip() or None
    for name in NUMBERS:
        text = form.get(name, "").strip()
        if name in form and (text or name not in EMPTY_IS_LEFT_OUT):
            if text and not (text.isascii() and text.isdigit()):
                raise InvalidInput(**{name: "Give a whole number."})
            given[name] = int(text[:20]) if text else None
    if "tags" in form:
        given["tags"] = [tag.strip() for tag in form["tags"].split(",") if tag.strip()]
    if "hostname" in form:  # a box that is not ticked is not sent
        given["become"] = form.get("become") == "1"
    if "variables" in form:
        given["variables"] = read_variables(form["variables"])
    try:
        loaded = ServerEdit().load(given)
    except ValidationError as error:
        messages = cast(dict[str, Any], error.messages)
        raise InvalidInput(**{name: first_sentence(found) for name, found in messages.items()}) from error
    version: int | None = loaded.pop("version", None)
    return cast(ServerInput, loaded), version


def first_sentence(found: Any) -> str:
    """Return the first of marshmallow's messages of a field, however deep it lies."""
    while isinstance(found, dict):
        found = next(iter(found.values()))
    return str(found[0]) if isinstance(found, list) and found else str(found)
