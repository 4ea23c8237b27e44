"""Writing an inventory that ``ansible-inventory`` reads back to the same servers, groups and variables."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import yaml
from sqlalchemy import false, true

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import InvalidInput
from app.core.permissions import Permission, can, require
from app.core.tenancy import scoped
from app.inventory import queries_groups
from app.inventory.for_run import load_chain
from app.inventory.group_draft import PRIORITY_VARIABLE
from app.inventory.groups_for_run import RunGroups, groups_of
from app.inventory.inventory_fields import NAMES
from app.inventory.models import Connection, Server, ServerTag

MAXIMUM_SERVERS = 10_000
FIELDS_AS_THEY_ARE = (
    *("python_interpreter", "become_user", "become_method", "network_os"),
    *("winrm_transport", "winrm_scheme", "winrm_cert_validation"),
)
_BARE = re.compile(r"[A-Za-z_/][A-Za-z0-9_./@:+-]*\Z")
_LITERALS = frozenset({"True", "False", "None"})


@dataclass(frozen=True, slots=True)
class Exported:
    """Hosts with their variables by name, in order, and the groups they are in."""

    hosts: dict[str, dict[str, Any]]
    groups: RunGroups


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which active servers to export; nothing given means all. They narrow each other."""

    group: str | None = None
    environment: str | None = None
    tag: str | None = None


def export_inventory(actor: Actor, wanted: Wanted) -> Exported:
    """Return the active servers with all their groups. Key files and ``ansible_*`` variables are for administrators.

    Raises InvalidInput for an unknown group or more than 10,000 servers. Never holds a password.
    """
    require(actor, Permission.SERVER_VIEW)
    statement = scoped(actor, Server).where(Server.is_active == true(), Server.is_controller == false())
    if wanted.group:
        below = queries_groups.read_nesting(actor.tenant_id).below(queries_groups.find_groups(actor, [wanted.group]))
        statement = statement.where(Server.id.in_(queries_groups.servers_in(actor.tenant_id, below)))
    if wanted.environment:
        statement = statement.where(Server.environment == wanted.environment.lower())
    if wanted.tag:
        tagged = scoped(actor, ServerTag).with_only_columns(ServerTag.server_id)
        statement = statement.where(Server.id.in_(tagged.where(ServerTag.tag == wanted.tag.lower())))
    servers = db.session.scalars(statement.order_by(Server.hostname).limit(MAXIMUM_SERVERS + 1)).all()
    if len(servers) > MAXIMUM_SERVERS:
        raise InvalidInput(group=f"More than {MAXIMUM_SERVERS:,} servers. Export them group by group.")
    is_admin = can(actor, Permission.SERVER_ADMIN)
    chain = load_chain(actor.tenant_id, servers)
    hosts = {server.hostname: _host(server, chain, is_admin=is_admin) for server in servers}
    groups = groups_of(actor.tenant_id, servers)
    return Exported(hosts, groups if is_admin else _without_privileged(groups))


def written(actor: Actor, asked: Mapping[str, Any]) -> tuple[str, str]:
    """Return text and file name for ``asked``: format (yaml, ini), group, environment, tag; see export_inventory."""
    exported = export_inventory(actor, Wanted(asked.get("group"), asked.get("environment"), asked.get("tag")))
    if asked["format"] == "ini":
        return as_ini(exported), "inventory.ini"
    return as_yaml(exported), "inventory.yml"


def _host(server: Server, chain: Mapping[int, Server], *, is_admin: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"ansible_host": server.ip_address}
    if server.connection is not Connection.SSH:
        found["ansible_connection"] = server.connection.value
    if server.connection is not Connection.LOCAL:
        found |= {"ansible_port": server.ssh_port, "ansible_user": server.ssh_user}
    if server.become:
        found["ansible_become"] = True
    for field_name in FIELDS_AS_THEY_ARE:
        if value := getattr(server, field_name):
            found[NAMES[field_name][0]] = value
    if server.ssh_key_path and is_admin:
        found["ansible_ssh_private_key_file"] = server.ssh_key_path
    if way := _way(server, chain):
        found["ansible_ssh_common_args"] = f"-o ProxyJump={','.join(way)}"
    return found | _shown(server.variables or {}, is_admin=is_admin)


def _way(server: Server, chain: Mapping[int, Server]) -> list[str]:
    """The jump hosts as ssh -J takes them, the outermost first."""
    way: list[str] = []
    following, seen = server.jump_host_id, {server.id}
    while following is not None and following in chain and following not in seen:
        jump = chain[following]
        seen.add(following)
        way.insert(0, f"{jump.ssh_user}@{_bracketed(jump.ip_address)}:{jump.ssh_port}")
        following = jump.jump_host_id
    return way


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _shown(variables: Mapping[str, Any], *, is_admin: bool) -> dict[str, Any]:
    return {name: value for name, value in variables.items() if is_admin or not name.startswith("ansible_")}


def _without_privileged(groups: RunGroups) -> RunGroups:
    def cut(variables: Mapping[str, Any]) -> dict[str, Any]:
        kept = _shown(variables, is_admin=False)
        return kept | {name: value for name, value in variables.items() if name == PRIORITY_VARIABLE}

    return RunGroups(
        {name: replace(group, variables=cut(group.variables)) for name, group in groups.groups.items()},
        cut(groups.all_variables),
    )


class _Dumper(yaml.SafeDumper):
    """Writes repeated values out, so that the file can be imported again."""

    def ignore_aliases(self, _data: Any) -> bool:
        """Never name a value by an anchor."""
        return True


def as_yaml(exported: Exported) -> str:
    """Return the inventory as YAML."""
    groups: dict[str, Any] = {}
    for name, group in exported.groups.groups.items():
        groups[name] = {
            **({"vars": dict(group.variables)} if group.variables else {}),
            **({"children": dict.fromkeys(group.children)} if group.children else {}),
            **({"hosts": dict.fromkeys(group.hosts)} if group.hosts else {}),
        } or None
    shared = dict(exported.groups.all_variables)
    document = {
        "all": {
            **({"vars": shared} if shared else {}),
            "hosts": dict(exported.hosts),
            **({"children": groups} if groups else {}),
        }
    }
    text: str = yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=4096)
    return text


def as_ini(exported: Exported) -> str:
    """Return the inventory as INI; values are written as Python literals, which is how Ansible reads them."""
    lines = [_host_line(name, variables) for name, variables in exported.hosts.items()]
    lines += _section("all:vars", _assignments(exported.groups.all_variables))
    for name, group in exported.groups.groups.items():
        lines += _section(name, group.hosts, always=True)
        lines += _section(f"{name}:children", group.children)
        lines += _section(f"{name}:vars", _assignments(group.variables))
    return "\n".join(lines) + "\n"


def _section(title: str, lines: Sequence[str], *, always: bool = False) -> list[str]:
    return ["", f"[{title}]", *lines] if lines or always else []


def _assignments(variables: Mapping[str, Any]) -> list[str]:
    return [f"{name}={_literal(value)}" for name, value in variables.items()]


def _host_line(name: str, variables: Mapping[str, Any]) -> str:
    return " ".join([name, *(f"{key}={_quoted(_literal(value))}" for key, value in variables.items())])


def _literal(value: Any) -> str:
    """Return a Python literal on one line; simple words stand bare."""
    if isinstance(value, str) and _BARE.match(value) and value not in _LITERALS:
        return value
    return ascii(value)


def _quoted(text: str) -> str:
    """Quote for shlex, as it reads the hosts' lines."""
    if _BARE.match(text) or re.fullmatch(r"[0-9]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
