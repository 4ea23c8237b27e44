"""Uploads, revisions, the sample project, approval."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select, text

from app.audit.models import AuditEntry
from app.core.db import db
from app.core.errors import Conflict, InvalidInput, NotFound, PermissionDenied, VersionConflict
from app.core.permissions import Permission
from app.playbooks import content, projects, queries, service_approval, service_content
from app.playbooks.models import Playbook, PlaybookProject, ProjectRevision
from app.playbooks.statistics import statistics
from app.sources import store
from app.sources.models import FileContent
from app.sources.store import SourceFile
from tests.playbooks.conftest import GOOD, House, with_scopes

pytestmark = pytest.mark.database
CHANGED = GOOD.replace(b"Say it", b"Say it louder")


def upload(house: House, name: str = "Greeting", data: bytes = GOOD, **values: object) -> int:
    with house.unit():
        playbook = service_content.upload_playbook(house.admin, name=name, file_name="site.yml", data=data, **values)  # type: ignore[arg-type]
        return playbook.id


def load(house: House, playbook_id: int) -> Playbook:
    with house.unit():
        playbook = queries.get_playbook(house.admin, playbook_id)
        db.session.expunge(playbook)
        return playbook


def events(house: House) -> list[str]:
    with house.unit():
        return list(db.session.scalars(select(AuditEntry.event).order_by(AuditEntry.id)))


def test_an_upload_is_stored_by_hash_and_recorded(house: House) -> None:
    playbook = load(house, upload(house, tags=["web", "demo"]))
    assert playbook.file_hash == store.sha256_hex(GOOD)
    assert playbook.manifest_hash == store.manifest_hash([("site.yml", False, playbook.file_hash)])
    assert playbook.tags == ["demo", "web"]
    assert events(house) == ["playbook:create"]


def test_the_same_bytes_are_kept_once_per_tenant(house: House, neighbour: House) -> None:
    upload(house, "One")
    upload(house, "Two")
    upload(neighbour, "One")
    for tenant in (house, neighbour):
        with tenant.unit():
            assert db.session.scalar(select(func.count(FileContent.id))) == 1


def test_the_manifest_hash_knows_path_mode_and_content() -> None:
    base = store.manifest_hash([("a.yml", False, "0" * 64)])
    assert base != store.manifest_hash([("b.yml", False, "0" * 64)])
    assert base != store.manifest_hash([("a.yml", True, "0" * 64)])
    assert base != store.manifest_hash([("a.yml", False, "1" * 64)])
    two = [("a.yml", False, "0" * 64), ("b.yml", False, "1" * 64)]
    assert store.manifest_hash(two) == store.manifest_hash(reversed(two))


def test_a_taken_name_is_refused_until_its_owner_is_deactivated(house: House) -> None:
    first = upload(house)
    with pytest.raises(Conflict, match="Choose another name"):
        upload(house)
    with house.unit():
        service_content.edit_playbook(house.admin, first, {"is_active": False})
    assert upload(house) != first
    with pytest.raises(Conflict), house.unit():
        service_content.edit_playbook(house.admin, first, {"is_active": True})


@pytest.mark.parametrize("data", [b"hosts: all", b"[" * 200_000, b"\xff"])
def test_a_bad_file_leaves_nothing_behind(house: House, data: bytes) -> None:
    with pytest.raises(InvalidInput):
        upload(house, data=data)
    with house.unit():
        assert db.session.scalar(select(func.count(PlaybookProject.id))) == 0


def test_only_admins_write_content(house: House) -> None:
    for actor in (house.operator, house.viewer, with_scopes(house.admin, "playbook:view")):
        with pytest.raises(PermissionDenied), house.unit():
            service_content.upload_playbook(actor, name="x", file_name="x.yml", data=GOOD)


def test_a_new_text_is_a_new_revision_and_needs_its_own_approval(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
    with house.unit():
        service_content.replace_file(house.admin, playbook_id, data=CHANGED, version=1)
    with house.unit():
        playbook = queries.get_playbook(house.admin, playbook_id)
        assert queries.approval_of(house.admin, playbook) is None
        assert db.session.scalar(select(func.count(ProjectRevision.id))) == 2
        source = service_approval.read_source(house.admin, playbook_id)
    assert "-    - name: Say it" in source.unified("site.yml")
    assert "+    - name: Say it louder" in source.unified("site.yml")
    with house.unit():  # back to the text that was approved
        service_content.replace_file(house.admin, playbook_id, data=GOOD)
        assert queries.approval_of(house.admin, queries.get_playbook(house.admin, playbook_id)) is not None


def test_a_stale_version_is_refused(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        service_content.edit_playbook(house.admin, playbook_id, {"description": "a"}, version=1)
    with pytest.raises(VersionConflict), house.unit():
        service_content.edit_playbook(house.admin, playbook_id, {"description": "b"}, version=1)
    with pytest.raises(VersionConflict), house.unit():
        service_content.replace_file(house.admin, playbook_id, data=CHANGED, version=1)
    assert load(house, playbook_id).description == "a"


def test_what_was_read_is_what_is_approved(house: House) -> None:
    playbook_id = upload(house)
    read = load(house, playbook_id).manifest_hash
    with house.unit():
        service_content.replace_file(house.admin, playbook_id, data=CHANGED)
    with pytest.raises(Conflict, match="changed after you read it"), house.unit():
        service_approval.approve_playbook(house.admin, playbook_id, manifest_hash=read)


def test_an_approval_is_given_withdrawn_and_given_again(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
    with house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
    with house.unit():
        service_approval.revoke_approval(house.admin, playbook_id)
    with pytest.raises(Conflict), house.unit():
        service_approval.revoke_approval(house.admin, playbook_id)
    with house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
        assert queries.approval_of(house.admin, queries.get_playbook(house.admin, playbook_id)) is not None
    assert events(house) == ["playbook:create", "playbook:approve", "playbook:revoke", "playbook:approve"]
    with pytest.raises(PermissionDenied), house.unit():
        service_approval.approve_playbook(house.operator, playbook_id)


def test_defaults_must_fit_their_declarations(house: House) -> None:
    specs = [{"name": "count", "type": "number", "default": 2}]
    playbook_id = upload(house, variable_specs=specs, variables={"free": "x"})
    assert load(house, playbook_id).variables == {"count": 2, "free": "x"}
    for wrong in (
        {"variables": {"count": "x"}},
        {"variable_specs": [{"name": "ansible_user"}]},
        {"variables": {"a b": 1}},
    ):
        with pytest.raises(InvalidInput), house.unit():
            service_content.edit_playbook(house.admin, playbook_id, wrong)
    with pytest.raises(InvalidInput, match="fields"), house.unit():
        service_content.edit_playbook(
            house.admin,
            playbook_id,
            {"variable_specs": [{"name": "pin", "type": "secret"}], "variables": {"pin": "12345678"}},
        )


def test_an_unused_playbook_is_deleted_with_its_project(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        service_approval.approve_playbook(house.admin, playbook_id)
    with house.unit():
        assert service_content.delete_playbook(house.admin, playbook_id) is True
    with house.unit():
        for model in (Playbook, PlaybookProject, ProjectRevision):
            assert db.session.scalar(select(func.count(model.id))) == 0  # type: ignore[attr-defined]


def test_another_tenants_playbook_is_unknown(house: House, neighbour: House) -> None:
    playbook_id = upload(house)
    with neighbour.unit():
        for act in (
            lambda: queries.get_playbook(neighbour.admin, playbook_id),
            lambda: service_content.edit_playbook(neighbour.admin, playbook_id, {"name": "x"}),
            lambda: service_content.replace_file(neighbour.admin, playbook_id, data=GOOD),
            lambda: service_content.delete_playbook(neighbour.admin, playbook_id),
            lambda: service_approval.approve_playbook(neighbour.admin, playbook_id),
            lambda: service_approval.read_source(neighbour.admin, playbook_id),
            lambda: queries.get_playbook(neighbour.admin, 2**63),
        ):
            with pytest.raises(NotFound):
                act()
        assert not queries.list_playbooks(neighbour.admin).items
        assert not queries.search_playbooks(neighbour.admin, "Greet")


def test_the_sample_project_is_adopted_once_and_approved(house: House) -> None:
    for _ in range(2):
        with house.unit():
            projects.adopt_sample_project(house.admin)
    with house.unit():
        found = queries.list_playbooks(house.viewer).items
        assert {"Hello", "Check a service port", "Facts report", "Package updates"} <= {row.name for row in found}
        assert len(queries.approvals_of(house.viewer, found)) == len(found)
        assert db.session.scalar(select(func.count(ProjectRevision.id))) == 1
    assert events(house) == ["playbook_project:adopt"]


def test_a_restart_leaves_what_people_withdrew_or_deactivated(house: House) -> None:
    with house.unit():
        projects.ensure_sample_project(house.admin)
    with house.unit():
        first, second, *_rest = queries.list_playbooks(house.admin).items
        service_approval.revoke_approval(house.admin, first.id)
        service_content.delete_playbook(house.admin, second.id)
    with house.unit():
        projects.ensure_sample_project(house.admin)
    with house.unit():
        assert queries.approval_of(house.admin, queries.get_playbook(house.admin, first.id)) is None
        assert not queries.get_playbook(house.admin, second.id).is_active


def test_a_name_in_the_way_of_the_samples_does_not_stop_the_start(house: House) -> None:
    upload(house, "Hello")
    with house.unit():
        projects.ensure_sample_project(house.admin)
    with house.unit():
        assert queries.sample_project(house.admin) is None


def test_a_new_sample_revision_is_taken_over(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.core import runtime

    def write(greeting: str, *entries: str) -> None:
        (tmp_path / "a.yml").write_bytes(GOOD.replace(b"hello", greeting.encode()))
        (tmp_path / "b.yml").write_bytes(GOOD)
        lines = "".join(f"  - {{name: {name}, file: {name}.yml}}\n" for name in entries)
        (tmp_path / "millwright.yml").write_text(f"name: Samples\nplaybooks:\n{lines}")

    changed = runtime.settings().model_copy(update={"sample_playbooks_dir": tmp_path})
    monkeypatch.setattr(projects, "settings", lambda: changed)
    write("one", "a", "b")
    with house.unit():
        projects.adopt_sample_project(house.admin)
    write("two", "a")
    with house.unit():
        projects.adopt_sample_project(house.admin)
    with house.unit():
        rows = {row.name: row for row in queries.list_playbooks(house.admin, active=None).items}
        assert rows["a"].is_active
        assert not rows["b"].is_active
        assert queries.approval_of(house.admin, rows["a"]) is not None
        assert "two" in service_approval.read_source(house.admin, rows["a"].id).text
    with pytest.raises(Conflict, match="read-only"), house.unit():
        service_content.replace_file(house.admin, rows["a"].id, data=GOOD)


@pytest.mark.parametrize("trouble", ["link", "pipe", "missing", "no_manifest", "dot", "bad_entry"])
def test_a_sample_folder_that_cannot_be_trusted_is_refused(
    house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    import os

    from app.core import runtime

    (tmp_path / "a.yml").write_bytes(GOOD)
    (tmp_path / "millwright.yml").write_text("name: Samples\nplaybooks: [{name: a, file: a.yml}]\n")
    if trouble == "link":
        (tmp_path / "c.yml").symlink_to("/etc/passwd")
    elif trouble == "pipe":
        os.mkfifo(tmp_path / "c.yml")
    elif trouble == "no_manifest":
        (tmp_path / "millwright.yml").unlink()
    elif trouble == "dot":
        (tmp_path / ".hidden").write_text("x")
    elif trouble == "bad_entry":
        (tmp_path / "millwright.yml").write_text("name: Samples\nplaybooks: [{name: a, file: ../a.yml}]\n")
    folder = tmp_path / "nowhere" if trouble == "missing" else tmp_path
    changed = runtime.settings().model_copy(update={"sample_playbooks_dir": folder})
    monkeypatch.setattr(projects, "settings", lambda: changed)
    with pytest.raises(InvalidInput), house.unit():
        projects.adopt_sample_project(house.admin)


def test_a_file_read_under_a_path_that_nobody_allowed_is_refused(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        project = queries.project_of(house.admin, queries.get_playbook(house.admin, playbook_id))
        for path in ("../x", "/x", ".git/config"):
            with pytest.raises(InvalidInput):
                content.make_revision(house.admin, project, {path: SourceFile(b"x")})


def test_lists_filter_search_and_page_with_few_statements(house: House) -> None:
    ids = [upload(house, f"Playbook 100%_{n}") for n in range(4)]
    with house.unit():
        service_content.edit_playbook(house.admin, ids[0], {"is_active": False})
    with house.unit():
        assert [row.id for row in queries.list_playbooks(house.viewer, page_size=2).items] == [ids[3], ids[2]]
        assert queries.list_playbooks(house.viewer).total == 3
        assert [row.id for row in queries.list_playbooks(house.viewer, after=ids[2]).items] == [ids[1]]
        assert [row.id for row in queries.list_playbooks(house.viewer, q="0%_2").items] == [ids[2]]
        assert not queries.list_playbooks(house.viewer, q="0x_2").items
        assert [row.id for row in queries.list_playbooks(house.viewer, active=False).items] == [ids[0]]
        assert [row.name for row in queries.search_playbooks(house.viewer, "_3")] == ["Playbook 100%_3"]
        assert statistics(house.viewer, queries.get_playbook(house.viewer, ids[1])).success_rate is None
    with pytest.raises(PermissionDenied), house.unit():
        queries.list_playbooks(with_scopes(house.admin, Permission.JOB_VIEW.value))


def test_bytes_changed_in_the_database_are_seen_when_the_source_is_asked_for(house: House) -> None:
    playbook_id = upload(house)
    with house.unit():
        db.session.execute(text("UPDATE playbooks SET manifest_hash = :h"), {"h": "0" * 64})
    with pytest.raises(Conflict, match="do not match"), house.unit():
        service_approval.read_source(house.admin, playbook_id)


def test_playbooks_are_found_by_tag_and_approval_on_every_database(house: House) -> None:
    first, second = upload(house, "One", tags=["größe", "wild"]), upload(house, "Two", tags=["wilder", "100%"])
    with house.unit():
        service_approval.approve_playbook(house.admin, second)

    def found(**wanted: object) -> list[int]:
        with house.unit():
            return [row.id for row in queries.list_playbooks(house.admin, **wanted).items]  # type: ignore[arg-type]

    assert found(tag="größe") == [first]
    assert found(tag="wild") == [first]
    assert found(tag="100%") == [second]
    assert found(tag="%") == []
    assert found(approved=True) == [second]
    assert found(approved=False) == [first]
    assert found(sort="-name") == [second, first]
