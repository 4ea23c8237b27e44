"""Sample contexts of project sources: forms, syncs, found playbooks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from app.playbooks.models import SyncStatus
from tests.browser.sample_content import project
from tests.browser.sample_pages import listing, row
from tests.browser.samples import NOW, XSS, page

CREDENTIALS = [("none", "none: anybody may read it"), ("token", "token, for https"), ("ssh_key", "deploy key, for ssh")]
FORM = {"name": XSS, "git_url": "ext::sh -c id", "sync_on_launch": "1"}


def sync(status: SyncStatus, number: int = 1) -> Any:
    open_ = status in (SyncStatus.PENDING, SyncStatus.RUNNING)
    return row(
        uuid=f"00000000-0000-4000-8000-00000000000{number}",
        status=status,
        commit_hash="0123456789abcdef" * 2 if status is SyncStatus.SUCCESS else None,
        created_at=NOW,
        started_at=None if status is SyncStatus.PENDING else NOW,
        finished_at=None if open_ else NOW + timedelta(seconds=3),
        requested_by=1,
        worker="worker-1",
        counts={"files": 237, "added": 3, "changed": 2, "removed": 1} if status is SyncStatus.SUCCESS else None,
        error_message=f"The repository has no branch '{XSS}'." if status is SyncStatus.FAILED else None,
        log=f"08:02:50 reading https://git.example.org/{XSS}\n08:02:52 a line {'that is long ' * 30}\n",
    )


page("playbooks/project-new", "projects/new.html")(lambda: {"project": None, "credentials": CREDENTIALS})
page("playbooks/project-new-wrong", "projects/new.html")(
    lambda: {
        "project": None,
        "credentials": CREDENTIALS,
        "form": FORM,
        "errors": {"git_url": ["Only https and ssh addresses are cloned."], "credential_secret": ["Give the token."]},
    }
)
page("playbooks/project-source", "projects/new.html")(
    lambda: {
        "project": project(
            git_subfolder="ansible", credential_kind="token", credential_user="bot", credential_secret="v1.x", version=3
        ),
        "credentials": CREDENTIALS,
    }
)
page("playbooks/project-archive-new", "projects/new_upload.html")(lambda: {"max_bytes": 8_388_608})
page("playbooks/project-archive", "projects/archive.html")(
    lambda: {"project": project(version=1), "max_bytes": 8_388_608, "errors": {"file": ["This is no archive."]}}
)
page("playbooks/syncs", "projects/syncs.html")(
    lambda: {
        "project": project(),
        "page": listing([sync(status, number) for number, status in enumerate(SyncStatus, 1)], 4),
        "names": {1: "ada"},
    }
)
page("playbooks/syncs-empty", "projects/syncs.html")(
    lambda: {"project": project(), "page": listing([], 0), "names": {}}
)
page("playbooks/sync", "projects/sync.html")(lambda: {"project": project(), "sync": sync(SyncStatus.FAILED)})
