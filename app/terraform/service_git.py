"""Commands on the repository of a project from git."""

from __future__ import annotations

from app.audit import service as audit
from app.core.actor import Actor
from app.core.permissions import Permission, require
from app.sources.git_fields import accept_offered
from app.terraform import queries
from app.terraform.models import TerraformProject
from app.terraform.trail import project_resource


def accept_host_key(actor: Actor, uuid: str, fingerprint: str) -> TerraformProject:
    """Accept the ssh host key that the last reading was shown; from now on no other one is connected to.

    ``fingerprint`` is what the person compared (``SHA256:...``); another one raises Conflict.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, uuid)
    accepted = accept_offered(project, fingerprint)
    project.version += 1
    details = {"name": project.name, "fingerprints": accepted}
    audit.record(
        actor, "terraform_project:accept_host_key", project_resource(project), action="UPDATE", details=details
    )
    return project
