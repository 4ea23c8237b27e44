"""One row of another tenant for each id that a path, a query or a body may hold. A new parameter adds its line."""

from __future__ import annotations

from collections.abc import Callable

from app.accounts.models import ApiKey, UserSession
from app.audit.models import AuditEntry
from app.playbooks.models import ProjectRevision
from tests import factories
from tests.factories import PersonMade
from tests.holdings import Holdings
from tests.permissions.routes import UNKNOWN_NUMBER, UNKNOWN_UUID


def _api_key(owner: PersonMade, _held: Holdings) -> object:
    factories.make_key(owner)
    return max(row.id for row in factories.rows(ApiKey) if row.tenant_id == owner.tenant_id)


def _session(owner: PersonMade, _held: Holdings) -> object:
    factories.make_session(owner)
    return max(row.id for row in factories.rows(UserSession) if row.tenant_id == owner.tenant_id)


def _revision(owner: PersonMade, _held: Holdings) -> object:
    return max(row.id for row in factories.rows(ProjectRevision) if row.tenant_id == owner.tenant_id)


def _entry(owner: PersonMade, _held: Holdings) -> object:
    return max(row.id for row in factories.rows(AuditEntry) if row.tenant_id == owner.tenant_id)


Maker = Callable[[PersonMade, Holdings], object]

# Beginning of the route, parameter -> a function that returns the id of a row of ``owner``'s tenant. The first wins.
MAKERS: tuple[tuple[str, str, Maker], ...] = (
    ("/me/keys/", "key_id", _api_key),
    ("/api/v1/api-keys/", "key_id", _api_key),
    ("/me/sessions/", "session_id", _session),
    ("/users/", "key_id", _api_key),
    ("/users/", "session_id", _session),
    ("/api/v1/users/", "key_id", _api_key),
    ("/api/v1/users/", "session_id", _session),
    ("/", "user_id", lambda owner, _held: owner.id),
    ("/", "team_uuid", lambda _owner, held: held.team_uuid),
    ("/", "tenant_uuid", lambda _owner, held: held.tenant_uuid),
    ("/servers/", "key_id", lambda _owner, held: held.host_key_id),
    ("/api/v1/servers/", "key_id", lambda _owner, held: held.host_key_id),
    ("/", "kind", lambda _owner, _held: "become"),
    ("/", "group_id", lambda _owner, held: held.group_id),
    ("/audit/", "entry_id", _entry),
    ("/api/v1/audit-logs/", "entry_id", _entry),
    ("/", "worker_id", lambda _owner, _held: UNKNOWN_NUMBER),  # no tenant owns a worker
    ("/", "server_id", lambda _owner, held: held.server_id),
    ("/", "playbook_id", lambda _owner, held: held.playbook_id),
    ("/", "revision_id", _revision),
    ("/", "sync_uuid", lambda _owner, held: held.sync_uuid),
    ("/", "terraform_uuid", lambda _owner, held: held.terraform_uuid),
    ("/", "module_uuid", lambda _owner, held: held.module_uuid),
    ("/", "infrastructure_uuid", lambda _owner, held: held.infrastructure_uuid),
    ("/", "price_uuid", lambda _owner, held: held.price_uuid),
    ("/", "resource_uuid", lambda _owner, held: held.resource_uuid),
    ("/", "execution_uuid", lambda _owner, held: held.execution_uuid),
    ("/", "revision_uuid", lambda _owner, held: held.terraform_revision_uuid),
    ("/", "variable_uuid", lambda _owner, held: held.variable_uuid),
    ("/", "set_uuid", lambda _owner, held: held.set_uuid),
    ("/", "set_variable_uuid", lambda _owner, held: held.set_variable_uuid),
    ("/", "rule_uuid", lambda _owner, held: held.rule_uuid),
    ("/", "name", lambda _owner, _held: "AWS_REGION"),
    ("/", "instance", lambda _owner, _held: "aws.west"),
    ("/", "file_path", lambda _owner, _held: "main.tf"),
    ("/", "workspace", lambda _owner, _held: UNKNOWN_UUID),
    ("/", "version", lambda _owner, _held: 1),
    ("/", "project_uuid", lambda _owner, held: held.project_uuid),
    ("/", "launch_uuid", lambda _owner, held: held.launch_uuid),
    ("/", "saved_uuid", lambda _owner, held: held.saved_uuid),
    ("/", "grant_id", lambda _owner, held: held.grant_id),
    ("/", "job_id", lambda _owner, held: held.job_id),
    ("/workers/", "worker_id", lambda _owner, _held: UNKNOWN_NUMBER),  # workers are nobody's
    ("/tickets/number/", "number", lambda _owner, held: factories.ticket_number(held.ticket_id)),
    ("/", "rule_id", lambda _owner, held: held.rule_id),
    ("/", "ticket_id", lambda _owner, held: held.ticket_id),
)

# The same for queries and bodies: field -> (of the other tenant, unknown).
FIELDS: dict[str, Callable[[Holdings], tuple[object, object]]] = {
    "server_id": lambda held: (held.server_id, UNKNOWN_NUMBER),
    "server_ids": lambda held: ([held.server_id], [UNKNOWN_NUMBER]),
    "add_server_ids": lambda held: ([held.server_id], [UNKNOWN_NUMBER]),
    "remove_server_ids": lambda held: ([held.server_id], [UNKNOWN_NUMBER]),
    "child_ids": lambda held: ([held.group_id], [UNKNOWN_NUMBER]),
    "parent_ids": lambda held: ([held.group_id], [UNKNOWN_NUMBER]),
    "jump_host_id": lambda held: (held.server_id, UNKNOWN_NUMBER),
    "resource_id": lambda held: (held.server_id, UNKNOWN_NUMBER),
    "resource_uuid": lambda held: (held.job_id, UNKNOWN_UUID),
    "playbook_id": lambda held: (held.playbook_id, UNKNOWN_NUMBER),
    "project_id": lambda held: (held.project_id, UNKNOWN_NUMBER),
    "user_id": lambda held: (held.user_id, UNKNOWN_NUMBER),
    "assignee_id": lambda held: (held.user_id, UNKNOWN_NUMBER),
    "job_id": lambda held: (held.job_id, UNKNOWN_UUID),
    "key_ids": lambda held: ([held.host_key_id], [UNKNOWN_NUMBER]),
    "ticket_ids": lambda held: ([held.ticket_id], [UNKNOWN_UUID]),
    "owner_id": lambda held: (held.user_id, UNKNOWN_NUMBER),
    "origin_uuid": lambda held: (held.saved_uuid, UNKNOWN_UUID),
    "bootstrap_uuid": lambda held: (held.saved_uuid, UNKNOWN_UUID),
    "set_ids": lambda held: ([held.set_uuid], [UNKNOWN_UUID]),
    "team_uuid": lambda held: (held.team_uuid, UNKNOWN_UUID),
}


def foreign_id(route: str, name: str, owner: PersonMade, held: Holdings) -> object:
    """Return the id of a row of ``owner``'s tenant that the route's parameter ``name`` may mean."""
    for beginning, parameter, make in MAKERS:
        if parameter == name and route.startswith(beginning):
            return make(owner, held)
    raise AssertionError(f"{route}: say in tests/permissions/foreign.py whose id <{name}> is")
