"""What a rule makes of an instance of a resource: texts with attributes in braces. No database, no evaluation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from app.inventory.draft import ServerInput
from app.terraform.models_servers import TerraformServerRule
from app.terraform.state_document import Instance

_PLACE = re.compile(r"\{([^{}]*)\}")
_PATH = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\Z")
OWN = ("resource.name", "resource.key", "resource.workspace")  # of the instance itself, beside its attributes


class MappingError(ValueError):
    """An attribute that a rule names is not there, or is nothing that can be written into a text."""


def check_text(text: str) -> str | None:
    """Return what is wrong with a rule's text, as a sentence; None when it can be used."""
    for place in _PLACE.findall(text):
        if not _PATH.match(place):
            return f"{{{place[:60]}}} is no attribute. Write its path, such as {{tags.Name}} or {{network.0.address}}."
    if _PLACE.sub("", text).count("{") or _PLACE.sub("", text).count("}"):
        return "A brace is open or closed without its other one."
    return None


def server_values(rule: TerraformServerRule, instance: Instance, workspace: str) -> ServerInput:
    """Return the fields of the server that an instance becomes; raises MappingError."""
    key = re.search(r"\[(.*)\]\Z", instance.address)
    own = {"resource": {"name": instance.name, "key": key.group(1).strip('"') if key else "", "workspace": workspace}}
    around = {**instance.attributes, **own}

    def said(text: str) -> str:
        return _PLACE.sub(lambda place: _at(around, place.group(1)), text).strip()

    port = said(rule.ssh_port)
    if not (port.isascii() and port.isdigit() and len(port) < 6):
        raise MappingError(f"The ssh port would be {port[:20]!a}, which is no number.")
    found: ServerInput = {
        "hostname": said(rule.hostname),
        "ip_address": said(rule.ip_address),
        "ssh_user": said(rule.ssh_user),
        "ssh_port": int(port),
        "tags": [tag for text in rule.tags or () if (tag := said(text))],
        "environment": said(rule.environment) or None if rule.environment else None,
        "become": rule.become,
    }
    if rule.ssh_key_path:
        found["ssh_key_path"] = rule.ssh_key_path
    if rule.python_interpreter:
        found["python_interpreter"] = rule.python_interpreter
    return found


def _at(value: Any, path: str) -> str:
    where = value
    for part in path.split("."):
        if isinstance(where, Mapping) and part in where:
            where = where[part]
        elif isinstance(where, list) and part.isdigit() and int(part) < len(where):
            where = where[int(part)]
        else:
            raise MappingError(f"It has no attribute {path}.")
    if isinstance(where, bool) or not isinstance(where, str | int | float):
        raise MappingError(f"Its attribute {path} is no text.")
    return str(where)
