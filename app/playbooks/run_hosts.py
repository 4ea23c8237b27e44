"""The servers of a run in the shape that the ansible runner takes: hosts, groups, known hosts, way through jumps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select, true

from app.core.db import db
from app.inventory import values
from app.inventory.credentials import CredentialLost
from app.inventory.for_run import HostConnection, connections_for
from app.inventory.groups_for_run import RunGroup, groups_of
from app.inventory.key_files import KeyFileError
from app.inventory.models import Connection, Server
from app.jobs.kinds import PreparationError
from app.runners.base import FailureCode, RunFile

# Beside the project's files in the run's private copy; ssh is started in that folder.
FOLDER = ".millwright"
JUMP_CONFIG = f"{FOLDER}/ssh_config"
JUMP_KNOWN_HOSTS = f"{FOLDER}/known_hosts"
_PASSWORDS = {"connection": "ansible_password", "become": "ansible_become_password"}


@dataclass(frozen=True, slots=True)
class RunHosts:
    """``hosts``, ``groups``, ``all_vars`` as ``app.runners.ansible`` has them; ``server_ids`` by inventory hostname."""

    hosts: list[dict[str, Any]]
    groups: dict[str, dict[str, Any]]
    all_vars: dict[str, Any]
    known_hosts: str
    server_ids: dict[str, int]
    files: tuple[RunFile, ...] = field(default=())

    @property
    def parameters(self) -> dict[str, Any]:
        """The part of a RunSpec's parameters that says where it runs."""
        return {
            "hosts": self.hosts,
            "groups": self.groups,
            "all_vars": self.all_vars,
            "templates_in_inventory": self.has_templates,
            "known_hosts": self.known_hosts,
        }

    @property
    def has_templates(self) -> bool:
        """Whether a variable holds a template. Only administrators can store one: it is evaluated as at the shell."""
        own = (host["vars"] for host in self.hosts)
        return any(map(values.has_template, (self.all_vars, *own, *(group["vars"] for group in self.groups.values()))))


def hosts_for_run(tenant_id: int, server_ids: Sequence[int]) -> RunHosts:
    """Return what a run needs of its servers; those deactivated since the launch are left out.

    Raises PreparationError when none is left or a key file cannot be used on this worker.
    """
    servers = db.session.scalars(
        select(Server)
        .where(Server.tenant_id == tenant_id, Server.id.in_(server_ids), Server.is_active == true())
        .order_by(Server.hostname)
    ).all()
    if not servers:
        raise PreparationError(
            FailureCode.NO_HOSTS, "Every server of this launch was deactivated since. Activate them, then launch again."
        )
    try:
        connections = connections_for(servers)
    except CredentialLost as error:
        raise PreparationError(FailureCode.ENGINE_ERROR, str(error)) from error
    for connection in connections:
        try:
            connection.check_keys()
        except KeyFileError as error:
            raise PreparationError(
                FailureCode.ENGINE_ERROR, f"{connection.inventory_hostname} cannot be reached: {error}"
            ) from error
    found = groups_of(tenant_id, servers)
    known = "".join(
        f"{line}\n" for line in dict.fromkeys(line for host in connections for line in host.all_known_hosts)
    )
    return RunHosts(
        hosts=[_host(connection) for connection in connections],
        groups={name: _group(group) for name, group in found.groups.items()},
        all_vars=dict(found.all_variables),
        known_hosts=known,
        server_ids={connection.inventory_hostname: connection.server_id for connection in connections},
        files=_jump_files(connections, known),
    )


def _host(host: HostConnection) -> dict[str, Any]:
    variables: dict[str, Any] = {"ansible_connection": host.connection.value}
    if host.connection is not Connection.LOCAL:
        variables |= {"ansible_host": host.ansible_host, "ansible_port": host.port, "ansible_user": host.user}
    if host.python_interpreter:
        variables["ansible_python_interpreter"] = host.python_interpreter
    if host.become:
        variables["ansible_become"] = True
        for name in ("become_user", "become_method"):
            if value := getattr(host, name):
                variables[f"ansible_{name}"] = value
    if host.connection is Connection.NETWORK_CLI and host.network_os:
        variables["ansible_network_os"] = host.network_os
    if host.connection is Connection.WINRM:
        variables |= _winrm(host)
    if host.jump_hosts:
        nearest = _jump_name(host.jump_hosts[-1])
        variables["ansible_ssh_common_args"] = f'-o ProxyCommand="ssh -F {JUMP_CONFIG} -W [%h]:%p {nearest}"'
    found: dict[str, Any] = {"name": host.inventory_hostname, "vars": {**variables, **host.variables}}
    if host.key_path:
        found["private_key_path"] = host.key_path
    # Apart from the variables: the runner masks these texts in everything that is printed.
    secrets = {_PASSWORDS[kind]: text for kind, text in host.passwords.items() if kind in _PASSWORDS}
    if secrets:
        found["secrets"] = secrets
    return found


def _winrm(host: HostConnection) -> dict[str, str]:
    """Return what the winrm plugin needs; a checked certificate over https unless an administrator said otherwise."""
    found = {
        "ansible_shell_type": "powershell",
        "ansible_winrm_scheme": host.winrm_scheme or "https",
        "ansible_winrm_server_cert_validation": host.winrm_cert_validation or "validate",
    }
    if host.winrm_transport:
        found["ansible_winrm_transport"] = host.winrm_transport
    return found


def _group(group: RunGroup) -> dict[str, Any]:
    return {"hosts": group.hosts, "children": group.children, "vars": dict(group.variables)}


def _jump_name(host: HostConnection) -> str:
    return f"mw-jump-{host.server_id}"


def _jump_files(connections: Iterable[HostConnection], known: str) -> tuple[RunFile, ...]:
    """Return an ssh_config that knows every jump host by name, and the known hosts it uses."""
    entries: dict[str, str] = {}
    for connection in connections:
        outer: HostConnection | None = None
        for jump in connection.jump_hosts:
            lines = [
                f"Host {_jump_name(jump)}",
                f"  HostName {jump.ansible_host}",
                f"  Port {jump.port}",
                f"  User {jump.user}",
                *([f"  IdentityFile {jump.key_path}"] if jump.key_path else []),
                *([f"  ProxyJump {_jump_name(outer)}"] if outer is not None else []),
            ]
            entries[_jump_name(jump)] = "\n".join(lines) + "\n"
            outer = jump
    if not entries:
        return ()
    shared = (
        f"Host *\n  UserKnownHostsFile {JUMP_KNOWN_HOSTS}\n  GlobalKnownHostsFile /dev/null\n"
        "  StrictHostKeyChecking yes\n  UpdateHostKeys no\n  IdentitiesOnly yes\n  ForwardAgent no\n"
        "  BatchMode yes\n"
    )
    config = "".join(entries[name] for name in sorted(entries)) + shared
    return RunFile(JUMP_CONFIG, config.encode()), RunFile(JUMP_KNOWN_HOSTS, known.encode())
