"""Sample contexts of the pages of states that live elsewhere."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from tests.browser.sample_pages import listing, row
from tests.browser.sample_terraform import PROJECT, STATE, VERSIONS, _project, _state
from tests.browser.samples import NOW, XSS, page

CONFIG: dict[str, Any] = {
    "bucket": "acme-terraform-states-of-all-sites",
    "key": "network/eu-central-1/terraform.tfstate",
    "region": "eu-central-1",
    "dynamodb_table": XSS,
    "use_path_style": True,
}
HEAD = row(
    **{
        **vars(STATE),
        "is_elsewhere": True,
        "backend": "s3",
        "backend_location": f"s3://{CONFIG['bucket']}/env:/production/{CONFIG['key']}",
        "backend_version": 3,
        "read_every_minutes": 60,
        "read_at": NOW,
        "read_error": None,
        "read_note": f"What was read has serial 3, before it was 7: an older state was put back. {XSS}",
    }
)
LOST = row(
    **{
        **vars(HEAD),
        "read_note": None,
        "read_every_minutes": None,
        "read_error": f"The credentials are wrong or have expired. terraform init ended with exit code 1. {XSS}",
    }
)
FRESH = row(**{**vars(HEAD), "read_at": None, "read_note": None, "state_file_id": None, "state_version": 0})
READ = [row(**{**vars(one), "read_from": HEAD.backend_location}) for one in VERSIONS[:2]]


def _form(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "project": PROJECT,
        "head": None,
        "backend": "s3",
        "now": {},
        "stored": [],
        "is_lost": False,
        "form": {},
        "errors": {},
    }
    return {**found, **changes}


page("terraform/state-elsewhere", "terraform/state.html")(lambda: _state(state=HEAD, page=listing(READ, 2)))
page("terraform/state-elsewhere-lost", "terraform/state.html")(lambda: _state(state=LOST, page=listing(READ, 2)))
page("terraform/state-elsewhere-new", "terraform/state.html")(
    lambda: _state(state=FRESH, page=listing([], 0), outputs=[])
)
page("terraform/project-elsewhere", "terraform/project.html")(
    lambda: _project(workspaces=[SimpleNamespace(state=state, lock=None) for state in (HEAD, LOST)])
)
page("terraform/elsewhere-form", "terraform/elsewhere_form.html")(_form)
page("terraform/elsewhere-form-local", "terraform/elsewhere_form.html")(
    lambda: _form(backend="local", form={"path": XSS}, errors={"path": ["No folder of the workers is open for this."]})
)
page("terraform/elsewhere-form-edit", "terraform/elsewhere_form.html")(
    lambda: _form(head=HEAD, now=CONFIG, stored=["access_key", "secret_key"], is_lost=True)
)
