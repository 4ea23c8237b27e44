"""Sample contexts of the pages of Terraform projects and states."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from app.terraform.models_state import StateSource
from app.terraform.state_document import ChangeKind, Difference
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


def _project(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "project": PROJECT,
        "owner": "amelie.koch",
        "workspaces": [
            SimpleNamespace(state=EMPTY, lock=None),
            SimpleNamespace(state=STATE, lock=SimpleNamespace(info={"Who": LOCK["who"]})),
        ],
        "backend_address": f"https://millwright.example.org/api/v1/terraform/state/{UUID}/default",
    }
    return {**found, **changes}


def _state(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "project": PROJECT,
        "state": STATE,
        "lock": None,
        "page": listing(VERSIONS, 57),
        "before": None,
        "after": None,
        "differences": None,
    }
    return {**found, **changes}


page("terraform/projects", "terraform/projects.html")(
    lambda: {"page": listing([PROJECT, OUT_OF_USE], 2), "counts": {1: 2}}
)
page("terraform/projects-empty", "terraform/projects.html")(lambda: {"page": listing([], 0), "counts": {}})
page("terraform/project", "terraform/project.html")(_project)
page("terraform/project-new", "terraform/project.html")(lambda: _project(workspaces=[], project=OUT_OF_USE))
page("terraform/project-form", "terraform/project_form.html")(
    lambda: {
        "project": PROJECT,
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
