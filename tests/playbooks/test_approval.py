"""Approval by content, by revision and by a branch's rule; who may, and what runs may then."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from app.accounts.models import User
from app.audit.models import AuditEntry
from app.core import runtime
from app.core.actor import Role
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, VersionConflict
from app.playbooks import content, queries, queries_revisions, service, service_approval, service_content
from app.playbooks import service_projects as projects
from app.playbooks.branch_rule import approve_by_rule, rule_of
from app.playbooks.models import Playbook, PlaybookProject, ProjectSource
from app.playbooks.targets import Selection
from app.sources import store
from app.sources.store import SourceFile
from tests.playbooks.conftest import GOOD, House
from tests.playbooks.test_content import CHANGED, events, load, upload

pytestmark = pytest.mark.database
COMMIT = "ab" * 20


def put(house: House, project: PlaybookProject, files: Mapping[str, bytes], commit: str = COMMIT) -> None:
    """What a sync does: a new revision of these files, and its playbooks brought to it."""
    revision = content.make_revision(house.admin, project, {path: SourceFile(data) for path, data in files.items()})
    revision.commit_hash = commit
    revision.created_by = None
    known = {row.file_path: row for row in queries_revisions.playbooks_of(house.admin, project)}
    for path, data in files.items():
        if not path.endswith(".yml") or "/" in path:
            continue
        row = known.get(path) or Playbook(
            tenant_id=house.tenant_id, project_id=project.id, file_path=path, name=f"From git: {path}"
        )
        row.file_hash, row.manifest_hash = store.sha256_hex(data), revision.manifest_hash
        db.session.add(row)
    db.session.flush()


@pytest.fixture
def git_project(house: House) -> str:
    """A project from git with two playbooks and a role; returns its UUID."""
    with house.unit():
        project = PlaybookProject(
            tenant_id=house.tenant_id,
            name="Web",
            source=ProjectSource.GIT,
            git_url="https://git.example/web.git",
            git_branch="main",
        )
        db.session.add(project)
        db.session.flush()
        put(house, project, {"site.yml": GOOD, "other.yml": GOOD, "roles/web/tasks/main.yml": b"[]\n"})
        return project.uuid


def approved(house: House) -> dict[str, str]:
    """File path -> kind of the approval of its present content."""
    with house.unit():
        rows = list(queries.list_playbooks(house.admin).items)
        standing = queries.approvals_of(house.admin, rows)
        return {row.file_path: str(standing[row.id].kind) for row in rows if row.id in standing}


def test_a_revision_is_approved_as_a_whole(house: House, git_project: str) -> None:
    with house.unit():
        _project, playbooks = service_approval.approve_revision(house.admin, git_project)
        assert len(playbooks) == 2
    assert approved(house) == {"site.yml": "commit", "other.yml": "commit"}
    assert events(house) == ["playbook_project:approve", "playbook:approve", "playbook:approve"]
    with house.unit():
        service_approval.approve_revision(house.admin, git_project)
    assert len(events(house)) == 3  # approving twice changes nothing


def test_a_revision_that_moved_after_it_was_read_is_refused(house: House, git_project: str) -> None:
    with house.unit():
        project = queries.get_project(house.admin, git_project)
        revision = content.revision_of(house.admin, project)
        assert revision is not None
        read = revision.manifest_hash
        put(house, project, {"site.yml": CHANGED, "other.yml": GOOD}, "cd" * 20)
    with pytest.raises(Conflict, match="changed after you read it"), house.unit():
        service_approval.approve_revision(house.admin, git_project, manifest_hash=read)
    assert approved(house) == {}


def test_only_those_with_the_right_approve_revisions(house: House, neighbour: House, git_project: str) -> None:
    with pytest.raises(PermissionDenied), house.unit():
        service_approval.approve_revision(house.operator, git_project)
    with pytest.raises(NotFound), neighbour.unit():
        service_approval.approve_revision(neighbour.admin, git_project)


def set_rule(house: House, project_uuid: str, branch: str | None = "main") -> None:
    with house.unit():
        projects.edit_project(house.admin, project_uuid, {"approved_branch": branch})


def sync(house: House, project_uuid: str, data: bytes = CHANGED, commit: str | None = "cd" * 20) -> list[str]:
    with house.unit():
        project = queries.get_project(house.admin, project_uuid)
        put(house, project, {"site.yml": data, "other.yml": GOOD}, commit)  # type: ignore[arg-type]
        revision = content.revision_of(house.admin, project)
        assert revision is not None
        system = replace(house.operator, user_id=None)
        return [playbook.file_path for playbook in approve_by_rule(system, project, revision)]


def test_a_branch_rule_approves_what_a_sync_brings_and_says_so(house: House, git_project: str) -> None:
    assert sync(house, git_project, b"- hosts: all\n") == []
    set_rule(house, git_project)
    assert approved(house) == {}  # the rule is for what comes, not for what is there
    assert sorted(sync(house, git_project)) == ["other.yml", "site.yml"]
    assert approved(house) == {"site.yml": "branch", "other.yml": "branch"}
    with house.unit():
        row = queries.list_approvals(house.admin, kind="branch").items[0]
        assert (row.branch, row.commit_hash, row.approved_by) == ("main", "cd" * 20, house.admin.user_id)
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.event == "playbook_project:approve")).one()
        assert entry.details is not None
        assert entry.details["rule"] == "main"
    assert "playbook_project:set_rule" in events(house)
    set_rule(house, git_project, None)
    assert sync(house, git_project, b"- hosts: web\n") == []
    assert "playbook_project:end_rule" in events(house)


def test_a_branch_rule_lapses_when_the_project_is_pointed_elsewhere(house: House, git_project: str) -> None:
    set_rule(house, git_project)
    for change in ({"git_url": "https://evil.example/web.git"}, {"git_branch": "feature"}):
        with house.unit():
            project = queries.get_project(house.admin, git_project)
            before = {key: getattr(project, key) for key in change}
            for key, value in change.items():
                setattr(project, key, value)
            assert rule_of(project) is None
        assert sync(house, git_project) == []
        with house.unit():
            project = queries.get_project(house.admin, git_project)
            for key, value in before.items():
                setattr(project, key, value)
    assert sync(house, git_project, GOOD, "ef" * 20) != []


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": Role.OPERATOR}])
def test_a_branch_rule_ends_with_the_rights_of_its_administrator(
    house: House, git_project: str, change: dict[str, object]
) -> None:
    set_rule(house, git_project)
    with house.unit():
        db.session.execute(
            update(User).where(User.tenant_id == house.tenant_id, User.id == house.admin.user_id).values(**change)
        )
    assert sync(house, git_project) == []


def test_a_branch_rule_needs_a_commit_and_respects_a_withdrawal(house: House, git_project: str) -> None:
    set_rule(house, git_project)
    assert sync(house, git_project, commit=None) == []
    assert len(sync(house, git_project, b"- hosts: web\n")) == 2
    with house.unit():
        site = next(row for row in queries.list_playbooks(house.admin).items if row.file_path == "site.yml")
        service_approval.revoke_approval(house.admin, site.id)
    assert sync(house, git_project, b"- hosts: web\n") == []
    assert approved(house) == {"other.yml": "branch"}


def test_a_rule_is_set_by_administrators_for_the_branch_that_is_read(house: House, git_project: str) -> None:
    with pytest.raises(InvalidInput, match="fields"):
        set_rule(house, git_project, "feature")
    with pytest.raises(PermissionDenied), house.unit():
        projects.edit_project(house.operator, git_project, {"approved_branch": "main"})
    playbook = load(house, upload(house))
    with house.unit():
        uploaded = queries.project_of(house.admin, queries.get_playbook(house.admin, playbook.id)).uuid
    with pytest.raises(Conflict, match="Only a project from git"):
        set_rule(house, uploaded)


def test_settings_of_a_project_are_guarded_by_version_and_by_what_is_known(house: House, git_project: str) -> None:
    with house.unit():
        projects.edit_project(house.admin, git_project, {"name": "Web servers", "description": "x"}, version=1)
    with pytest.raises(VersionConflict), house.unit():
        projects.edit_project(house.admin, git_project, {"name": "Other"}, version=1)
    with pytest.raises(InvalidInput, match="fields"), house.unit():
        projects.edit_project(house.admin, git_project, {"engine": "nope"})
    with pytest.raises(InvalidInput), house.unit():
        projects.edit_project(house.admin, git_project, {"source": "upload"})
    upload(house)
    with pytest.raises(Conflict, match="already a project"), house.unit():
        projects.edit_project(house.admin, git_project, {"name": "Greeting"})


def test_a_second_person_approves_where_the_setting_asks_for_one(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    playbook_id = upload(house)
    monkeypatch.setattr(
        runtime, "_settings", runtime.settings().model_copy(update={"approve_own_content": False}), raising=True
    )
    with pytest.raises(Conflict, match="second person"), house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
    with house.unit():
        other = User(
            tenant_id=house.tenant_id, username="second", email="second@x.example", password_hash="x", role=Role.ADMIN
        )
        db.session.add(other)
        db.session.flush()
        service_approval.approve_playbook(replace(house.admin, user_id=other.id), playbook_id)


def test_a_refused_launch_says_where_and_by_whom_content_is_approved(house: House) -> None:
    playbook_id, server = upload(house), house.add_server("web-1")
    with pytest.raises(Conflict) as refused, house.unit():
        service.launch_playbook(house.operator, playbook_id, selection=Selection(server_ids=(server,)))
    assert f"/playbooks/{playbook_id}/approve" in refused.value.message
    assert house.admin.label in refused.value.message


def test_revisions_and_their_differences_are_read_in_a_constant_number_of_queries(house: House) -> None:
    playbook_id = upload(house)
    for number in range(5):
        with house.unit():
            service_content.replace_file(house.admin, playbook_id, data=GOOD + b"# %d\n" % number)
    with house.unit():
        project = queries.project_of(house.admin, queries.get_playbook(house.admin, playbook_id))
        page = queries_revisions.list_revisions(house.admin, project, page_size=3)
        assert page.total == 6
        sizes = queries_revisions.sizes_of_changes(house.admin, page.items)
        assert [sizes[row.id].changed for row in page.items] == [1, 1, 1]
        oldest = queries_revisions.list_revisions(house.admin, project, page=2, page_size=5).items
        assert queries_revisions.sizes_of_changes(house.admin, oldest)[oldest[-1].id].added == 1
        changes = queries_revisions.compare_revisions(house.admin, oldest[-1], page.items[0])
        assert [line.text for hunk in changes[0].hunks for line in hunk if line.mark == "+"] == ["# 4"]
        for wrong in (0, 2**63, oldest[-1].id + 1000):
            with pytest.raises(NotFound):
                queries_revisions.get_revision(house.admin, project, wrong)
