"""The job kind ``terraform``: an execution as a frozen run."""

from __future__ import annotations

import base64
import os
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.db import db
from app.core.errors import Conflict
from app.core.runtime import settings
from app.jobs import artifacts, kinds
from app.jobs.kinds import JobKind, PreparationError, PreparedRun, RunRequest
from app.jobs.models import Job, Launch
from app.runners.base import FailureCode, RunFile, RunSpec
from app.runners.terraform_outcome import HOST
from app.sources import revision_files
from app.sources.store import manifest_hash, sha256_hex
from app.terraform import (
    artifact_keys,
    binaries,
    elsewhere_reading,
    environment_values,
    git_reading,
    provider_values,
    queries_executions,
    service_executions,
    state_locks,
    values_check,
    variable_values,
)
from app.terraform.models import TerraformProject
from app.terraform.models_executions import ExecutionType, TerraformExecution
from app.terraform.models_files import TerraformFile, TerraformRevision
from app.terraform.run_tokens import USERNAME, RunClaims, make_token

QUEUE = "terraform"
GRACE_SECONDS = 120  # from the polite stop to the kill: what is under way at a provider ends, and the state is kept
LOCK_SECONDS = 20  # waiting for somebody's own command line that holds the state
BACKEND_RETRIES = 5  # of a call to the state, with growing pauses: half a minute
_WRITING = (ExecutionType.APPLY, ExecutionType.DESTROY, ExecutionType.REFRESH)


def _stop(message: str, code: FailureCode = FailureCode.ENGINE_ERROR) -> PreparationError:
    return PreparationError(code, message)


class TerraformKind(JobKind):
    """Builds the RunSpec of an execution."""

    name = service_executions.KIND
    queue = QUEUE
    after_loss = (
        "If it held the state, that is still locked by this run, and may be up to 20 seconds behind what it did. On "
        "the page of this execution: Unlock, then Refresh the state, then plan again."
    )

    def relaunch(self, actor: Actor, launch_uuid: str, *, only: str) -> Launch:
        """Ask for the same again, with the files of today."""
        again = service_executions.repeat(actor, launch_uuid)
        return queries_executions.launch_of(actor, again)

    def memory_bytes(self) -> int:
        """Return what terraform with a large provider needs, by the settings."""
        return settings().terraform_memory_megabytes * 1_000_000

    def prepare_launch(self, tenant_id: int, launch_id: int) -> None:
        """Read the branch that is asked for; only executions of projects from git have this."""
        git_reading.read_first(tenant_id, launch_id)

    def build_run(self, request: RunRequest) -> PreparedRun:
        """Return the frozen spec; raises PreparationError for changed files, a missing program or a lost plan."""
        actor = Actor.system(request.tenant_id, request.user_id)
        execution = queries_executions.of_job(actor, request.targets[0].job_id)
        project = queries_executions.project_of(actor, execution)
        if not project.is_active:
            raise _stop("This project was taken out of use meanwhile. Nothing was run. Take it back into use first.")
        path = binaries.path_of(request.engine)
        if path is None:
            raise _stop(
                f"This worker has no {request.engine}. Install it, name it in MILLWRIGHT_TERRAFORM_BINARIES and "
                "restart the worker, or choose another version on the project's page."
            )
        try:
            elsewhere = elsewhere_reading.what_to_read(actor, project, execution)
            if elsewhere is None:
                _check_values(actor, project, execution)
                files = _files(execution)
                parameters = {**_operation(execution), **_inputs(actor, request, project, execution)}
                _add_providers(parameters, request, project, execution, files)
            else:
                files = ()
                parameters = {**_operation(execution), **_reading(execution, project)}
                parameters |= {"operation": "read", "working_directory": "", "elsewhere": elsewhere}
        except DecryptionError as error:
            raise _stop(f"A secret of this project can no longer be opened: {error}. Enter it again.") from error
        spec = RunSpec(
            run_uuid=request.run_uuid,
            attempt=request.attempt,
            engine="terraform",
            timeout_seconds=request.timeout_seconds,
            parameters={"binary": str(path), **parameters},
            files=files,
            environment={name: os.environ[name] for name in settings().environment_allow if name in os.environ},
        )
        return PreparedRun(spec, {HOST: request.targets[0].job_id})


def _check_values(actor: Actor, project: TerraformProject, execution: TerraformExecution) -> None:
    """Look at the values once more: a set, or the files, may be others than when it was asked for."""
    if execution.execution_type not in (ExecutionType.PLAN, ExecutionType.REFRESH):
        return
    try:
        values_check.check_values(actor, project, execution.revision_id)
    except Conflict as error:
        raise _stop(error.message) from error


def _operation(execution: TerraformExecution) -> dict[str, Any]:
    return {
        "operation": execution.execution_type.value,
        "working_directory": execution.working_directory,
        "is_destroy": execution.is_destroy and execution.execution_type is ExecutionType.PLAN,
        "is_refresh_only": execution.is_refresh_only,
        "is_speculative": execution.is_speculative,
        "targets": execution.targets or [],
        "replaces": execution.replaces or [],
        "lock_timeout_seconds": LOCK_SECONDS,
        "grace_seconds": GRACE_SECONDS,
        "max_log_bytes": settings().max_job_log_bytes,
    }


