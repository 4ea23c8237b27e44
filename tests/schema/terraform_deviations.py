"""Where the tables of Terraform differ from their document, and why. docs/schema-deviations.md is made from this."""

from __future__ import annotations

# Rules that hold for every table of Terraform.
GENERAL = {
    "id": "The document's UUID is the column uuid, which addresses and the API show as id; references hold numbers.",
    "lengths": "Where the document gives a text no length, it has one that fits what is kept there.",
    "JSON": "JSON that says nothing is NULL, whether the document has it so or not.",
}

# Not built yet: tables and columns that will come. Each line goes when its table or column is there.
AWAITED: frozenset[str] = frozenset()

# "table.column ..." or "table RULE(columns)" -> reason; each line must still be needed.
PARTICULAR = {
    "terraform_providers.alias null": "The default provider has the empty alias: NULL would not be unique.",
    "terraform_providers.alias default": "The empty one, likewise.",
    "terraform_modules.source default": "Empty until it is read; a call without a source is a problem that is shown.",
    "terraform_modules.path default": "Empty for a module that is fetched from elsewhere.",
    "terraform_resources UNIQUE(terraform_address)": (
        "Unique within a project: two projects may both have aws_vpc.main."
    ),
    "terraform_resources INDEX(terraform_address)": "Looked up within its project; that key is the index.",
    "terraform_variables.type type": "A type is an expression, such as list(object({...})), and may be long.",
    "terraform_variables.type null": "What has no type in the files, or is not declared by them, has none.",
    "terraform_variables UNIQUE(project_id, module_id, name)": (
        "module_key stands for module_id, 0 for the root module: NULL would not be unique."
    ),
    "terraform_outputs UNIQUE(project_id, module_id, name)": (
        "module_key stands for module_id, 0 for the root module: NULL would not be unique."
    ),
    "terraform_state_files.serial type": "terraform's serial is a number of 64 bits.",
    "terraform_state_files.state_data type": (
        "The bytes are compressed and encrypted in terraform_state_chunks; this is their key, wrapped by the master "
        "key."
    ),
    "terraform_state_files.state_data null": "Each version has its key.",
    "terraform_state_files INDEX(version)": "A version is looked up within its project and state.",
    "terraform_executions.status": "An execution is a job, and its status is the job's.",
    "terraform_executions INDEX(status)": "The job's status is indexed.",
    "terraform_executions.started_at": "The job's.",
    "terraform_executions.completed_at": "The job's.",
    "terraform_executions.logs": "The lines of the job, in job_logs.",
    "terraform_executions.error_message": "The job's.",
    "terraform_states.backend default": "The platform keeps a state unless another place is named.",
    "terraform_states.backend_config type": "Encrypted, so it is a text.",
    "resource_cloud_status FOREIGN KEY(resource_id)": (
        "References the instance in infrastructure_resources: with count one declared resource is many machines."
    ),
    "resource_cloud_status.cloud_resource_id null": "A resource may have no id at its provider.",
    "resource_cloud_status.status default": "Unknown until somebody looked.",
}
