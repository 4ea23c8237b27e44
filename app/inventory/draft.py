"""A server as somebody wants it: fields cleaned together, then checked against the actor's rights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypedDict

from app.core.actor import Actor
from app.core.errors import UNKNOWN_FIELD, InvalidInput, PermissionDenied
from app.core.permissions import Permission, can
from app.inventory import key_files, values
from app.inventory.models import Connection, Server


class ServerInput(TypedDict, total=False):
    """The fields that people set; a missing one stays as it is, or gets its default."""

    hostname: str
    ip_address: str
    os_type: str | None
    os_version: str | None
    ssh_port: int
    ssh_user: str
    ssh_key_path: str | None
    tags: list[str]
    environment: str | None
    description: str | None
    connection: Connection
    jump_host_id: int | None
    python_interpreter: str | None
    become: bool
    become_user: str | None
    become_method: str | None
    network_os: str | None
    winrm_transport: str | None
    winrm_scheme: str | None
    winrm_cert_validation: str | None
    variables: dict[str, Any] | None


FIELDS = tuple(ServerInput.__annotations__)
REQUIRED = ("hostname", "ip_address")
# Changing one of these sends a key or a password somewhere else, or less well guarded.
REDIRECTING = frozenset(
    {"ip_address", "ssh_port", "ssh_user", "jump_host_id", "connection"}
    | {"winrm_transport", "winrm_scheme", "winrm_cert_validation"}
)
# An empty value of these means "nothing" and is stored as NULL; os_type goes back to 'unknown'.
EMPTY_IS_NONE = frozenset(FIELDS) - {"hostname", "ip_address", "ssh_port", "ssh_user", "connection", "become", "tags"}
CLEANERS: dict[str, Callable[[Any], Any]] = {
    "hostname": values.hostname,
    "ip_address": values.address,
    "os_type": values.os_name,
    "os_version": values.os_name,
    "ssh_port": values.port,
    "ssh_user": values.user,
    "tags": values.tags,
    "environment": values.word,
    "description": values.description,
    "connection": Connection,
    "python_interpreter": values.interpreter,
    "become_user": values.user,
    "become_method": values.one_of(values.BECOME_METHODS),
    "network_os": values.network_os,
    "winrm_transport": values.one_of(values.WINRM_TRANSPORTS),
    "winrm_scheme": values.one_of(values.WINRM_SCHEMES),
    "winrm_cert_validation": values.one_of(values.WINRM_CERT_VALIDATION),
    "variables": values.variables,
}


def _controller_hostname(text: str) -> str:
    return values.hostname(text, is_controller=True)


def clean(given: Mapping[str, Any], *, is_controller: bool = False) -> dict[str, Any]:
    """Return the canonical values. Raises InvalidInput with a sentence for every field that cannot be used."""
    found: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for name, value in given.items():
        if name not in FIELDS:
            errors[name] = UNKNOWN_FIELD
            continue
        if value in ("", None, {}) and name in EMPTY_IS_NONE:
            found[name] = "unknown" if name == "os_type" else None
            continue
        cleaner = CLEANERS.get(name)
        if name == "hostname" and is_controller:
            cleaner = _controller_hostname
        try:
            found[name] = cleaner(value) if cleaner else value
        except (ValueError, TypeError, AttributeError) as error:
            errors[name] = str(error) if isinstance(error, ValueError) else "A value of this type cannot be used."
    if errors:
        raise InvalidInput(**errors)
    return found


def changes_of(server: Server, cleaned: Mapping[str, Any]) -> dict[str, Any]:
    """Return the cleaned values that differ from the row's."""
    return {name: value for name, value in cleaned.items() if getattr(server, name) != value}


def check_rights(
    actor: Actor, changed: Mapping[str, Any], *, before: Server | None = None, has_password: bool = False
) -> None:
    """Refuse changes that reach the platform's own machine to everybody but administrators.

    Raises PermissionDenied for the controller, key paths, the local connection, loopback and link-local addresses,
    ``ansible_*`` variables and templates in variables, unguarded WinRM, and for pointing a server with a key file or a
    stored password (``has_password``) elsewhere; InvalidInput for a key file that cannot be used.
    """
    if not can(actor, Permission.SERVER_ADMIN) and (
        _needs_admin(changed, before) or (has_password and not REDIRECTING.isdisjoint(changed))
    ):
        raise PermissionDenied(Permission.SERVER_ADMIN.value, actor.role.value)
    path = changed.get("ssh_key_path")
    if path is not None:
        try:
            key_files.check_key_file(path, tenant_id=actor.tenant_id)
        except key_files.KeyFileError as error:
            raise InvalidInput(ssh_key_path=str(error)) from error


def _needs_admin(changed: Mapping[str, Any], before: Server | None) -> bool:
    if before is not None and (before.is_controller or (before.connection is Connection.LOCAL and changed)):
        return True
    if changed.get("ssh_key_path") is not None or changed.get("connection") is Connection.LOCAL:
        return True
    if changed.get("winrm_scheme") == "http" or changed.get("winrm_cert_validation") == "ignore":
        return True  # whoever stands between could read what is sent there
    if "ip_address" in changed and values.is_own_address(changed["ip_address"]):
        return True
    if "variables" not in changed:
        return before is not None and _redirects_key(changed, before)
    old = (before.variables if before else None) or {}
    new = changed["variables"] or {}
    kept = {name: value for name, value in new.items() if name in old and old[name] == value}
    touched = {name: value for name, value in (new | old).items() if name not in kept}
    return bool(values.privileged_variables(touched)) or (before is not None and _redirects_key(changed, before))


def _redirects_key(changed: Mapping[str, Any], before: Server) -> bool:
    """An administrator gave a key for one machine and one account; pointing it elsewhere is theirs to do too."""
    if before.ssh_key_path is None or ("ssh_key_path" in changed and changed["ssh_key_path"] is None):
        return False
    return not REDIRECTING.isdisjoint(changed)
