"""Pages of approval: what would change for runs, approve it, withdraw it, and who approved what."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from app.core.errors import AppError
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.permissions import Permission, require
from app.playbooks import queries, service_approval, service_syntax
from app.playbooks.models import ApprovalKind
from app.playbooks.schemas_projects import ApprovalQuery, approval_rows
from app.playbooks.web_forms import errors_for_form, load

blueprint = Blueprint("approvals", __name__)
HISTORY = 20
COLUMNS = ("id", "playbook_id", "playbook_name", "kind", "branch", "commit_hash", "file_hash", "manifest_hash",
           "is_current", "approved_by", "approved_at", "revoked_by", "revoked_at")  # fmt: skip


def _query() -> dict[str, Any]:
    return load(ApprovalQuery(), {name: value for name, value in request.args.items() if value and name != "format"})


def _page(playbook_id: int, **more: Any) -> str:
    actor = current_actor()
    playbook = queries.get_playbook(actor, playbook_id)
    source = service_approval.read_source(actor, playbook_id)
    history = queries.list_approvals(actor, playbook_id=playbook_id, page_size=HISTORY)
    return render_template(
        "playbooks/approve.html",
        playbook=playbook,
        project=queries.project_of(actor, playbook),
        source=source,
        approval=queries.approval_of(actor, playbook),
        history=approval_rows(actor, list(history.items)),
        **more,
    )


@blueprint.route("/playbooks/<int:playbook_id>/approve", methods=["GET", "POST"])
def approve(playbook_id: int) -> ResponseReturnValue:
    """Show what would change for runs; approve exactly the content that was shown."""
    actor = current_actor()
    require(actor, Permission.PLAYBOOK_APPROVE)
    if request.method == "GET":
        return _page(playbook_id)
    try:
        service_approval.approve_playbook(actor, playbook_id, manifest_hash=request.form.get("manifest_hash", ""))
    except AppError as error:
        if error.status != 409:
            raise
        return _page(playbook_id, errors=errors_for_form(error)), 409
    flash("Approved. It can be launched now.", "success")
    return redirect(url_for("playbooks.playbook", playbook_id=playbook_id), 303)


@blueprint.post("/playbooks/<int:playbook_id>/revoke")
def revoke(playbook_id: int) -> ResponseReturnValue:
    """Withdraw the approval of the present content."""
    service_approval.revoke_approval(current_actor(), playbook_id)
    flash("The approval is withdrawn. Nobody can launch it.", "success")
    return redirect(url_for("playbooks.playbook", playbook_id=playbook_id), 303)


@blueprint.post("/playbooks/<int:playbook_id>/syntax-check")
def check_syntax(playbook_id: int) -> ResponseReturnValue:
    """Have a worker check the syntax; the launch's page shows what it says."""
    launch = service_syntax.check_syntax(current_actor(), playbook_id)
    return redirect(url_for("jobs.launch", launch_uuid=launch.uuid), 303)


@blueprint.get("/playbooks/approvals")
def index() -> str:
    """List approvals: who let which content run, when and how."""
    actor = current_actor()
    page = queries.list_approvals(actor, **_query())
    return render_template(
        "playbooks/approvals.html",
        page=page.with_items(approval_rows(actor, list(page.items))),
        projects=[(row.id, row.name) for row in queries.list_projects(actor, page_size=100).items],
        kinds=[(kind.value, kind.value) for kind in ApprovalKind],
    )


@blueprint.get("/playbooks/approvals/export")
def approvals_export() -> Response:
    """Download the list with the filters of the address."""
    actor = current_actor()
    query = {**_query(), "page": 1, "page_size": PAGE_SIZE}
    return export_rows(
        lambda after: queries.list_approvals(actor, **{**query, "after": after}),
        lambda rows: approval_rows(actor, list(rows)),
        COLUMNS,
        name="approvals",
        form=export_format(request.args.get("format")),
    )
