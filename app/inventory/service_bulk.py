"""One change to many servers: all of them or none, each with its own entry in the log, refusals by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from app.audit import service as audit
from app.core.actor import Actor
from app.core.errors import AppError, Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.inventory import queries, service, service_tests, values
from app.inventory.draft import ServerInput
from app.inventory.models import Server
from app.inventory.queries import ServerFilter

MAXIMUM_SERVERS = 500
# Fields whose empty value takes away what was there.
FIELDS = ("environment", "ssh_user", "ssh_port", "python_interpreter", "jump_host_id")


@dataclass(frozen=True, slots=True)
class BulkChange:
    """What to do to each server. ``fields`` holds some of FIELDS; ``is_active`` None leaves it."""

    add_tags: tuple[str, ...] = ()
    remove_tags: tuple[str, ...] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)
    is_active: bool | None = None
    test: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was asked for."""
        return not (self.add_tags or self.remove_tags or self.fields or self.test) and self.is_active is None


@dataclass(frozen=True, slots=True)
class BulkResult:
    """A server of the bulk and whether it was changed (False: it was so already)."""

    server: Server
    changed: bool


def choose(actor: Actor, *, server_ids: Sequence[int] = (), wanted: ServerFilter | None = None) -> Sequence[Server]:
    """Return the servers of a bulk: those ticked, or all that a filter matches; by name.

    Raises NotFound for an unknown id, InvalidInput for none or more than MAXIMUM_SERVERS.
    """
    require(actor, Permission.SERVER_EDIT)
    too_many = f"At most {MAXIMUM_SERVERS} servers at a time. Narrow the filters, or tick fewer."
    if len(server_ids) > MAXIMUM_SERVERS:
        raise InvalidInput(server_ids=too_many)
    if server_ids:
        found = queries.list_by_ids(actor, server_ids)
    else:
        found = queries.list_matching(actor, wanted, MAXIMUM_SERVERS + 1) if wanted is not None else ()
    if not found:
        raise InvalidInput(server_ids="Choose at least one server.")
    if len(found) > MAXIMUM_SERVERS:
        raise InvalidInput(server_ids=too_many)
    return found


def change_servers(
    actor: Actor, server_ids: Sequence[int], change: BulkChange, *, versions: Mapping[int, int] | None = None
) -> list[BulkResult]:
    """Do the same to all servers, or nothing to any. ``versions`` are those that the choice was made from, by id.

    Raises Conflict, or InvalidInput when only values were wrong, as ``bulk_refused``: ``errors`` say by host name what
    was refused. NotFound and InvalidInput as ``choose``.
    """
    require(actor, Permission.SERVER_EDIT)
    if change.is_empty:
        raise InvalidInput("Say what is to be changed.")
    unknown = sorted(set(change.fields) - set(FIELDS))
    if unknown:
        raise InvalidInput(**dict.fromkeys(unknown, "This cannot be changed for many servers at once."))
    try:
        added, removed = values.tags(change.add_tags), values.tags(change.remove_tags)
    except ValueError as error:
        raise InvalidInput(add_tags=str(error)) from error
    servers = choose(actor, server_ids=server_ids)
    results: list[BulkResult] = []
    refused: dict[str, list[str]] = {}
    conflicts = False
    for server in servers:
        before = server.version, server.is_active
        seen = (versions or {}).get(server.id)
        for step in _steps(actor, server, change, added, removed, seen):
            try:
                with audit.savepoint():
                    step()
            except AppError as error:
                said = [sentence for sentences in error.errors.values() for sentence in sentences] or [error.message]
                refused.setdefault(server.hostname, []).extend(map(str, said))
                conflicts = conflicts or not isinstance(error, InvalidInput)
                break
        else:
            results.append(BulkResult(server, (server.version, server.is_active) != before))
    if refused:
        raise _refusal(refused, len(servers), conflicts)
    return results


def _refusal(refused: dict[str, list[str]], count: int, conflicts: bool) -> AppError:
    message = f"Nothing was changed: {len(refused)} of {count} servers refuse it."
    error: AppError = Conflict(message) if conflicts else InvalidInput(message)
    error.errors, error.error = refused, "bulk_refused"
    return error


def _steps(
    actor: Actor, server: Server, change: BulkChange, added: Sequence[str], removed: Sequence[str], seen: int | None
) -> list[Callable[[], object]]:
    """Return what to do to one server, in order; the first step compares the version."""
    steps: list[Callable[[], object]] = []
    given: dict[str, Any] = dict(change.fields)
    if added or removed:
        given["tags"] = sorted((set(server.tags or []) | set(added)) - set(removed))
    if change.is_active is True:
        steps.append(lambda: service.reactivate_server(actor, server.id, version=seen))
    if given:
        version = None if steps else seen
        steps.append(lambda: service.update_server(actor, server.id, cast(ServerInput, given), version=version))
    if change.test:
        steps.append(lambda: service_tests.request_server_test(actor, server.id))
    if change.is_active is False:
        version = None if steps else seen
        steps.append(lambda: service.deactivate_server(actor, server.id, version=version))
    return steps
