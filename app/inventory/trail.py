"""How audit entries point at servers, and what they may show of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from app.audit.resource import Resource
from app.inventory.models import Server
from app.inventory.models_groups import ServerGroup


def server_resource(server: Server) -> Resource:
    """Return what entries about this server point at; flush first."""
    return Resource("server", server.id, server.uuid)


def group_resource(group: ServerGroup) -> Resource:
    """Return what entries about this group point at; flush first."""
    return Resource("server_group", group.id, group.uuid)


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return field values fit for the log: variables by name only, since people put secrets there against advice."""
    found = {name: value for name, value in values.items() if value is not None}
    if "variables" in found:
        found["variables"] = sorted(found["variables"])
    if "ssh_key_path" in found:  # a path, not a key; under its own name the log would mask it
        found["ssh_identity_file"] = found.pop("ssh_key_path")
    return found
