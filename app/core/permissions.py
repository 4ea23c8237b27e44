"""What may be done, and which role may do it: one enum, one table, one check."""

from __future__ import annotations

from enum import StrEnum

from app.core.actor import Actor, Role, Via
from app.core.errors import PermissionDenied


class Permission(StrEnum):
    """``subject:verb``. API key scopes are these words too."""

    DASHBOARD_VIEW = "dashboard:view"
    SERVER_VIEW = "server:view"
    SERVER_EDIT = "server:edit"
    SERVER_TEST = "server:test"
    SERVER_ADMIN = "server:admin"  # the controller, key paths, ansible_* variables, accepting a host key
    PLAYBOOK_VIEW = "playbook:view"
    PLAYBOOK_EDIT = "playbook:edit"  # writing content is running code: admin
    PLAYBOOK_APPROVE = "playbook:approve"
    JOB_VIEW = "job:view"
    JOB_LAUNCH = "job:launch"
    JOB_ADHOC = "job:adhoc"  # any module of the allow-list; operators run the reading ones with job:launch
    JOB_CANCEL = "job:cancel"
    JOB_CANCEL_OWN = "job:cancel_own"  # what one launched oneself
    SAVED_LAUNCH_VIEW = "saved_launch:view"
    SAVED_LAUNCH_LAUNCH = "saved_launch:launch"  # viewers: those that were granted to them
    SAVED_LAUNCH_EDIT = "saved_launch:edit"  # one's own, and those that were granted; admins: all
    TICKET_VIEW = "ticket:view"
    TICKET_EDIT = "ticket:edit"
    TICKET_ADMIN = "ticket:admin"  # priority rules and targets of time
    TERRAFORM_VIEW = "terraform:view"
    TERRAFORM_EDIT = "terraform:edit"  # files, variables, credentials, policies: running code on a worker
    TERRAFORM_SET_EDIT = "terraform_variable_set:edit"  # values of many projects, and which projects have them
    TERRAFORM_PLAN = "terraform:plan"  # initialise, plan, refresh: runs the project's code, changes no resource
    TERRAFORM_APPLY = "terraform:apply"  # carry a reviewed plan out, or discard it
    TERRAFORM_STATE_READ = "terraform_state:read"  # whole states, with what is sensitive in them
    TERRAFORM_STATE_LOCK = "terraform_state:lock"  # take the lock, and give it back
    TERRAFORM_STATE_WRITE = "terraform_state:write"  # write, restore, import
    TERRAFORM_STATE_UNLOCK = "terraform_state:unlock"  # take somebody else's lock away
    AUDIT_VIEW = "audit:view"
    USER_VIEW = "user:view"
    USER_EDIT = "user:edit"  # as much as being an administrator: it gives roles and passwords
    TEAM_VIEW = "team:view"
    TEAM_EDIT = "team:edit"
    API_KEY_OWN = "api_key:own"  # one's own keys; only through a session
    PROFILE_OWN = "profile:own"
    WORKER_VIEW = "worker:view"
    PLATFORM_ADMIN = "platform:admin"  # tenants; of no role, and of a key only when it was given by name


_VIEWER = frozenset(
    {
        Permission.DASHBOARD_VIEW,
        Permission.SERVER_VIEW,
        Permission.PLAYBOOK_VIEW,
        Permission.JOB_VIEW,
        Permission.JOB_CANCEL_OWN,
        Permission.SAVED_LAUNCH_VIEW,
        Permission.SAVED_LAUNCH_LAUNCH,
        Permission.TERRAFORM_VIEW,
        Permission.TICKET_VIEW,
        Permission.TEAM_VIEW,
        Permission.WORKER_VIEW,
        Permission.API_KEY_OWN,
        Permission.PROFILE_OWN,
    }
)
_OPERATOR = _VIEWER | {
    Permission.SERVER_EDIT,
    Permission.SERVER_TEST,
    Permission.JOB_LAUNCH,
    Permission.JOB_CANCEL,
    Permission.SAVED_LAUNCH_EDIT,
    Permission.TERRAFORM_PLAN,
    Permission.TERRAFORM_APPLY,
    Permission.TICKET_EDIT,
}
_ADMIN = frozenset(Permission) - {Permission.PLATFORM_ADMIN}

ROLE_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: _VIEWER,
    Role.OPERATOR: _OPERATOR,
    Role.ADMIN: _ADMIN,
}
# What a key can never do, whatever its scopes: make further keys.
NEVER_BY_KEY = frozenset({Permission.API_KEY_OWN})


def can(actor: Actor, permission: Permission) -> bool:
    """Say whether the actor may; for hiding buttons. Services use ``require``."""
    if permission is Permission.PLATFORM_ADMIN:
        given = actor.via is not Via.API_KEY or permission.value in (actor.scopes or ())
        return actor.is_platform_admin and given
    if permission not in ROLE_GRANTS[actor.role]:
        return False
    if actor.via is Via.API_KEY and permission in NEVER_BY_KEY:
        return False
    return actor.scopes is None or permission.value in actor.scopes


def require(actor: Actor, permission: Permission) -> None:
    """Raise PermissionDenied unless the actor may. The first statement of every service function."""
    if not can(actor, permission):
        raise PermissionDenied(permission.value, actor.role.value)


def require_one_of(actor: Actor, *permissions: Permission) -> None:
    """Raise PermissionDenied, naming the first, unless the actor has one of these; which one is the rule's matter."""
    if not any(can(actor, permission) for permission in permissions):
        raise PermissionDenied(permissions[0].value, actor.role.value)
