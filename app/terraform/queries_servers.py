"""Reads of the rules by which resources become servers, and of the servers that they became."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.core.errors import NotFound
from app.core.pagination import Page, paginate
from app.core.permissions import Permission, require
from app.core.tenancy import scoped
from app.inventory.models import Server
from app.terraform.models import TerraformProject
from app.terraform.models_servers import TerraformServer, TerraformServerRule
from app.terraform.models_state import TerraformState


@dataclass(frozen=True, slots=True)
class Made:
    """A resource's server, with the workspace it is of."""

    link: TerraformServer
    server: Server | None
    workspace: str


def list_rules(actor: Actor, project: TerraformProject) -> Sequence[TerraformServerRule]:
    """Return a project's rules by type."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(
        scoped(actor, TerraformServerRule)
        .where(TerraformServerRule.project_id == project.id)
        .order_by(TerraformServerRule.resource_type)
    ).all()


def get_rule(actor: Actor, project: TerraformProject, uuid: str) -> TerraformServerRule:
    """Return a rule of a project; raises NotFound."""
    require(actor, Permission.TERRAFORM_VIEW)
    found = db.session.scalar(
        scoped(actor, TerraformServerRule).where(
            TerraformServerRule.project_id == project.id, TerraformServerRule.uuid == uuid
        )
    )
    if found is None:
        raise NotFound("This rule")
    return found


def links_of(actor: Actor, project: TerraformProject, resource_type: str) -> Sequence[TerraformServer]:
    """Return what a type of resource became in a project."""
    require(actor, Permission.TERRAFORM_VIEW)
    return db.session.scalars(
        scoped(actor, TerraformServer).where(
            TerraformServer.project_id == project.id, TerraformServer.resource_type == resource_type
        )
    ).all()


def list_made(
    actor: Actor, project: TerraformProject, *, page: int = 1, page_size: int = 50, after: int | None = None
) -> Page[Made]:
    """Return the servers that resources of a project became, the newest first; four queries."""
    require(actor, Permission.TERRAFORM_VIEW)
    statement = scoped(actor, TerraformServer).where(TerraformServer.project_id == project.id)
    found = paginate(statement, TerraformServer.id, page=page, page_size=page_size, after=after)
    ids = {link.server_id for link in found.items if link.server_id is not None}
    servers = {s.id: s for s in db.session.scalars(scoped(actor, Server).where(Server.id.in_(ids)))} if ids else {}
    rows = db.session.execute(
        select(TerraformState.id, TerraformState.workspace).where(
            TerraformState.tenant_id == actor.tenant_id, TerraformState.project_id == project.id
        )
    )
    spaces = {row.id: row.workspace for row in rows}
    return found.with_items(
        [Made(link, servers.get(link.server_id or 0), spaces.get(link.state_id, "")) for link in found.items]
    )
