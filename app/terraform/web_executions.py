"""Pages of executions: ask for a plan, follow it live, review it, apply exactly it; the list with its filters."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.core.errors import AppError, Conflict, InvalidInput, Locked
from app.core.flask_app import current_actor
from app.core.permissions import Permission, require
from app.jobs import listings, rights
from app.jobs.status import JobStatus
from app.terraform import (
    plan_binding,
    queries,
    queries_executions,
    queries_files,
    queries_git,
    recovery,
    regions,
    salvage,
    service_executions,
    tag_policy,
)
from app.terraform.models_executions import ExecutionType, Review
from app.terraform.schemas_executions import TerraformExecutionQuery
from app.terraform.service_executions import ExecutionRequest

blueprint = Blueprint("terraform_executions", __name__, template_folder="templates")
PROJECT = "/terraform/<uuid:terraform_uuid>"
ONE = "/terraform/executions/<uuid:execution_uuid>"
MOST_SHOWN = 500  # changes of one plan on its page; the text and the API have all


def _query() -> dict[str, Any]:
    given = {name: value for name, value in request.args.items() if value != ""}
    try:
        found: dict[str, Any] = TerraformExecutionQuery().load(given, unknown=RAISE)
    except ValidationError as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error
    return found


@blueprint.get(f"{PROJECT}/executions")
def executions(terraform_uuid: Any) -> str:
    """List a project's executions, the newest first."""
    actor = current_actor()
    project = queries.get_project(actor, str(terraform_uuid))
    page = queries_executions.list_executions(actor, project=project, **_query())
    return render_template(
        "terraform/executions.html",
        project=project,
        page=page,
        statuses=[(status.value, status.value) for status in JobStatus],
        types=[(kind.value, kind.value) for kind in ExecutionType],
        reviews=[(review.value, review.value) for review in Review if review is not Review.NONE],
    )


def _lines(name: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in request.form.get(name, "").splitlines() if line.strip())


def _wanted() -> ExecutionRequest:
    """Return what the form asks for; its one choice of a purpose becomes type and flags."""
    purpose = request.form.get("purpose", "plan")
    kinds = {"refresh": ExecutionType.REFRESH, "init": ExecutionType.INIT}
    if purpose not in (*kinds, "plan", "destroy", "drift"):
        raise InvalidInput(purpose="Choose one of these.")
    return ExecutionRequest(
        execution_type=kinds.get(purpose, ExecutionType.PLAN),
        workspace=request.form.get("workspace", "").strip(),
        is_destroy=purpose == "destroy",
        is_refresh_only=purpose == "drift",
        is_speculative="is_speculative" in request.form,
        targets=_lines("targets"),
        replaces=_lines("replaces"),
        note=request.form.get("note", "").strip() or None,
        branch=request.form.get("branch", "").strip() or None,
    )


