"""Projects from git: read at the begin of each execution; what a commit moves, and what cannot be read."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, select

from app.audit.models import AuditEntry
from app.core import runtime
from app.core.db import db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope
from app.inventory.ssh_client import ScannedKey, parse_keys
from app.sources.git_client import Git, GitError
from app.terraform.models import TerraformProject
from app.terraform.models_executions import TerraformExecution
from app.terraform.models_git import GitBranch
from tests import factories
from tests.factories import PersonMade, bearer
from tests.support.git_repositories import Repository
from tests.terraform.house import MAIN, Workshop
from tests.terraform.test_command_line import dump

pytestmark = pytest.mark.database
SECRET = "planted-token-of-a-repository-0815"
OTHER = MAIN.replace("default = 1", "default = 2")
KEYS = "one.example.org ssh-ed25519 " + "AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43


@pytest.fixture
def network(git_root: Path) -> Repository:
    """A repository with a configuration, and what does not belong into one."""
    made = Repository(git_root / "network")
    made.commit({"main.tf": MAIN, "README.md": "# Network\n", "terraform.tfstate": "{}"}, "First")
    return made


@pytest.fixture
def git_workshop(workshop: Workshop, network: Repository, git_root: Path) -> Iterator[Workshop]:
    """The project, read from that repository from now on."""
    runtime.configure(settings().model_copy(update={"git_local_root": git_root}))
    workshop.of_project("PATCH", json={"git_repository_url": network.url})
    yield workshop


def project_row() -> TerraformProject:
    with system_scope("test"), unit_of_work(writes=False):
        return db.session.scalars(select(TerraformProject)).one()


def test_a_branch_is_read_planned_and_applied(git_workshop: Workshop, network: Repository) -> None:
    head = network.git("rev-parse", "HEAD")
    shown = git_workshop.of_project("GET")
    assert (shown["source"], shown["git_branch"], shown["git_commit_hash"]) == ("git", "main", None)
    plan = git_workshop.plan(note="first")
    assert (plan["status"], plan["review"], plan["branch"]) == ("success", "waiting", "main"), plan
    assert git_workshop.of_project("GET")["git_commit_hash"] == head
    files = git_workshop.of_project("GET", "/files")
    assert [file["path"] for file in files["files"]] == ["README.md", "main.tf"], "a state is no configuration"
    (revision, *_older) = git_workshop.of_project("GET", "/revisions")
    assert (revision["id"], revision["source"], revision["commit_hash"]) == (files["revision"], "git", head)
    assert (revision["commit_author"], revision["commit_message"]) == ("Ada", "First")
    (branch,) = git_workshop.of_project("GET", "/branches")
    assert (branch["name"], branch["is_default"], branch["last_commit_hash"]) == ("main", True, head)
    assert (branch["last_commit_author"], branch["last_commit_message"]) == ("Ada", "First")
    assert branch["last_commit_date"].startswith("2026-01-02T03:04:05")
    network.commit({"later.txt": "x"}, "After the plan")
    apply = git_workshop.apply(plan)
    assert (apply["status"], apply["branch"]) == ("success", "main"), apply
    assert git_workshop.of_project("GET")["git_commit_hash"] == head, "an apply reads nothing"
    assert not any(settings().sync_root.iterdir())


def test_a_new_commit_makes_the_waiting_plan_void_and_another_commit_of_the_same_files_does_not(
    git_workshop: Workshop, network: Repository
) -> None:
    plan = git_workshop.plan()
    revisions = len(git_workshop.of_project("GET", "/revisions"))
    same = network.commit({}, "Nothing but words")
    assert git_workshop.plan(execution_type="init")["status"] == "success"
    assert git_workshop.of_project("GET")["git_commit_hash"] == same
    assert len(git_workshop.of_project("GET", "/revisions")) == revisions + 1
    assert git_workshop.call("GET", f"/executions/{plan['id']}")["review"] == "waiting"
    network.commit({"main.tf": OTHER}, "Second")
    assert git_workshop.plan(execution_type="init")["status"] == "success"
    refused = git_workshop.apply(plan, code=409)
    assert refused["error"] == "plan_void" and "files were changed" in refused["message"]
    assert git_workshop.call("GET", f"/executions/{plan['id']}")["review"] == "void"
    newest = len(git_workshop.of_project("GET", "/revisions"))
    again = git_workshop.plan()
    assert again["review"] == "waiting"
    assert len(git_workshop.of_project("GET", "/revisions")) == newest, "the same commit is the same revision"


def test_another_branch_is_read_for_itself(git_workshop: Workshop, network: Repository) -> None:
    plan = git_workshop.plan()
    network.git("checkout", "--quiet", "-b", "release/2")
    network.commit({"main.tf": OTHER}, "Release")
    other = git_workshop.plan(branch="release/2", workspace="release")
    assert (other["status"], other["review"], other["branch"]) == ("success", "waiting", "release/2"), other
    names = [(branch["name"], branch["is_default"]) for branch in git_workshop.of_project("GET", "/branches")]
    assert names == [("main", True), ("release/2", False)]
    assert git_workshop.of_project("GET", "/files/main.tf") == MAIN.encode(), "the default branch is in force"
    network.commit({"main.tf": OTHER + "# more\n"}, "More")
    git_workshop.plan(branch="release/2", is_speculative=True)
    assert git_workshop.call("GET", f"/executions/{other['id']}")["review"] == "void"
    assert git_workshop.apply(plan)["status"] == "success", "main was not touched by it"
    git_workshop.of_project("PATCH", json={"git_branch": "release/2"})
    names = [(branch["name"], branch["is_default"]) for branch in git_workshop.of_project("GET", "/branches")]
    assert names == [("release/2", True), ("main", False)]
    assert git_workshop.of_project("GET", "/files/main.tf") == (OTHER + "# more\n").encode()
    assert git_workshop.plan()["branch"] == "release/2"


def test_versions_of_a_state_name_the_branch_of_the_run_that_wrote_them(
    git_workshop: Workshop, network: Repository
) -> None:
    git_workshop.apply(git_workshop.plan())
    network.git("checkout", "--quiet", "-b", "release/2")
    network.commit({"main.tf": OTHER}, "Release")
    git_workshop.apply(git_workshop.plan(branch="release/2"))
    path = "/workspaces/default/versions"

    def branches(query: str = "") -> list[str | None]:
        return [row["branch"] for row in git_workshop.of_project("GET", f"{path}{query}")]

    written = branches()
    assert written[0] == "release/2" and written[-1] == "main"
    assert set(branches("?branch=main")) == {"main"}
    assert branches("?branch=release%2F2") == [name for name in written if name == "release/2"]
    assert branches("?branch=%C3%A4") == branches("?branch=nobody") == []
    restored = git_workshop.of_project("POST", f"{path}/1/restore", 201)
    assert restored["branch"] is None, "a person put it back"
    with system_scope("test"), unit_of_work():
        names = {row.id: row.name for row in db.session.scalars(select(GitBranch))}
        runs = db.session.scalars(select(TerraformExecution).order_by(TerraformExecution.id)).all()
        assert [names.get(run.branch_id or 0) for run in runs] == ["main", "main", "release/2", "release/2"]
        db.session.execute(delete(GitBranch).where(GitBranch.name == "release/2"))
    assert branches("?branch=release%2F2") == []
    assert branches()[1] is None, "the version stays without its branch"


def test_the_policy_applies_plans_of_the_projects_own_branch_and_of_no_other(
    git_workshop: Workshop, network: Repository
) -> None:
    git_workshop.of_project("PATCH", json={"apply_policy": "auto"})
    network.git("branch", "anybodys")
    assert git_workshop.plan(branch="anybodys")["review"] == "waiting"
    assert git_workshop.plan()["review"] == "applied"


def test_a_repository_over_a_limit_is_refused_with_advice_that_can_be_followed(git_workshop: Workshop) -> None:
    runtime.configure(settings().model_copy(update={"project_max_files": 1}))
    said = git_workshop.plan()["error_message"]
    assert "MILLWRIGHT_PROJECT_MAX_FILES" in said and "sub-folder" not in said


@pytest.mark.parametrize(
    ("wanted", "words"),
    [({"branch": "missing"}, "has no branch 'missing'"), ({}, "There is no repository")],
    ids=["no such branch", "no such repository"],
)
def test_what_cannot_be_read_fails_the_execution_and_says_what_to_do(
    git_workshop: Workshop, network: Repository, wanted: dict[str, Any], words: str
) -> None:
    assert git_workshop.plan()["review"] == "waiting"
    before = git_workshop.of_project("GET", "/files")
    if not wanted:
        network.path.rename(network.path.with_name("elsewhere"))
    failed = git_workshop.plan(**wanted)
    assert (failed["status"], failed["failure_code"]) == ("failed", "engine_error"), failed
    assert words in failed["error_message"] and failed["error_message"].endswith("Nothing was run.")
    assert git_workshop.of_project("GET", "/files") == before
    with system_scope("test"), unit_of_work(writes=False):
        told = [entry for entry in db.session.scalars(select(AuditEntry)) if entry.action == "SYNC"]
    assert [(entry.outcome, words in str(entry.details)) for entry in told] == [("failed", True)]
    assert not any(settings().sync_root.iterdir())


def test_an_execution_that_failed_is_asked_for_again_with_its_branch(
    git_workshop: Workshop, network: Repository, admin: PersonMade
) -> None:
    assert git_workshop.plan(branch="late")["status"] == "failed"
    network.git("branch", "late")
    browser = factories.sign_in(git_workshop.app.test_client(), admin)
    job = browser.get("/api/v1/jobs", headers=bearer(git_workshop.key)).json[0]
    again = factories.post(browser, f"/launches/{job['launch_uuid']}/relaunch", only="all")
    assert again.status_code == 303
    git_workshop.work()
    newest = git_workshop.of_project("GET", "/executions")[0]
    assert (newest["branch"], newest["status"]) == ("late", "success"), newest


def test_files_of_a_project_from_git_are_changed_in_git(git_workshop: Workshop) -> None:
    git_workshop.plan(execution_type="init")
    old = git_workshop.of_project("GET", "/revisions")[-1]
    asked = [
        ("PUT", "/files/main.tf", {"json": {"content": "# mine"}}),
        ("DELETE", "/files/main.tf", {}),
        ("PUT", "/archive", {"data": b"anything"}),
        ("POST", f"/revisions/{old['id']}/restore", {}),
    ]
    for method, path, options in asked:
        refused = git_workshop.of_project(method, path, 409, **options)
        assert refused["error"] == "read_only" and "change it there" in refused["message"], path


def test_bad_sources_are_refused_by_field(workshop: Workshop) -> None:
    def wrong(code: int = 422, **given: Any) -> set[str]:
        return set(workshop.of_project("PATCH", "", code, json=given)["errors"])

    assert wrong(source="git") == {"git_repository_url"}
    assert wrong(git_repository_url="ext::sh -c id") == {"git_repository_url"}
    assert wrong(git_branch="main") == {"git_branch"}
    assert wrong(credential_kind="token", credential_secret=SECRET) == {"credential_kind"}
    address = "https://git.example.org/a.git"
    assert wrong(git_repository_url=address, git_branch="--upload-pack=id") == {"git_branch"}
    assert wrong(git_repository_url=address, credential_kind="ssh_key", credential_secret=SECRET) == {"credential_kind"}
    assert wrong(git_repository_url=address, credential_kind="token") == {"credential_secret"}
    assert workshop.of_project("GET")["source"] == "files", "what was refused left nothing behind"
    assert set(workshop.ask(422, branch="main")["errors"]) == {"branch"}
    workshop.of_project("PATCH", json={"git_repository_url": address})
    assert set(workshop.ask(422, branch="a..b")["errors"]) == {"branch"}


def test_another_source_makes_waiting_plans_void_and_files_can_be_edited_again(
    git_workshop: Workshop, git_root: Path
) -> None:
    plan = git_workshop.plan()
    other = Repository(git_root / "other")
    other.commit({"main.tf": MAIN}, "The same files elsewhere")
    git_workshop.of_project("PATCH", json={"git_repository_url": other.url})
    assert "source was changed" in git_workshop.apply(plan, code=409)["message"]
    plan = git_workshop.plan()
    git_workshop.of_project("PATCH", json={"source": "files"})
    assert git_workshop.call("GET", f"/executions/{plan['id']}")["review"] == "void"
    shown = git_workshop.of_project("GET")
    assert (shown["git_repository_url"], shown["has_files"]) == (None, True), "the files that were read stay"
    assert git_workshop.of_project("GET", "/branches") == []
    git_workshop.write(OTHER)
    assert git_workshop.plan()["branch"] is None


def test_a_source_that_changes_while_it_is_read_stops_the_execution(
    git_workshop: Workshop, git_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Repository(git_root / "other")
    other.commit({"main.tf": OTHER}, "Other")
    real = Git.fetch

    def slow(self: Git, ref: str) -> str:
        git_workshop.of_project("PATCH", json={"git_repository_url": other.url})
        return real(self, ref)

    monkeypatch.setattr(Git, "fetch", slow)
    failed = git_workshop.plan()
    assert failed["status"] == "failed" and "changed while it was read" in failed["error_message"]
    monkeypatch.undo()
    assert git_workshop.plan()["status"] == "success"


def test_a_credential_is_nowhere_in_clear_and_another_host_does_not_get_it(
    workshop: Workshop, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    first = {
        "git_repository_url": "https://git.example.invalid/a.git",
        "credential_kind": "token",
        "credential_secret": SECRET,
    }
    workshop.of_project("PATCH", json=first)
    shown = workshop.of_project("GET")
    assert (shown["credential_kind"], SECRET in json.dumps(shown)) == ("token", False)
    failed = workshop.plan()
    assert "cannot be found" in failed["error_message"] and SECRET not in json.dumps(failed)
    stored = project_row().credential_secret or ""
    assert stored.startswith("v1.")
    assert SECRET.encode() not in dump(workshop.app)
    assert SECRET not in caplog.text
    workshop.of_project("PATCH", json={"git_repository_url": "https://git.example.invalid/b.git"})
    assert project_row().credential_secret == stored
    workshop.of_project("PATCH", json={"git_repository_url": "https://evil.example.invalid/b.git"})
    row = project_row()
    assert (row.credential_secret, row.credential_kind, row.git_host_keys) == (None, "none", None)


def test_a_host_key_is_accepted_by_a_person_and_a_changed_one_is_told(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[ScannedKey] = parse_keys(KEYS)

    def unreachable(self: Git, branch: str | None) -> Any:
        raise GitError("unreachable", "The host does not answer.")

    monkeypatch.setattr(Git, "scan_host_keys", lambda _self: shown)
    monkeypatch.setattr(Git, "head", unreachable)
    workshop.of_project("PATCH", json={"git_repository_url": "ssh://git@1.1.1.1/network.git"})
    failed = workshop.plan()
    assert "Nobody has accepted the ssh host key" in failed["error_message"]
    assert "accept it on the project's page, and start it again" in failed["error_message"]
    (offered,) = workshop.of_project("GET")["offered_host_keys"]
    assert offered["fingerprint"] == shown[0].fingerprint
    refused = workshop.of_project("POST", "/host-key", 409, json={"fingerprint": "SHA256:" + "A" * 43})
    assert refused["error"] == "no_such_key"
    accepted = workshop.of_project("POST", "/host-key", json={"fingerprint": offered["fingerprint"]})
    assert accepted["offered_host_keys"] == []
    assert "does not answer" in workshop.plan()["error_message"], "past the keys now"
    shown = parse_keys(KEYS[:-1] + "B")
    assert "shows another ssh host key" in workshop.plan()["error_message"]
    with system_scope("test"), unit_of_work(writes=False):
        actions = [entry.action for entry in db.session.scalars(select(AuditEntry))]
    assert actions.count("ALERT") == 1


def test_a_project_from_git_is_made_read_and_edited_in_the_browser(
    workshop: Workshop, network: Repository, git_root: Path, admin: PersonMade
) -> None:
    runtime.configure(settings().model_copy(update={"git_local_root": git_root}))
    browser = factories.sign_in(workshop.app.test_client(), admin)
    version = workshop.of_project("GET")["terraform_version"]
    form = {"name": "shop", "source": "git", "terraform_version": version, "credential_kind": "none"}
    refused = factories.post(browser, "/terraform/new", **form, git_repository_url="nowhere")
    assert refused.status_code == 422 and "Only https and ssh addresses" in refused.get_data(as_text=True)
    made = factories.post(browser, "/terraform/new", **form, git_repository_url=network.url)
    assert made.status_code == 302, made.get_data(as_text=True)
    where = made.headers["Location"]

    def text(path: str) -> str:
        return browser.get(path).get_data(as_text=True)

    assert "Not read from git yet" in text(where) and network.url in text(where)
    asked = factories.post(browser, f"{where}/read")
    assert asked.status_code == 303
    workshop.work()
    head = network.git("rev-parse", "HEAD")[:12]
    assert head in text(asked.headers["Location"]) and head in text(where)
    files = text(f"{where}/files")
    assert "Read from git" in files and "First" in files and "Ada" in files
    assert "Upload an archive" not in files and "Restore" not in files and "New file" not in files
    assert "<textarea" not in text(f"{where}/edit-file?path=main.tf")
    assert 'name="branch"' in text(f"{where}/plan")
    plan = factories.post(browser, f"{where}/plan", purpose="plan", workspace="default", branch="main")
    workshop.work()
    assert "Apply this plan" in text(plan.headers["Location"])
    wrong = factories.post(browser, f"{where}/edit", **{**form, "credential_kind": "token"}, credential_secret=SECRET)
    assert wrong.status_code == 422 and SECRET not in wrong.get_data(as_text=True)
    saved = factories.post(browser, f"{where}/edit", **form, git_repository_url=network.url, git_branch="release/2")
    assert saved.status_code == 302 and "release/2" in text(where)
