"""Commands on the rules by which resources become servers."""

from __future__ import annotations

import re
from typing import Any, TypedDict

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.versioning import check_version
from app.jobs import launchers
from app.terraform import queries, queries_servers, server_sync
from app.terraform.models import TerraformProject
from app.terraform.models_servers import TerraformServerRule
from app.terraform.server_mapping import check_text
from app.terraform.state_heads import check_workspace
from app.terraform.trail import project_resource

TEXTS = ("hostname", "ip_address", "ssh_user", "ssh_port", "environment")
FIELDS = (*TEXTS, "ssh_key_path", "python_interpreter", "tags", "become", "trusts_first_key", "bootstrap_uuid")
MAX_RULES, MAX_TAGS = 50, 20
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,199}\Z")


class RuleInput(TypedDict, total=False):
    """What people set on a rule; the texts hold attributes in braces."""

    resource_type: str
    hostname: str
    ip_address: str
    ssh_user: str
    ssh_port: str
    ssh_key_path: str | None
    python_interpreter: str | None
    environment: str | None
    tags: list[str]
    become: bool
    trusts_first_key: bool
    bootstrap_uuid: str | None


def add_rule(actor: Actor, project_uuid: str, given: RuleInput) -> TerraformServerRule:
    """Add a rule. It holds from the next apply on, or at once by ``sync``. Raises InvalidInput by field, Conflict."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    kind = given.get("resource_type", "")
    if not _TYPE.match(kind):
        raise InvalidInput(resource_type="Give the type of the resources, such as aws_instance.")
    missing = {name: "This is needed." for name in ("hostname", "ip_address") if not given.get(name)}
    if missing:
        raise InvalidInput(**missing)
    wanted = _checked(actor, given)
    if len(queries_servers.list_rules(actor, project)) >= MAX_RULES:
        raise Conflict(f"A project has at most {MAX_RULES} rules.")
    rule = TerraformServerRule(tenant_id=actor.tenant_id, project_id=project.id, resource_type=kind, **wanted)
    try:
        with db.session.begin_nested():
            db.session.add(rule)
    except IntegrityError:
        raise Conflict(f"There is a rule for {kind} already. Change that one.", error="name_taken") from None
    db.session.refresh(rule)
    _record(actor, project, rule, "create", wanted)
    return rule


def change_rule(
    actor: Actor, project_uuid: str, rule_uuid: str, given: RuleInput, *, version: int | None = None
) -> TerraformServerRule:
    """Change the given fields; servers follow with the next apply. Raises InvalidInput, NotFound, VersionConflict."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    rule = queries_servers.get_rule(actor, project, rule_uuid)
    check_version(rule, version)
    if given.get("resource_type", rule.resource_type) != rule.resource_type:
        raise InvalidInput(resource_type="A rule keeps its type. Add another one and remove this.")
    wanted = {name: value for name, value in _checked(actor, given).items() if getattr(rule, name) != value}
    before = {name: getattr(rule, name) for name in wanted}
    for name, value in wanted.items():
        setattr(rule, name, value)
    db.session.flush()
    db.session.refresh(rule)
    _record(actor, project, rule, "update", audit.changes(before, wanted, sorted(wanted)))
    return rule


def remove_rule(actor: Actor, project_uuid: str, rule_uuid: str) -> None:
    """Take a rule away: its servers stay as they are, and no apply changes them any more. Raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    rule = queries_servers.get_rule(actor, project, rule_uuid)
    _record(actor, project, rule, "delete", {})
    for link in queries_servers.links_of(actor, project, rule.resource_type):
        db.session.delete(link)
    db.session.delete(rule)
    db.session.flush()


def sync(actor: Actor, project_uuid: str, workspace: str) -> dict[str, int]:
    """Bring a workspace's servers to its newest state now, e.g. after a new rule or a foreign command line's apply."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    if not project.is_active:
        raise Conflict("This project is out of use. Take it back into use first.", error="inactive")
    counts = server_sync.sync_servers(actor, project, check_workspace(workspace))
    audit.record(
        actor,
        "terraform_project:servers",
        project_resource(project),
        action="SYNC",
        details={"name": project.name, "workspace": workspace, **counts},
    )
    return counts


def _checked(actor: Actor, given: RuleInput) -> dict[str, Any]:
    wanted: dict[str, Any] = {name: given[name] for name in FIELDS if name in given}  # type: ignore[literal-required]
    for name in TEXTS:
        if name not in wanted:
            continue
        text = (wanted[name] or "").strip()
        if len(text) > 500:
            raise InvalidInput(**{name: "At most 500 characters."})
        if problem := check_text(text):
            raise InvalidInput(**{name: problem})
        wanted[name] = text or None
        if text == "" and name != "environment":
            wanted.pop(name)
    if len(wanted.get("tags") or ()) > MAX_TAGS:
        raise InvalidInput(tags=f"At most {MAX_TAGS} tags.")
    for tag in wanted.get("tags") or ():
        if len(tag) > 200:
            raise InvalidInput(tags="A tag is too long.")
        if problem := check_text(tag):
            raise InvalidInput(tags=problem)
    uuid = wanted.get("bootstrap_uuid")
    if uuid is not None and uuid not in launchers.titles[launchers.SAVED](actor):
        raise InvalidInput(bootstrap_uuid="There is no active saved launch with this id.")
    return wanted


def _record(actor: Actor, project: TerraformProject, rule: TerraformServerRule, verb: str, details: Any) -> None:
    audit.record(
        actor,
        f"terraform_server_rule:{verb}",
        project_resource(project),
        details={"project": project.name, "resource_type": rule.resource_type, **details},
    )
