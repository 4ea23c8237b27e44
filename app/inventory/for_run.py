"""What a run needs to know of its servers: frozen data, no rows. The job kind turns it into runner parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, NotFound
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory import credentials, key_files
from app.inventory.models import Connection, HostKey, Server

MAXIMUM_CHAIN = 8  # a guard against a circle; the service allows fewer


@dataclass(frozen=True, slots=True)
class HostConnection:
    """How one server is reached. ``jump_hosts`` is outermost first: the worker connects to the first of them."""

    server_id: int
    tenant_id: int
    inventory_hostname: str
    ansible_host: str
    port: int
    user: str
    key_path: str | None
    connection: Connection
    is_controller: bool
    python_interpreter: str | None
    become: bool
    become_user: str | None
    become_method: str | None
    network_os: str | None
    winrm_transport: str | None
    winrm_scheme: str | None
    winrm_cert_validation: str | None
    variables: Mapping[str, Any]
    known_hosts: tuple[str, ...]  # lines for a known_hosts file: the accepted keys of this server
    jump_hosts: tuple[HostConnection, ...] = field(default=())
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)  # CredentialKind -> text

    @property
    def needs_host_key(self) -> bool:
        """Whether a run must refuse this server while no key of it is accepted."""
        return self.connection in (Connection.SSH, Connection.NETWORK_CLI)

    @property
    def all_known_hosts(self) -> tuple[str, ...]:
        """The lines of the jump hosts and of the server."""
        return tuple(line for host in (*self.jump_hosts, self) for line in host.known_hosts)

    def check_keys(self) -> None:
        """Check every key file of the chain on this machine. Raises key_files.KeyFileError with advice."""
        for host in (*self.jump_hosts, self):
            if host.key_path is not None:
                key_files.check_key_file(host.key_path, tenant_id=host.tenant_id)


def known_hosts_line(address: str, port: int, key_type: str, public_key: str) -> str:
    """Return one line of a known_hosts file (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    name = address if port == 22 else f"[{address}]:{port}"
    return f"{name} {key_type} {public_key}"


def load_chain(tenant_id: int, servers: Sequence[Server]) -> dict[int, Server]:
    """Return the given servers and all their jump hosts by id; one query a level."""
    found = {server.id: server for server in servers}
    for _ in range(MAXIMUM_CHAIN):
        wanted = {server.jump_host_id for server in found.values() if server.jump_host_id} - set(found)
        if not wanted:
            break
        rows = db.session.scalars(select(Server).where(Server.tenant_id == tenant_id, Server.id.in_(wanted)))
        found.update({row.id: row for row in rows})
    return found


def _build(
    server: Server, servers: Mapping[int, Server], keys: Mapping[int, list[HostKey]], passwords: Mapping[str, str]
) -> HostConnection:
    chain: list[HostConnection] = []
    seen = {server.id}
    following = server.jump_host_id
    while following is not None and following not in seen and following in servers:
        seen.add(following)
        chain.insert(0, _one(servers[following], keys, (), {}))
        following = servers[following].jump_host_id
    return _one(server, keys, tuple(chain), passwords)


def _one(
    server: Server,
    keys: Mapping[int, list[HostKey]],
    jump_hosts: tuple[HostConnection, ...],
    passwords: Mapping[str, str],
) -> HostConnection:
    return HostConnection(
        server_id=server.id,
        tenant_id=server.tenant_id,
        inventory_hostname=server.hostname,
        ansible_host=server.ip_address,
        port=server.ssh_port,
        user=server.ssh_user,
        key_path=server.ssh_key_path,
        connection=server.connection,
        is_controller=server.is_controller,
        python_interpreter=server.python_interpreter,
        become=server.become,
        become_user=server.become_user,
        become_method=server.become_method,
        network_os=server.network_os,
        winrm_transport=server.winrm_transport,
        winrm_scheme=server.winrm_scheme,
        winrm_cert_validation=server.winrm_cert_validation,
        variables=dict(server.variables or {}),
        known_hosts=tuple(
            known_hosts_line(server.ip_address, server.ssh_port, key.key_type, key.public_key)
            for key in keys.get(server.id, [])
        ),
        jump_hosts=jump_hosts,
        passwords=passwords,
    )


def connections_for(servers: Sequence[Server]) -> list[HostConnection]:
    """Return the connections of servers of one tenant, in their order; few queries however many servers.

    Stored passwords are opened (credentials.CredentialLost when one cannot be); those of jump hosts are not: a way
    through is by key. Runs on the worker inside the tenant's scope or the system scope.
    """
    if not servers:
        return []
    tenant_id = servers[0].tenant_id
    chain = load_chain(tenant_id, servers)
    keys: dict[int, list[HostKey]] = {}
    accepted = select(HostKey).where(
        HostKey.tenant_id == tenant_id,
        HostKey.server_id.in_(chain),
        HostKey.accepted_at.is_not(None),
        HostKey.revoked_at.is_(None),
    )
    for key in db.session.scalars(accepted.order_by(HostKey.id)):
        keys.setdefault(key.server_id, []).append(key)
    passwords = credentials.open_all(tenant_id, [server.id for server in servers])
    return [_build(server, chain, keys, passwords.get(server.id, {})) for server in servers]


def connection_for(server: Server) -> HostConnection:
    """Return how one server is reached; see ``connections_for``."""
    return connections_for([server])[0]


def check_launchable(actor: Actor, servers: Sequence[Server]) -> None:
    """Raise Conflict for inactive servers, PermissionDenied for the platform's own machine (administrators only)."""
    require(actor, Permission.JOB_LAUNCH)
    inactive = [server.hostname for server in servers if not server.is_active]
    if inactive:
        raise Conflict(f"Inactive: {', '.join(inactive[:5])}. Reactivate or leave out.", error="server_inactive")
    if any(server.is_controller or server.connection is Connection.LOCAL for server in servers):
        require(actor, Permission.SERVER_ADMIN)


def load_launchable(actor: Actor, server_ids: Sequence[int]) -> list[Server]:
    """Return servers by id in the given order, each once. Raises NotFound, Conflict, PermissionDenied."""
    require(actor, Permission.JOB_LAUNCH)
    wanted = list(dict.fromkeys(server_ids))
    rows = db.session.scalars(scoped(actor, Server).where(Server.id.in_(wanted))).all()
    found = {row.id: row for row in rows}
    if len(found) != len(wanted):
        raise NotFound("One of these servers")
    servers = [found[server_id] for server_id in wanted]
    check_launchable(actor, servers)
    return servers
