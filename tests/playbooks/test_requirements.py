"""requirements.yml: what it may say, what a sync brings of it, and that a run finds it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.errors import InvalidInput
from app.playbooks import content, requirements, run_content
from app.playbooks.models import SyncStatus
from app.playbooks.requirements import find_requirements, is_pinned, pack, unpack
from app.sources.store import SourceFile
from tests.playbooks.conftest import House
from tests.playbooks.git_project import MakeProject, Project
from tests.support.git_repositories import Repository

COMMIT = "0123456789" * 4


@pytest.fixture
def sources(git_root: Path, make_project: MakeProject) -> MakeProject:
    """A role and a collection in repositories of their own, each with a tag."""
    role = Repository(git_root / "ansible-role-motd")
    role.commit(
        {
            "tasks/main.yml": '- ansible.builtin.debug:\n    msg: "role {{ motd_text }}"\n',
            "defaults/main.yml": "motd_text: one\n",
        }
    )
    role.git("tag", "1.0.0")
    role.commit({"defaults/main.yml": "motd_text: two\n"})
    collection = Repository(git_root / "tools")
    collection.commit(
        {
            "galaxy.yml": "namespace: acme\nname: tools\nversion: 2.0.0\n",
            "roles/hello/tasks/main.yml": "- ansible.builtin.debug:\n    msg: collection\n",
        }
    )
    collection.git("tag", "2.0.0")
    return make_project


def wants(git_root: Path, role: str = "1.0.0", collection: str = "2.0.0") -> str:
    return (
        f"roles:\n  - {{name: motd, src: 'git+file://{git_root}/ansible-role-motd', version: {role}}}\n"
        f"collections:\n  - {{name: 'file://{git_root}/tools', type: git, version: {collection}}}\n"
    )


SITE = "- hosts: localhost\n  gather_facts: false\n  roles: [motd, acme.tools.hello]\n"


@pytest.mark.database
def test_pinned_roles_and_collections_from_git_become_part_of_the_revision_and_runs_find_them(
    sources: MakeProject, repository: Repository, git_root: Path, house: House, tmp_path: Path
) -> None:
    repository.commit({"requirements.yml": wants(git_root), "roles.yml": SITE})
    made = sources(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    packs = {path for path in made.paths() if path.startswith(".requirements/")}
    assert packs == {".requirements/roles/motd.tar.gz", ".requirements/collections/acme.tools.tar.gz"}
    with house.unit():
        revision = content.revision_of(house.admin, made.row)
        assert revision is not None
        shown = {
            entry["name"]: (entry["kind"], entry["version"], entry["is_pinned"])
            for entry in revision.requirements or []
        }
        assert shown == {"motd": ("role", "1.0.0", True), "acme.tools": ("collection", "2.0.0", True)}
        files = run_content.run_files(content.read_revision(house.tenant_id, revision.id))
    for file in files:
        path = tmp_path / "run" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(file.data)
    fetched = tmp_path / "run/.requirements"
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", "roles.yml"],
        cwd=tmp_path / "run",
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp_path),
            "LC_ALL": "C.UTF-8",
            "ANSIBLE_ROLES_PATH": str(fetched / "roles"),
            "ANSIBLE_COLLECTIONS_PATH": str(fetched / "collections"),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "role one" in done.stdout and "collection" in done.stdout


def test_what_is_pinned_is_not_fetched_again_and_the_same_bytes_keep_their_approval(
    sources: MakeProject, repository: Repository, git_root: Path
) -> None:
    repository.commit({"requirements.yml": wants(git_root)})
    made = sources(git_url=repository.url)
    made.work()
    before = made.project().revision_id
    subprocess.run(["rm", "-r", str(git_root / "tools"), str(git_root / "ansible-role-motd")], check=True)
    sync = made.sync()
    assert (sync.status, sync.revision_id) == (SyncStatus.SUCCESS, before), sync.log
    assert (sync.log or "").count("as in the revision in force") == 2


def test_another_version_makes_another_revision(sources: MakeProject, repository: Repository, git_root: Path) -> None:
    repository.commit({"requirements.yml": wants(git_root)})
    made = sources(git_url=repository.url)
    made.work()
    before = made.project().revision_id
    repository.commit({"requirements.yml": wants(git_root, role="main")})
    sync = made.sync()
    assert sync.status is SyncStatus.SUCCESS and sync.revision_id != before, sync.log
    assert "warning: no exact version" in (sync.log or "")


def test_without_a_version_it_is_a_warning_or_refused_by_the_setting(
    sources: MakeProject, repository: Repository, git_root: Path, configure: Callable[..., None]
) -> None:
    text = f"- src: git+file://{git_root}/ansible-role-motd\n"
    repository.commit({"roles/requirements.yml": text})
    made = sources(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS
    assert ".requirements/roles/ansible-role-motd.tar.gz" in made.paths()
    configure(requirements_pinned=True)
    sync = made.sync()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, "requirements")


def _failing(make: MakeProject, repository: Repository, text: str) -> Project:
    repository.commit({"requirements.yml": text})
    made = make(git_url=repository.url)
    made.work()
    return made


@pytest.mark.database
def test_a_collection_may_have_more_files_than_a_project_and_no_more_than_its_own_limits(
    sources: MakeProject, repository: Repository, git_root: Path, configure: Callable[..., None]
) -> None:
    many = {f"docs/{number}.txt": f"{number} " * 100 for number in range(40)}
    Repository(git_root / "large").commit({"galaxy.yml": "namespace: acme\nname: large\nversion: 1.0.0\n", **many})
    repository.commit({"requirements.yml": f"collections:\n  - {{name: 'file://{git_root}/large', type: git}}\n"})
    configure(project_max_files=20)
    made = sources(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    assert ".requirements/collections/acme.large.tar.gz" in made.paths()
    configure(requirements_max_bytes=8_000)
    failed = made.sync()
    assert failed.status is SyncStatus.FAILED
    assert "MILLWRIGHT_REQUIREMENTS_MAX_BYTES" in failed.log


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("roles: [{src: 'ext::sh -c id', version: '1'}]", "is no name of a role"),
        ("roles: [{src: 'git+http://git.example.org/x', version: '1'}]", "Only https and ssh"),
        ("roles: [{src: 'git+https://169.254.169.254/x', version: '1'}]", "not a public address"),
        ("roles: [{src: 'git+file:///etc', version: '1'}]", "must lie below"),
        ("roles: [{src: 'https://git.example.org/x', version: '--upload-pack=id'}]", "exact version"),
        ("roles: [{name: '-x'}]", "is no name"),
        ("roles: [{name: '../x'}]", "is no name"),
        ("collections: [{name: 'a.b', version: '>=1.0'}]", "not a range"),
        ("collections: [{name: '--pre'}]", "is no name"),
        ("roles: [{include: other.yml}]", "include"),
        ("roles: {a: b}", "must be a list"),
        ("just text", "write 'roles:'"),
        ("roles: [[1]]", "an entry has"),
    ],
)
def test_t_git_a_requirement_that_cannot_be_used_fails_the_sync_with_its_reason(
    sources: MakeProject, repository: Repository, text: str, words: str
) -> None:
    made = _failing(sources, repository, text)
    assert made.last.status is SyncStatus.FAILED
    assert words in (made.last.error_message or ""), made.last.error_message
    assert made.project().revision_id is None


def test_a_galaxy_server_that_does_not_answer_is_said(
    sources: MakeProject, repository: Repository, configure: Callable[..., None]
) -> None:
    configure(galaxy_server="http://127.0.0.1:9/")
    made = _failing(sources, repository, "roles: [{name: geerlingguy.ntp, version: 2.6.0}]")
    assert made.last.error_code == "requirements"
    assert "cannot be had from http://127.0.0.1:9/" in (made.last.error_message or "")
    assert "Traceback" not in (made.last.log or "")  # ansible-galaxy itself started
    assert "Connection refused" in (made.last.log or ""), made.last.log


@pytest.mark.parametrize(
    ("version", "pinned"),
    [("1.0.0", True), (COMMIT, True), ("", False), ("main", False), ("HEAD", False), ("latest", False)],
)
def test_pinned_means_a_version_that_does_not_move(version: str, pinned: bool) -> None:
    assert is_pinned(requirements.Requirement("role", "x", version, "", "f")) is pinned


def test_the_usual_spellings_are_understood(git_root: Path, configure: Callable[..., None]) -> None:
    configure(git_local_root=git_root)
    text = b"""