def _inputs(
    actor: Actor, request: RunRequest, project: TerraformProject, execution: TerraformExecution
) -> dict[str, Any]:
    plain, secret = variable_values.values_of_run(request.tenant_id, project.id)
    source = execution
    found: dict[str, Any] = {"variables": plain, "secret_variables": secret}
    around, secret_around = environment_values.environment_of_run(request.tenant_id, project.id)
    found |= {"environment": around, "provider_environment": secret_around}
    if execution.plan_id is not None:
        plan = queries_executions.execution_by_id(actor, execution.plan_id)
        assert plan is not None
        found["plan"] = _saved_plan(request.tenant_id, plan)
        source = plan
    key = artifact_keys.key_of(source)
    if key is None:
        raise _stop("The key of this plan is gone: it was discarded, or is void. Make a new one.")
    found["artifact_key"] = base64.b64encode(key).decode("ascii")
    kind = execution.execution_type
    claims = RunClaims(
        tenant_id=request.tenant_id,
        run_uuid=request.run_uuid,
        attempt=request.attempt,
        project_uuid=project.uuid,
        workspace=execution.workspace,
        may_lock=not execution.is_speculative and kind is not ExecutionType.INIT,
        may_write=kind in _WRITING,
    )
    if claims.may_lock:
        found["lock_holder"] = state_locks.holder_sentence(actor, project, execution.workspace)
    base = (settings().internal_url or settings().public_url).rstrip("/")
    found["backend"] = {
        "address": f"{base}/api/v1/terraform/state/{project.uuid}/{execution.workspace}",
        "username": USERNAME,
        "password": make_token(claims),
        "retry_max": BACKEND_RETRIES,
    }
    if settings().terraform_mirror:
        found["mirror"] = settings().terraform_mirror
    elif settings().terraform_plugin_cache:
        found["plugin_cache"] = str(settings().data_dir / "terraform-plugins")
    return found


def _add_providers(
    parameters: dict[str, Any],
    request: RunRequest,
    project: TerraformProject,
    execution: TerraformExecution,
    files: tuple[RunFile, ...],
) -> None:
    contents = {file.path: file.data for file in files}
    try:
        found = provider_values.providers_of_run(
            request.tenant_id, project.id, contents, execution.working_directory or ""
        )
    except provider_values.UnknownProviders as error:
        raise _stop(f"{error} Nothing was run. Correct the file, or remove the settings of this provider.") from error
    parameters["provider_environment"] |= found.pop("provider_environment", {})
    parameters |= found


def _reading(execution: TerraformExecution, project: TerraformProject) -> dict[str, Any]:
    """Return what the reading of a state elsewhere needs: what providers sign in with, and a key to seal it with."""
    around, secret_around = environment_values.environment_of_run(execution.tenant_id, project.id)
    key = artifact_keys.key_of(execution) or b""
    return {
        "environment": around,
        "provider_environment": secret_around,
        "artifact_key": base64.b64encode(key).decode("ascii"),
    }


def _saved_plan(tenant_id: int, plan: TerraformExecution) -> str:
    run_id = db.session.scalar(select(Job.run_id).where(Job.tenant_id == tenant_id, Job.id == plan.job_id))
    sealed = None if run_id is None else artifacts.read(tenant_id, run_id, "plan")
    if sealed is None:
        raise _stop("The saved plan is no longer there: it is kept as long as its log. Make a new one.")
    if sha256_hex(sealed) != plan.plan_hash:
        raise _stop(
            "The saved plan is not the one that was reviewed: its SHA-256 differs. Nothing was run. Find out who "
            "changed the database, then make a new plan.",
            FailureCode.HASH_MISMATCH,
        )
    return base64.b64encode(sealed).decode("ascii")


def _files(execution: TerraformExecution) -> tuple[RunFile, ...]:
    if execution.revision_id is None:
        raise _stop("This execution has no files: its project was never read. Start it again.")
    files = revision_files.read_files(TerraformFile, execution.tenant_id, execution.revision_id)
    for file in files:
        if sha256_hex(file.data) != file.sha256:
            raise _stop(
                f"The stored file {file.path} is not what was saved: its SHA-256 differs. Nothing was run. Find out "
                "who changed the database, then save the file again.",
                FailureCode.HASH_MISMATCH,
            )
    revision = db.session.scalars(
        select(TerraformRevision).where(
            TerraformRevision.tenant_id == execution.tenant_id, TerraformRevision.id == execution.revision_id
        )
    ).one()
    if manifest_hash((file.path, file.executable, file.sha256) for file in files) != revision.manifest_hash:
        raise _stop(
            "The project's files are not those of its revision. Nothing was run. Find out who changed the database, "
            "then upload the files again.",
            FailureCode.HASH_MISMATCH,
        )
    return tuple(RunFile(file.path, file.data, 0o500 if file.executable else 0o400) for file in files)


kinds.register(TerraformKind())
