"""Shapes of the inventory, shared by the REST API and the forms. Unknown fields are refused everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields, validate

from app.core.clock import iso
from app.core.schemas import Schema, Strict
from app.core.sort_field import sort_field
from app.inventory import facts, queries, values
from app.inventory.connection_test import trust_of
from app.inventory.draft import ServerInput
from app.inventory.models import Connection, HostKey, Server
from app.inventory.queries import LAST_JOB_NONE, ServerFilter, TestResult

ID = validate.Range(min=1, max=2**31 - 1)


def _text(maximum: int, description: str, *, minimum: int = 0, **options: Any) -> fields.String:
    return fields.String(
        validate=validate.Length(min=minimum, max=maximum), metadata={"description": description}, **options
    )


def _choice(choices: Sequence[str], description: str) -> fields.String:
    return fields.String(validate=validate.OneOf(choices), allow_none=True, metadata={"description": description})


class ServerFields(Strict):
    """What people set on a server. The rules behind each field stand in inventory.values."""

    hostname = _text(255, "RFC 1123 name; Ansible's inventory_hostname.", minimum=1)
    ip_address = _text(45, "IPv4 or IPv6 address; stored in its canonical form.", minimum=1)
    os_type = _text(50, "Name of the system; 'unknown' until a test tells.", allow_none=True)
    os_version = _text(50, "Version of the system.", allow_none=True)
    ssh_port = fields.Integer(strict=True, validate=validate.Range(1, 65_535), metadata={"description": "TCP port."})
    ssh_user = _text(50, "Account to sign in with.", minimum=1)
    ssh_key_path = _text(
        500, "Private key on the workers, under their key folder; administrators only.", allow_none=True
    )
    tags = fields.List(
        fields.String(validate=validate.Length(1, 50)),
        validate=validate.Length(max=values.MAXIMUM_TAGS),
        metadata={"description": "Stored in lower case, sorted, each once."},
    )
    environment = _text(50, "For example production.", allow_none=True)
    description = _text(values.MAXIMUM_DESCRIPTION, "Free text.", allow_none=True)
    connection = fields.Enum(Connection, by_value=True, metadata={"description": "How Ansible reaches it."})
    jump_host_id = fields.Integer(
        strict=True, validate=ID, allow_none=True, metadata={"description": "Server to go through."}
    )
    python_interpreter = _text(255, "Full path on the server, or auto.", allow_none=True)
    become = fields.Boolean(
        truthy={True}, falsy={False}, metadata={"description": "Become another user for every task."}
    )
    become_user = _text(50, "That user; root when empty.", allow_none=True)
    become_method = _choice(values.BECOME_METHODS, "How; sudo when empty. enable: on network devices.")
    network_os = _text(100, "Platform of a network device (network_cli), e.g. cisco.ios.ios.", allow_none=True)
    winrm_transport = _choice(values.WINRM_TRANSPORTS, "How WinRM signs in; Ansible's choice when empty.")
    winrm_scheme = _choice(values.WINRM_SCHEMES, "https when empty; http: administrators only.")
    winrm_cert_validation = _choice(
        values.WINRM_CERT_VALIDATION, "Whether the certificate is checked; 'ignore': administrators only."
    )
    variables = fields.Dict(
        keys=fields.String(validate=validate.Length(1, 100)),
        allow_none=True,
        metadata={"description": "Host variables, at most 64 KiB. ansible_* and templates: administrators only."},
    )


class ServerCreate(ServerFields):
    """A new server."""

    hostname = _text(255, "RFC 1123 name; Ansible's inventory_hostname.", minimum=1, required=True)
    ip_address = _text(45, "IPv4 or IPv6 address.", minimum=1, required=True)


class ServerEdit(ServerFields):
    """Changes; ``version`` is the one they were made from (If-Match says the same)."""

    version = fields.Integer(strict=True, validate=ID, metadata={"description": "Refused with 409 when not the row's."})


def _is_fact(text: str) -> None:
    try:
        facts.parse_wanted(text)
    except ValueError as error:
        raise ValidationError(str(error)) from error


def to_filter(query: Mapping[str, Any], is_active: bool | None) -> ServerFilter:
    """Return the filter of loaded ServerQuery data."""
    fact = query.get("fact")
    return ServerFilter(
        environment=query.get("environment"),
        tag=query.get("tag"),
        connection=query.get("connection"),
        is_active=is_active,
        text=query.get("q"),
        os_type=query.get("os_type"),
        test=query.get("test"),
        last_job=query.get("last_job"),
        fact=facts.parse_wanted(fact) if fact else None,
    )


class ServerQuery(Strict):
    """Filters and paging of the list."""

    environment = fields.String(validate=validate.Length(1, 50))
    tag = fields.String(validate=validate.Length(1, 50))
    connection = fields.Enum(Connection, by_value=True)
    is_active = fields.Boolean()
    q = fields.String(
        validate=validate.Length(1, 100),
        metadata={
            "description": "In the name, or the beginning of the address; above 10,000 servers the beginning of "
            "the address if it looks like one (10.2. or fe80:), else of the name."
        },
    )
    os_type = fields.String(validate=validate.Length(1, 50))
    test = fields.Enum(TestResult, by_value=True, metadata={"description": "How the last connection test went."})
    last_job = fields.String(
        validate=validate.OneOf(("success", "failed", "cancelled", LAST_JOB_NONE)),
        metadata={"description": "How the last job on it ended; none: nothing ended on it yet."},
    )
    fact = fields.String(
        validate=[validate.Length(3, 260), _is_fact],
        metadata={
            "description": f"name:value, equal whatever the case. Names: {', '.join(facts.SEARCHABLE)}.",
            "example": "distribution_version:12",
        },
    )
    sort = sort_field(*queries.SORTS.columns)
    page = fields.Integer(load_default=1, validate=validate.Range(1, 10_000))
    page_size = fields.Integer(load_default=50, validate=validate.Range(1, 100))
    after = fields.Integer(validate=ID, metadata={"description": "Id of the last row seen; any depth."})


class HostKeysReplace(Strict):
    """The keys of a reinstalled server that somebody compared."""

    key_ids = fields.List(
        fields.Integer(strict=True, validate=ID),
        required=True,
        validate=validate.Length(1, 20),
        metadata={"description": "Waiting keys that are trusted from now on, in place of all earlier ones."},
    )


class NoQuery(Strict):
    """No query parameters."""


class ConnectionTest(Schema):
    """The last connection test of a server, and whether one is on its way."""

    state = fields.String(validate=validate.OneOf(("never", "waiting", "running", "done")))
    requested_at = fields.String(allow_none=True)
    ok = fields.Boolean(allow_none=True)
    code = fields.String(allow_none=True)
    message = fields.String(allow_none=True)
    tested_at = fields.String(allow_none=True)


class ServerOut(ServerFields):
    """One server."""

    id = fields.Integer()
    uuid = fields.String()
    version = fields.Integer()
    is_active = fields.Boolean()
    is_controller = fields.Boolean()
    test = fields.Nested(ConnectionTest)
    created_at = fields.String()
    updated_at = fields.String()


class HostKeyOut(Schema):
    """A host key that a server showed."""

    id = fields.Integer()
    key_type = fields.String()
    public_key = fields.String()
    fingerprint = fields.String(metadata={"description": "SHA256, as ssh-keygen -l prints it."})
    trust = fields.String(validate=validate.OneOf(("waiting", "accepted", "revoked")))
    accepted_at = fields.String(allow_none=True)
    accepted_by = fields.Integer(allow_none=True)
    revoked_at = fields.String(allow_none=True)
    created_at = fields.String()


def test_state(server: Server) -> str:
    """Return never, waiting, running or done."""
    if server.test_requested_at is not None:
        return "running" if server.test_started_at is not None else "waiting"
    return "done" if server.last_tested_at is not None else "never"


def server_data(server: Server) -> dict[str, Any]:
    """Return one server as the API shows it."""
    data: dict[str, Any] = {name: getattr(server, name) for name in ServerInput.__annotations__}
    data["tags"] = server.tags or []
    data |= {"id": server.id, "uuid": server.uuid, "version": server.version}
    data |= {"is_active": server.is_active, "is_controller": server.is_controller}
    data |= {"created_at": iso(server.created_at), "updated_at": iso(server.updated_at)}
    data["test"] = {
        "state": test_state(server),
        "requested_at": iso(server.test_requested_at),
        "ok": server.last_test_ok,
        "code": server.last_test_code,
        "message": server.last_test_message,
        "tested_at": iso(server.last_tested_at),
    }
    return data


def host_key_data(key: HostKey) -> dict[str, Any]:
    """Return one host key as the API shows it."""
    return {
        "id": key.id,
        "key_type": key.key_type,
        "public_key": key.public_key,
        "fingerprint": key.fingerprint,
        "trust": trust_of(key).value,
        "accepted_at": iso(key.accepted_at),
        "accepted_by": key.accepted_by,
        "revoked_at": iso(key.revoked_at),
        "created_at": iso(key.created_at),
    }
