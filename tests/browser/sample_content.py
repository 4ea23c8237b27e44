"""Sample contexts of projects, revisions, differences and approvals."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from app.playbooks.dependencies import Dependencies, Dependency, Kind, State
from app.playbooks.models import ProjectSource
from app.sources.differences import FileChange, FileState, changed_files, compare_lines, size_of
from tests.browser.sample_pages import listing, playbook, row
from tests.browser.samples import NOW, XSS, page

OLD = b"- hosts: all\n  tasks:\n    - name: Say it\n      ansible.builtin.ping:\n" + b"# same\n" * 12 + b"# end\n"
NEW = OLD.replace(b"Say it", XSS.encode()).replace(b"# end", b"# " + b"a long line " * 40)
UUID = "6f1f7f6e-3a4e-4d3c-9a55-0c6a5b1f0a11"


def state(path: str, letter: str, size: int = 812, executable: bool = False) -> FileState:
    return FileState(path, letter * 64, size, executable)


def changes() -> list[FileChange]:
    before = [state("site.yml", "a"), state("gone.yml", "c"), state("run.sh", "d"), state("logo.png", "e", 90_000_000)]
    after = [state("site.yml", "b"), state("new.yml", "c"), state("run.sh", "d", executable=True)]
    contents = {"a" * 64: OLD, "b" * 64: NEW, "c" * 64: b"- hosts: web\n"}
    return compare_lines(changed_files(before, after), contents)


def revision(number: int, **more: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "id": number,
        "commit_hash": "0123456789abcdef" * 2,
        "commit_author": f"Ada <ada@example.org> {XSS}",
        "commit_message": f"Serve more\n\n{XSS}",
        "created_at": NOW - timedelta(hours=number),
        "created_by": 1,
        "manifest_hash": "3c" * 32,
    }
    return row(**{**values, **more})


def project(**more: Any) -> SimpleNamespace:
    values: dict[str, Any] = {
        "uuid": UUID,
        "name": "Web servers",
        "description": f"Everything about the web servers. {XSS}",
        "source": ProjectSource.GIT,
        "git_url": "https://git.example.org/a/rather/long/path/to/a/repository/web-servers.git",
        "git_branch": "main",
        "engine": "old",
        "revision_id": 12,
        "approved_branch_by": 1,
        "sync_error": f"The repository has no branch {XSS}.",
        "sync_on_launch": True,
        "is_active": True,
        "version": 3,
    }
    return row(**{**values, **more})


FILES = [state("site.yml", "b"), state("roles/web/tasks/main.yml", "c"), state("files/run.sh", "d", executable=True)]
APPROVALS = [
    {
        "id": number,
        "playbook_id": 1,
        "playbook_name": f"Patch {XSS}",
        "kind": kind,
        "branch": "main" if kind == "branch" else None,
        "commit_hash": "0123456789abcdef" * 2,
        "manifest_hash": "3c" * 32,
        "is_current": number == 1,
        "approved_by": "ada",
        "approved_at": NOW,
        "revoked_by": "bob" if number == 3 else None,
        "revoked_at": NOW if number == 3 else None,
    }
    for number, kind in ((1, "branch"), (2, "commit"), (3, "file"))
]
ENGINE = row(name="old", label="old (ansible-core 2.15.13)", versions={}, problems={})

page("playbooks/projects", "projects/index.html")(
    lambda: {
        "page": listing(
            [
                row(project=project(), revision=revision(12), playbooks=3, unapproved=1, rule="main"),
                row(project=project(is_active=False), revision=None, playbooks=0, unapproved=0, rule=None),
            ],
            2,
        ),
        "sources": [("git", "git")],
    }
)
page("playbooks/projects-empty", "projects/index.html")(lambda: {"page": listing([], 0), "sources": []})
page("playbooks/project", "projects/project.html")(
    lambda: {
        "project": project(),
        "rule": "main",
        "revision": revision(12),
        "files": FILES,
        "playbooks": [
            (playbook(1), row(kind="branch", branch="main")),
            (playbook(2), None),
            (playbook(3, is_active=False), None),
        ],
        "page": listing([revision(12), revision(11, commit_hash=None)], 2),
        "sizes": {12: size_of(changes()), 11: size_of([])},
        "names": {1: "ada"},
        "engine": ENGINE,
        "sync": None,
        "is_syncing": False,
        "offered": [row(fingerprint=f"SHA256:{'a' * 43}", key_type="ssh-ed25519")],
        "offers": [row(path="site.yml", name=f"Site {XSS}", hosts="all", prompts=[{"name": "release"}])],
        "missing": [playbook(4)],
    }
)
page("playbooks/revision", "projects/revision.html")(
    lambda: {
        "project": project(),
        "revision": revision(12),
        "before": revision(11),
        "changes": changes(),
        "size": size_of(changes()),
        "files": FILES,
        "names": {1: "ada"},
    }
)
page("playbooks/diff", "projects/diff.html")(
    lambda: {
        "project": project(),
        "old": revision(3),
        "new": revision(12),
        "path": None,
        "changes": changes(),
        "size": size_of(changes()),
        "revisions": [revision(12), revision(11)],
    }
)
page("playbooks/file", "projects/file.html")(
    lambda: {
        "project": project(),
        "revision": revision(12),
        "file": state("roles/web/tasks/main.yml", "c"),
        "why": "",
        "lines": NEW.decode().splitlines(),
        "cut": True,
    }
)
page("playbooks/project-settings", "projects/edit.html")(
    lambda: {
        "project": project(),
        "rule": "main",
        "engines": [("default", "default (ansible-core 2.19.14)"), ("old", ENGINE.label)],
        "form": {},
        "errors": {"engine": ["There is no engine 'x'."]},
    }
)


def approve(**more: Any) -> dict[str, Any]:
    source = row(
        revision=revision(12),
        files=[("site.yml", 812), ("new.yml", 20)],
        lines=NEW.decode().splitlines(),
        changes=changes(),
        approved_revision=revision(11),
        approved_before=row(created_at=NOW),
    )
    return {
        "playbook": playbook(1),
        "project": project(),
        "source": source,
        "approval": None,
        "history": APPROVALS,
        "form": {},
        "errors": {},
        **more,
    }


page("playbooks/approve", "playbooks/approve.html")(approve)
page("playbooks/approve-first", "playbooks/approve.html")(
    lambda: approve(
        source=row(
            revision=revision(12, commit_hash=None),
            files=[("site.yml", 812), ("new.yml", 20)],
            lines=NEW.decode().splitlines(),
            changes=[],
            approved_revision=None,
            approved_before=None,
        ),
        history=[],
        errors={"_form": ["The content changed after you read it."]},
    )
)
page("playbooks/approvals", "playbooks/approvals.html")(
    lambda: {"page": listing(APPROVALS, 3), "projects": [(1, "Web")], "kinds": [("file", "file")]}
)
page("playbooks/approvals-empty", "playbooks/approvals.html")(
    lambda: {"page": listing([], 0), "projects": [], "kinds": []}
)
page("playbooks/dependencies", "playbooks/dependencies.html")(
    lambda: {
        "playbook": playbook(1),
        "project": project(),
        "revision": revision(12),
        "found": Dependencies(
            [
                Dependency(kind, XSS if state is State.AT_RUN_TIME else f"name-{state.value}", state, "", "site.yml")
                for kind, state in zip(Kind, State, strict=False)
            ]
            + [Dependency(Kind.TASKS, "part.yml", State.PRESENT, "tasks/part.yml", "site.yml")],
            [f"roles/a/tasks/main.yml: {XSS}"],
            3,
        ),
    }
)
