"""How the audit log names projects and states."""

from __future__ import annotations

from app.audit.resource import Resource
from app.terraform.models import TerraformProject
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_state import TerraformState
from app.terraform.models_variable_sets import TerraformVariableSet


def project_resource(project: TerraformProject) -> Resource:
    """Return how the audit log names a project."""
    return Resource("terraform_project", project.id, project.uuid)


def state_resource(head: TerraformState) -> Resource:
    """Return how the audit log names a state."""
    return Resource("terraform_state", head.id, head.uuid)


def execution_resource(execution: TerraformExecution) -> Resource:
    """Return how the audit log names an execution."""
    return Resource("terraform_execution", execution.id, execution.uuid)


def set_resource(variable_set: TerraformVariableSet) -> Resource:
    """Return how the audit log names a set of variables."""
    return Resource("terraform_variable_set", variable_set.id, variable_set.uuid)