roles:
  - geerlingguy.ntp,2.6.0
  - {name: geerlingguy.git, version: 3.0.0}
  - {src: geerlingguy.java, version: 2.0.0}
  - {src: https://github.com/acme/ansible-role-x.git, scm: git, version: v1}
  - {src: git@github.com:acme/y.git, name: why, version: v2}
collections:
  - community.general
  - {name: ansible.posix, version: ==1.5.4, source: https://galaxy.ansible.com}
  - {name: https://github.com/acme/tools.git, type: git, version: v3}
"""
    found = [(r.kind, r.name, r.version, r.url) for r in find_requirements({"requirements.yml": SourceFile(text)})]
    assert found == [
        ("role", "geerlingguy.ntp", "2.6.0", ""),
        ("role", "geerlingguy.git", "3.0.0", ""),
        ("role", "geerlingguy.java", "2.0.0", ""),
        ("role", "ansible-role-x", "v1", "https://github.com/acme/ansible-role-x.git"),
        ("role", "why", "v2", "ssh://git@github.com/acme/y.git"),
        ("collection", "community.general", "", ""),
        ("collection", "ansible.posix", "1.5.4", ""),
        ("collection", "", "v3", "https://github.com/acme/tools.git"),
    ]


def test_t_yaml_a_bomb_in_a_requirements_file_is_refused() -> None:
    with pytest.raises(InvalidInput):
        find_requirements({"requirements.yml": SourceFile(b"[" * 200_000)})


def test_the_same_files_give_the_same_pack_and_come_out_again(configure: Callable[..., None]) -> None:
    files = {"tasks/main.yml": SourceFile(b"[]"), "files/run.sh": SourceFile(b"#!", True)}
    packed = pack(files)
    assert packed == pack(dict(reversed(files.items())))
    parts: dict[str, Any] = {part.name: part for part in unpack(".requirements/collections/a.b.tar.gz", packed)}
    assert set(parts) == {f".requirements/collections/ansible_collections/a/b/{name}" for name in files}
    assert parts[".requirements/collections/ansible_collections/a/b/files/run.sh"].executable
