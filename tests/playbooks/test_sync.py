"""Projects from git: what a sync brings, what it leaves alone when something is wrong, how its row moves."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.runtime import settings
from app.jobs.kinds import PreparationError
from app.jobs.models import Launch
from app.playbooks import (
    queries,
    queries_revisions,
    queries_sources,
    service,
    service_approval,
    service_projects,
    service_sources,
    service_sync,
    sync_work,
)
from app.playbooks.launch_sync import sync_first
from app.playbooks.models import Playbook, ProjectSync, SyncStatus
from app.playbooks.targets import Selection
from tests.playbooks.conftest import House
from tests.playbooks.git_project import MakeProject, Project
from tests.support.git_repositories import Repository, play


@pytest.mark.database
def test_a_sync_stores_the_commit_with_its_files_and_offers_its_playbooks(
    project: Project, repository: Repository, house: House
) -> None:
    head = repository.git("rev-parse", "HEAD")
    sync, row = project.last, project.project()
    assert (sync.commit_hash, sync.error_message, sync.requested_by) == (head, None, house.admin.user_id)
    assert sync.counts is not None
    assert (sync.counts["files"], sync.counts["added"], sync.counts["entries"]) == (5, 5, 2)
    assert row.synced_at is not None and row.sync_error is None
    assert project.paths() == {
        "site.yml",
        "plays/second.yml",
        "roles/web/tasks/main.yml",
        "group_vars/all.yml",
        "templates/motd.j2",
    }
    with house.unit():
        revision = queries_revisions.get_revision(house.admin, row, row.revision_id or 0)
        assert (revision.commit_hash, revision.commit_author, revision.commit_message) == (head, "Ada", "First")
        assert revision.commit_date is not None and revision.commit_date.year == 2026
        offers = queries_sources.offers_of(house.admin, row)
    assert [(offer.path, offer.name, offer.hosts) for offer in offers] == [
        ("plays/second.yml", "Second", "all"),
        ("site.yml", "Greet everybody", "all"),
    ]
    assert not any(settings().sync_root.iterdir())


@pytest.mark.database
def test_a_further_commit_moves_the_hashes_and_asks_for_a_new_approval(
    project: Project, repository: Repository, house: House
) -> None:
    (site,) = project.adopt("site.yml")
    server = house.add_server("web-1")
    selection = Selection(server_ids=(server,))
    with house.unit():
        service_approval.approve_playbook(house.admin, site)
        old = service.launch_playbook(house.operator, site, selection=selection).inputs["manifest_hash"]
    before = project.project().revision_id or 0
    repository.commit({"templates/motd.j2": "Hi\n", "new.txt": "x", "group_vars/all.yml": None})
    sync = project.sync()
    assert sync.status is SyncStatus.SUCCESS and sync.counts is not None
    assert [sync.counts[word] for word in ("added", "changed", "removed", "playbooks_changed")] == [1, 1, 1, 1]
    with house.unit():
        playbook = queries.get_playbook(house.admin, site)
        assert playbook.manifest_hash != old
        with pytest.raises(Conflict, match="not approved"):
            service.launch_playbook(house.operator, site, selection=selection)
        row = project.row
        assert row.revision_id is not None and row.revision_id != before
        old_row, new_row = (queries_revisions.get_revision(house.viewer, row, id_) for id_ in (before, row.revision_id))
        changes = queries_revisions.compare_revisions(house.viewer, old_row, new_row)
        assert [(change.path, change.kind.value) for change in changes] == [
            ("group_vars/all.yml", "removed"),
            ("new.txt", "added"),
            ("templates/motd.j2", "changed"),
        ]
        assert [r.id for r in queries_revisions.list_revisions(house.viewer, row).items] == [row.revision_id, before]


def test_the_same_files_make_no_new_revision_and_approvals_stay(
    project: Project, repository: Repository, house: House
) -> None:
    (site,) = project.adopt("site.yml")
    with house.unit():
        service_approval.approve_playbook(house.admin, site)
    before = project.project().revision_id
    commit = repository.commit({}, "Nothing but words")
    sync = project.sync()
    assert (sync.status, sync.commit_hash, sync.revision_id) == (SyncStatus.SUCCESS, commit, before)
    with house.unit():
        assert queries.approval_of(house.admin, queries.get_playbook(house.admin, site)) is not None


@pytest.mark.database
def test_a_vanished_file_stops_its_playbook_with_words_until_it_is_back(
    project: Project, repository: Repository, house: House
) -> None:
    (second,) = project.adopt("plays/second.yml")
    with house.unit():
        service_approval.approve_playbook(house.admin, second)
    repository.commit({"plays/second.yml": None})
    assert (project.sync().counts or {})["playbooks_missing"] == 1
    selection = Selection(server_ids=(house.add_server("web-1"),))
    with house.unit():
        assert [row.id for row in queries_sources.missing_playbooks(house.viewer, project.row)] == [second]
        with pytest.raises(Conflict, match="is missing in the newest revision"):
            service.launch_playbook(house.operator, second, selection=selection)
    repository.commit({"plays/second.yml": play("Second")})
    project.sync()
    with house.unit():
        assert queries.get_playbook(house.admin, second).missing_since is None
        service.launch_playbook(house.operator, second, selection=selection)  # the approved content is back


def test_a_branch_and_a_folder_narrow_what_is_read(make_project: MakeProject, repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "release/2")
    repository.commit({"ansible/site.yml": play("Release"), "ansible/roles/x/tasks/main.yml": "[]\n"})
    repository.git("checkout", "--quiet", "main")
    made = make_project(git_url=repository.url, git_branch="release/2", git_subfolder="ansible")
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    assert made.paths() == {"site.yml", "roles/x/tasks/main.yml"}
    assert "branch release/2 is at" in (made.last.log or "")


def _force_push(repository: Repository) -> None:
    repository.git("commit", "--quiet", "--amend", "-m", "Another history")


def _delete_branch(repository: Repository) -> None:
    repository.git("checkout", "--quiet", "-b", "other")
    repository.git("branch", "-D", "main")


def _remove_all(repository: Repository) -> None:
    subprocess.run(["rm", "-r", str(repository.path)], check=True)


def _damage(repository: Repository) -> None:
    repository.commit({"lost.txt": "these bytes get lost"})
    oid = repository.git("rev-parse", "HEAD:lost.txt")
    (repository.path / ".git/objects" / oid[:2] / oid[2:]).unlink()


@pytest.mark.parametrize(
    ("happens", "code", "words"),
    [
        (_delete_branch, "no_branch", "has no branch 'main'"),
        (_remove_all, "not_found", "There is no repository"),
        (_damage, "damaged", "lacks objects or is damaged"),
        (lambda repository: repository.commit({"big.bin": bytes(range(256)) * 33_000}), "too_big", "larger than"),
    ],
    ids=["branch deleted", "repository gone", "object lost", "file too large"],
)
@pytest.mark.database
def test_what_goes_wrong_is_said_and_the_old_revision_stays_in_force(
    make_project: MakeProject, repository: Repository, happens: Callable[[Repository], object], code: str, words: str
) -> None:
    project = make_project(git_url=repository.url, git_branch="main")
    project.work()
    before = project.project().revision_id
    assert before is not None
    happens(repository)
    sync, row = project.sync(), project.project()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, code), sync.log
    assert words in (sync.error_message or "") and row.sync_error == sync.error_message
    assert row.revision_id == before and sync.revision_id is None
    assert not any(settings().sync_root.iterdir())


def test_a_rewritten_branch_is_read_as_it_is_now(project: Project, repository: Repository) -> None:
    _force_push(repository)
    assert project.sync().commit_hash == repository.git("rev-parse", "HEAD")


@pytest.mark.parametrize(
    ("setting", "value"),
    [("project_max_files", 2), ("project_max_bytes", 20), ("project_clone_bytes", 2000), ("project_sync_seconds", 0)],
)
def test_a_project_over_a_limit_is_refused(
    make_project: MakeProject, repository: Repository, configure: Callable[..., None], setting: str, value: int
) -> None:
    made = make_project(git_url=repository.url)
    configure(**{setting: value})
    sync = made.work()
    assert sync.status is SyncStatus.FAILED
    assert sync.error_code in ("too_big", "timeout"), sync.log
    assert made.project().revision_id is None


@pytest.mark.database
def test_a_second_delivery_of_a_doorbell_syncs_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sync_work, "_read", lambda *_: pytest.fail("read twice"))
    sync_work.sync_project(project.last.id)
    assert project.last.status is SyncStatus.SUCCESS


@pytest.mark.database
def test_asking_twice_while_one_is_open_gives_the_same_sync(project: Project, house: House) -> None:
    with house.unit():
        first = service_sync.request_sync(house.admin, project.uuid).uuid
    with house.unit():
        assert service_sync.request_sync(house.admin, project.uuid).uuid == first
    assert project.work().uuid == first


@pytest.mark.database
def test_a_sync_whose_worker_died_fails_honestly_and_its_late_result_is_dropped(
    project: Project, repository: Repository, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = project.project().revision_id
    repository.commit({"site.yml": play("Changed")})
    with house.unit():
        sync_id = service_sync.request_sync(house.admin, project.uuid).id
    real = sync_work._read

    def slow(*arguments: Any) -> Any:
        """While it reads, it falls silent for an hour; the keeper comes by."""
        fetched = real(*arguments)
        long_ago = project.last.created_at - timedelta(hours=1)
        with house.unit():
            db.session.execute(update(ProjectSync).where(ProjectSync.id == sync_id).values(beat_at=long_ago))
        assert sync_work.ring_overdue_syncs() == 1
        return fetched

    monkeypatch.setattr(sync_work, "_read", slow)
    sync_work.sync_project(sync_id)
    sync, row = project.last, project.project()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, "lost")
    assert row.revision_id == before and "died" in (row.sync_error or "")
    monkeypatch.setattr(sync_work, "_read", real)
    assert project.sync().status is SyncStatus.SUCCESS


def test_the_keeper_rings_again_for_a_sync_that_nobody_took(
    project: Project, house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[dict[str, int]] = []
    monkeypatch.setattr(sync_work.queue, "send", lambda _name, **ids: rung.append(ids) or True)
    with house.unit():
        sync = service_sync.request_sync(house.admin, project.uuid)
        sync.created_at -= timedelta(minutes=1)
        sync_id = sync.id
    rung.clear()  # the first one, at the commit
    assert sync_work.ring_overdue_syncs() == 1
    assert rung == [{"sync_id": sync_id}]


def test_a_name_that_is_taken_gets_the_projects_name_and_prompts_become_variables(
    make_project: MakeProject, repository: Repository, house: House
) -> None:
    prompts = "  vars_prompt:\n    - name: release\n      prompt: Which release?\n      private: false\n"
    repository.commit({"ask.yml": play("Greet everybody").replace("  tasks", prompts + "  tasks")})
    made = make_project(git_url=repository.url)
    made.work()
    first, second = made.adopt("ask.yml", "site.yml")
    with house.unit():
        one, two = queries.get_playbook(house.admin, first), queries.get_playbook(house.admin, second)
        assert (one.name, two.name) == ("Greet everybody", "Greet everybody (Plays)")
        assert one.variable_specs == [{"name": "release", "type": "text", "label": "Which release?"}]
    assert made.adopt("ask.yml", "site.yml") == []
    with pytest.raises(InvalidInput, match="see the fields"):
        made.adopt("roles/web/tasks/main.yml")


def test_another_host_drops_the_credential_and_the_host_keys(house: House, configure: Callable[..., None]) -> None:
    values = {
        "git_url": "https://git.example.org/a.git",
        "credential_kind": "token",
        "credential_secret": "tok-12345678",
    }
    made = Project(house, **values)
    with house.unit():
        stored = made.row.credential_secret or ""
        assert stored.startswith("v1.") and "tok-12345678" not in stored
        service_projects.edit_project(house.admin, made.uuid, {"git_url": "https://git.example.org/b.git"})
        assert made.row.credential_secret == stored
        service_projects.edit_project(house.admin, made.uuid, {"git_url": "https://evil.example.org/b.git"})
        assert (made.row.credential_secret, made.row.credential_kind) == (None, "none")


def test_deleting_takes_everything_along_unless_something_ran(project: Project, house: House) -> None:
    (site,) = project.adopt("site.yml")
    with house.unit():
        service_approval.approve_playbook(house.admin, site)
    server = house.add_server("web-1")
    with house.unit():
        service.launch_playbook(house.admin, site, selection=Selection(server_ids=(server,)))
    with house.unit():
        assert service_sources.delete_project(house.admin, project.uuid) is False
        assert not project.row.is_active
    other = Project(house, name="Other", git_url=project.project().git_url)
    other.work()
    other.adopt("plays/second.yml")
    with house.unit():
        assert service_sources.delete_project(house.admin, other.uuid) is True
    with house.unit():
        left = db.session.scalars(select(Playbook).where(Playbook.project_id == other.id)).all()
        assert not left


@pytest.fixture
def launch_id(make_project: MakeProject, repository: Repository, house: House) -> Callable[[], int]:
    """Launch the approved playbook of a project that is read again before each launch."""
    made = make_project(git_url=repository.url, sync_on_launch=True)
    made.work()
    (site,) = made.adopt("site.yml")
    server = house.add_server("web-1")
    with house.unit():
        service_approval.approve_playbook(house.admin, site)

    def launch() -> int:
        with house.unit():
            return service.launch_playbook(house.operator, site, selection=Selection(server_ids=(server,))).id

    return launch


def _inputs(house: House, launch_id: int) -> dict[str, Any]:
    with house.unit():
        return dict(db.session.scalars(select(Launch).where(Launch.id == launch_id)).one().inputs)


@pytest.mark.database
def test_a_launch_that_syncs_first_runs_what_is_approved_and_nothing_newer(
    launch_id: Callable[[], int], repository: Repository, house: House
) -> None:
    first = launch_id()
    asked = _inputs(house, first)
    assert asked["prepare"]
    sync_first(house.tenant_id, first)
    ready = _inputs(house, first)
    assert "prepare" not in ready and ready["manifest_hash"] == asked["manifest_hash"]
    second = launch_id()
    repository.commit({"site.yml": play("Newer")})
    with pytest.raises(PreparationError, match="newer commit, which nobody has approved"):
        sync_first(house.tenant_id, second)


def test_a_launch_that_syncs_first_runs_the_newest_commit_of_an_approved_branch(
    make_project: MakeProject, repository: Repository, house: House
) -> None:
    made = make_project(git_url=repository.url, git_branch="main", sync_on_launch=True)
    made.work()
    (site,) = made.adopt("site.yml")
    with house.unit():
        service_projects.edit_project(house.admin, made.uuid, {"approved_branch": "main"})
        service_approval.approve_playbook(house.admin, site)
    server = house.add_server("web-1")
    with house.unit():
        launch = service.launch_playbook(house.operator, site, selection=Selection(server_ids=(server,))).id
    old = _inputs(house, launch)
    repository.commit({"site.yml": play("Newer")})
    sync_first(house.tenant_id, launch)
    assert _inputs(house, launch)["manifest_hash"] != old["manifest_hash"]
    assert "approved by the branch rule" in (made.last.log or "")


def test_a_launch_whose_source_cannot_be_read_does_not_run(
    launch_id: Callable[[], int], repository: Repository, house: House
) -> None:
    launch = launch_id()
    _remove_all(repository)
    with pytest.raises(PreparationError, match="could not be read before the launch"):
        sync_first(house.tenant_id, launch)