@blueprint.route(f"{PROJECT}/plan", methods=["GET", "POST"])
def plan(terraform_uuid: Any) -> ResponseReturnValue:
    """Ask for a plan, or for another execution that changes no resource."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_PLAN)
    project = queries.get_project(actor, str(terraform_uuid))
    error: AppError | None = None
    if request.method == "POST":
        try:
            made = service_executions.execute(actor, project.uuid, _wanted())
            return redirect(url_for(".execution", execution_uuid=made.uuid), 303)
        except (InvalidInput, Conflict) as refused:
            error = refused
    errors = {name: list(said) for name, said in error.errors.items()} if error else {}
    if error and not errors:
        errors = {"_form": [error.message]}
    page = render_template(
        "terraform/plan_form.html",
        project=project,
        workspaces=[found.state.workspace for found in queries.list_workspaces(actor, project)],
        branches=[branch.name for branch in queries_git.list_branches(actor, project)],
        form=request.form.to_dict() if request.method == "POST" else request.args.to_dict(),
        errors=errors,
    )
    return page, error.status if error else 200


@blueprint.get(ONE)
def execution(execution_uuid: Any) -> str:
    """Show one execution: its log live, and for a plan what it would do, with the buttons of its review."""
    actor = current_actor()
    row = queries_executions.get_row(actor, str(execution_uuid))
    found, job = row.execution, row.job
    project = queries_executions.project_of(actor, found)
    base = url_for("jobs.job", job_id=job.job_id)
    changes = queries_executions.changes_of(actor, found) if found.execution_type is ExecutionType.PLAN else []
    tagged = regions.with_odd(tag_policy.with_missing(project, changes))
    waits = found.review is Review.WAITING
    lock = queries.lock_of_workspace(actor, project, found.workspace)
    unlocked = request.args.get("unlocked") == "1"
    plan_id = found.plan_id
    return render_template(
        "terraform/execution.html",
        project=project,
        execution=found,
        job=listings.job_row_with_history(job),
        revision=queries_files.revision_of(actor, found.revision_id),
        plan=None if plan_id is None else queries_executions.execution_by_id(actor, plan_id),
        applied_by=queries_executions.applies_of(actor, found),
        changes=tagged[:MOST_SHOWN],
        untagged=sum(bool(one["missing_tags"]) for one in tagged),
        changes_left_out=max(0, len(changes) - MOST_SHOWN),
        plan_output=queries_executions.plan_output(actor, found),
        void_because=plan_binding.moved_since(actor, project, found) if waits else None,
        recovery=recovery.next_step(actor, project, found, job, lock, unlocked=unlocked),
        has_salvage=found.followed_at is not None and queries_executions.has_part(actor, found, "state"),
        may_cancel=rights.may_cancel(actor, job.user_id),
        log={
            "base": base,
            "stream_url": url_for("jobs.stream"),
            "job_id": job.job_id,
            "status": job.status.value,
            "last_line": job.log_lines,
            "first_failure_line": job.first_failure_line,
            "raw_url": f"{base}/raw",
            "download_url": f"{base}/download",
        },
    )


@blueprint.post(f"{ONE}/unlock")
def unlock(execution_uuid: Any) -> ResponseReturnValue:
    """Take away the lock that this run left; the page then offers the refresh. One click: the run has ended."""
    try:
        found = recovery.unlock_after(current_actor(), str(execution_uuid))
    except (Conflict, Locked) as error:
        flash(error.message, "error")
        return redirect(url_for(".execution", execution_uuid=execution_uuid), 303)
    flash("The lock of this run was taken away. Its state may be behind: refresh it.", "success")
    return redirect(url_for(".execution", execution_uuid=found.uuid, unlocked=1), 303)


@blueprint.get(f"{ONE}/salvaged-state")
def salvaged_state(execution_uuid: Any) -> Response:
    """Give a state that terraform could not hand over and the store refused; leaves an audit entry."""
    response = Response(salvage.read_salvaged(current_actor(), str(execution_uuid)), mimetype="application/json")
    response.headers["Content-Disposition"] = 'attachment; filename="salvaged.tfstate"'
    return response


@blueprint.post(f"{ONE}/apply")
def apply(execution_uuid: Any) -> ResponseReturnValue:
    """Apply a plan after a question; one that destroys wants the project's name typed."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_APPLY)
    found = queries_executions.get_execution(actor, str(execution_uuid))
    project = queries_executions.project_of(actor, found)
    back = url_for(".execution", execution_uuid=found.uuid)
    typed = project.name if plan_binding.destroys(found) else None
    name_is_right = typed is None or request.form.get("confirm_name", "").strip() == typed
    if request.form.get("confirmed") != "1" or not name_is_right:
        return render_template(
            "confirm.html",
            title=f"Apply this plan to {project.name}?",
            message=_question(found.changes_summary or {}),
            expected_name=typed,
            action=url_for(".apply", execution_uuid=found.uuid),
            hidden={"note": request.form.get("note", "")[:500]},
            action_label="Apply",
            back_url=back,
        )
    try:
        made = service_executions.apply_plan(actor, found.uuid, note=request.form.get("note", "").strip() or None)
    except (Conflict, InvalidInput) as error:
        flash(error.message, "error")
        return redirect(back, 303)
    return redirect(url_for(".execution", execution_uuid=made.uuid), 303)


def _question(summary: dict[str, Any]) -> str:
    numbers = {"add": "adds", "change": "changes", "destroy": "destroys"}
    parts = [f"{word} {summary.get(name, 0)}" for name, word in numbers.items()]
    return f"It {', '.join(parts)}. Exactly this plan is carried out; if anything moved since, nothing is."


@blueprint.post(f"{ONE}/discard")
def discard(execution_uuid: Any) -> ResponseReturnValue:
    """Discard a plan."""
    actor = current_actor()
    require(actor, Permission.TERRAFORM_APPLY)
    back = url_for(".execution", execution_uuid=execution_uuid)
    try:
        service_executions.discard_plan(actor, str(execution_uuid), note=request.form.get("note", "").strip() or None)
        flash("The plan was discarded. Nothing was changed.", "success")
    except (Conflict, InvalidInput) as error:
        flash(error.message, "error")
    return redirect(back, 303)
