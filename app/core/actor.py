"""Who acts: a person, a key or the platform itself, inside exactly one tenant."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """Rights inside a tenant; the documents' enum."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"


class Via(StrEnum):
    """The door an actor came through."""

    SESSION = "session"
    API_KEY = "api_key"
    SYSTEM = "system"
    CLI = "cli"


@dataclass(frozen=True, slots=True)
class Actor:
    """Whoever a service acts for. ``scopes`` narrows a key; None means the role's full rights.

    ``user_id`` is None only for the platform itself where no system user exists yet.
    """

    tenant_id: int
    user_id: int | None
    role: Role
    label: str  # for people: a user name, or "system"
    via: Via
    api_key_id: int | None = None
    api_key_prefix: str | None = None
    scopes: frozenset[str] | None = None
    is_platform_admin: bool = False
    ip_address: str | None = None
    user_agent: str | None = None
    request_id: str | None = field(default=None, compare=False)
    run_uuid: str | None = None  # of the run that acts
    bound_to: str | None = None  # the one thing that it may act on; the door that takes such actors checks it

    @classmethod
    def system(cls, tenant_id: int, user_id: int | None = None) -> Actor:
        """Return the platform acting inside one tenant (keeper, worker, first start)."""
        return cls(tenant_id=tenant_id, user_id=user_id, role=Role.ADMIN, label="system", via=Via.SYSTEM)
