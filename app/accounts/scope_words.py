"""What each scope of a key lets a program do, in words for people."""

from __future__ import annotations

from app.core.permissions import Permission

SCOPE_WORDS: dict[str, str] = {
    Permission.DASHBOARD_VIEW: "see counts and the state of the platform",
    Permission.SERVER_VIEW: "see servers and groups",
    Permission.SERVER_EDIT: "add and change servers and groups",
    Permission.SERVER_TEST: "test connections",
    Permission.SERVER_ADMIN: "accept host keys, set key paths and ansible_* variables, use the controller",
    Permission.PLAYBOOK_VIEW: "see playbooks and their source",
    Permission.PLAYBOOK_EDIT: "write playbooks: code that will run",
    Permission.PLAYBOOK_APPROVE: "approve playbooks to run",
    Permission.JOB_VIEW: "see launches, jobs and logs",
    Permission.JOB_LAUNCH: "launch playbooks",
    Permission.JOB_ADHOC: "run any module of the allow-list",
    Permission.JOB_CANCEL: "cancel launches and jobs",
    Permission.JOB_CANCEL_OWN: "cancel what you launched yourself",
    Permission.SAVED_LAUNCH_VIEW: "see saved launches",
    Permission.SAVED_LAUNCH_LAUNCH: "press saved launches",
    Permission.SAVED_LAUNCH_EDIT: "save and change launches",
    Permission.TICKET_VIEW: "see tickets",
    Permission.TICKET_EDIT: "work on tickets",
    Permission.TICKET_ADMIN: "change the rules and clocks of tickets",
    Permission.TERRAFORM_VIEW: "see Terraform projects, and that they have states",
    Permission.TERRAFORM_EDIT: "add and change Terraform projects, their files and variables",
    Permission.TERRAFORM_SET_EDIT: "add and change variable sets, and attach them to projects",
    Permission.TERRAFORM_PLAN: "plan, initialise and refresh Terraform projects",
    Permission.TERRAFORM_APPLY: "apply or discard Terraform plans",
    Permission.TERRAFORM_STATE_READ: "read Terraform states, with what is sensitive in them",
    Permission.TERRAFORM_STATE_LOCK: "lock Terraform states, and give the lock back",
    Permission.TERRAFORM_STATE_WRITE: "write, restore and take over Terraform states",
    Permission.TERRAFORM_STATE_UNLOCK: "take somebody else's lock of a Terraform state away",
    Permission.AUDIT_VIEW: "read the audit log",
    Permission.USER_VIEW: "see people, their sessions and keys",
    Permission.USER_EDIT: "manage people: as much as being an administrator",
    Permission.TEAM_VIEW: "see teams",
    Permission.TEAM_EDIT: "manage teams",
    Permission.PROFILE_OWN: "see and rename yourself, list your keys",
    Permission.WORKER_VIEW: "see workers",
    Permission.PLATFORM_ADMIN: "manage the platform's tenants",
}
