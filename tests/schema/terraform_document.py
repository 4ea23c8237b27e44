"""The tables of the Terraform document ("Terraform Database Schema Design") and of its state entity, as data.

Column: name -> (type, may be null, default). ``varchar`` and ``text`` without a length take any. References are written
with the name of the column that holds them. The key ``id`` of the document, a UUID, is ``uuid`` here.
"""

from __future__ import annotations

from tests.schema.core_document import JSON, KEY, MOMENT, NOW, TEXT, UPDATED, Document, text

UUID = text(36)
CHAR, OPTIONAL = ("varchar", False, None), ("varchar", True, None)
NO, NUMBER, NONE_YET = ("bool", False, "0"), ("int", False, None), ("int", False, "0")
LINK = ("int", True, None)
STAMPED = {"uuid": UUID, "created_at": NOW, "updated_at": UPDATED}
PROJECT = {"project_id": ("terraform_projects", "CASCADE")}
MODULE = {**PROJECT, "module_id": ("terraform_modules", "CASCADE")}
STATUSES = "enum('unknown','planning','applying','created','updating','error','destroyed')"
TYPES = "enum('init','plan','apply','destroy','refresh')"

TABLES = {
    "terraform_projects": Document(
        {
            **STAMPED,
            "user_id": KEY,
            "name": text(200),
            "description": TEXT,
            "git_repository_url": OPTIONAL,
            "git_branch": ("varchar", False, "main"),
            "git_commit_hash": text(40, null=True),
            "terraform_version": text(20, default="1.6.0"),
            "metadata": JSON,
        },
        unique={("uuid",)},
        indexes={("name",), ("user_id",)},
        foreign_keys={"user_id": ("users", "RESTRICT")},
    ),
    "git_branches": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "name": text(200),
            "is_default": NO,
            "last_commit_hash": text(40, null=True),
            "last_commit_message": TEXT,
            "last_commit_author": text(200, null=True),
            "last_commit_date": MOMENT,
        },
        unique={("uuid",), ("project_id", "name")},
        foreign_keys=PROJECT,
    ),
    "terraform_providers": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "name": CHAR,
            "alias": OPTIONAL,
            "version": OPTIONAL,
            "region": OPTIONAL,
            "configuration": JSON,
        },
        unique={("uuid",), ("project_id", "name", "alias")},
        foreign_keys=PROJECT,
    ),
    "terraform_modules": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "parent_module_id": LINK,
            "name": text(200),
            "source": CHAR,
            "version": OPTIONAL,
            "path": CHAR,
            "metadata": JSON,
        },
        unique={("uuid",)},
        foreign_keys={**PROJECT, "parent_module_id": ("terraform_modules", "CASCADE")},
    ),
    "terraform_resources": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "module_id": LINK,
            "resource_type": text(200),
            "resource_name": text(200),
            "provider_id": LINK,
            "configuration": JSON,
            "metadata": JSON,
            "status": (STATUSES, False, "unknown"),
            "terraform_address": CHAR,
            "state_id": OPTIONAL,
        },
        unique={("uuid",), ("terraform_address",)},
        indexes={("resource_type",), ("resource_name",), ("terraform_address",)},
        foreign_keys={**MODULE, "provider_id": ("terraform_providers", "CASCADE")},
    ),
    "resource_dependencies": Document(
        {
            "uuid": UUID,
            "from_resource_id": KEY,
            "to_resource_id": KEY,
            "dependency_type": ("enum('implicit','explicit','data')", False, None),
            "created_at": NOW,
        },
        unique={("uuid",), ("from_resource_id", "to_resource_id")},
        foreign_keys={
            "from_resource_id": ("terraform_resources", "CASCADE"),
            "to_resource_id": ("terraform_resources", "CASCADE"),
        },
    ),
    "terraform_variables": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "module_id": LINK,
            "name": text(200),
            "type": CHAR,
            "description": TEXT,
            "default_value": JSON,
            "value": JSON,
            "sensitive": NO,
            "validation_rules": JSON,
        },
        unique={("uuid",), ("project_id", "module_id", "name")},
        indexes={("name",)},
        foreign_keys=MODULE,
    ),
    "terraform_outputs": Document(
        {
            **STAMPED,
            "project_id": KEY,
            "module_id": LINK,
            "name": text(200),
            "description": TEXT,
            "value": JSON,
            "sensitive": NO,
        },
        unique={("uuid",), ("project_id", "module_id", "name")},
        indexes={("name",)},
        foreign_keys=MODULE,
    ),
    "terraform_state_files": Document(
        {
            "uuid": UUID,
            "project_id": KEY,
            "branch_id": LINK,
            "version": NUMBER,
            "terraform_version": CHAR,
            "serial": NUMBER,
            "lineage": CHAR,
            "state_data": JSON,
            "resources_count": NONE_YET,
            "created_at": NOW,
        },
        unique={("uuid",)},
        indexes={("project_id",), ("version",), ("created_at",)},
        foreign_keys={**PROJECT, "branch_id": ("git_branches", "SET NULL")},
    ),
    "terraform_executions": Document(
        {
            "uuid": UUID,
            "project_id": KEY,
            "branch_id": LINK,
            "execution_type": (TYPES, False, None),
            "status": ("enum('pending','running','success','failed','cancelled')", False, None),
            "initiated_by": KEY,
            "started_at": MOMENT,
            "completed_at": MOMENT,
            "plan_output": TEXT,
            "changes_summary": JSON,
            "logs": ("text", False, None),
            "error_message": TEXT,
            "created_at": NOW,
        },
        unique={("uuid",)},
        indexes={("project_id",), ("status",), ("created_at",)},
        foreign_keys={**PROJECT, "branch_id": ("git_branches", "SET NULL"), "initiated_by": ("users", "RESTRICT")},
    ),
    "resource_cloud_status": Document(
        {
            **STAMPED,
            "resource_id": KEY,
            "cloud_resource_id": CHAR,
            "status": CHAR,
            "ip_address": OPTIONAL,
            "url": OPTIONAL,
            "cost_per_hour": ("decimal", True, None),
            "metadata": JSON,
            "last_checked_at": ("datetime", False, None),
        },
        unique={("uuid",), ("resource_id",)},
        indexes={("resource_id",), ("last_checked_at",)},
        foreign_keys={"resource_id": ("terraform_resources", "CASCADE")},
    ),
    # "Terraform State" of the document on deployments
    "terraform_states": Document(
        {
            "uuid": UUID,
            "workspace": CHAR,
            "backend": CHAR,
            "backend_config": JSON,
            "resources_count": NONE_YET,
            "last_updated": MOMENT,
            "terraform_version": OPTIONAL,
            "state_file_hash": OPTIONAL,
        },
        unique={("uuid",)},
    ),
    # "Infrastructure Resource" of the same; its id at the provider is cloud_id
    "infrastructure_resources": Document(
        {
            **STAMPED,
            "state_id": KEY,
            "cloud_id": OPTIONAL,
            "type": CHAR,
            "name": CHAR,
            "status": ("enum('pending','created','updated','destroyed','failed')", False, None),
            "region": OPTIONAL,
            "tags": JSON,
            "terraform_state": JSON,
        },
        unique={("uuid",)},
        foreign_keys={"state_id": ("terraform_states", "CASCADE")},
    ),
}
