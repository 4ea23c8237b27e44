"""What a hostile repository can bring (T-GIT, T-PATH, T-YAML): files as bytes, or a clear refusal; never more."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.playbooks import queries_sources
from app.playbooks.models import SyncStatus
from tests.playbooks.conftest import House
from tests.playbooks.git_project import MakeProject, Project
from tests.support.git_repositories import Repository, play

FILE, EXECUTABLE, LINK = "100644", "100755", "120000"


def test_t_git_hooks_filters_and_settings_of_a_repository_run_nothing(
    make_project: MakeProject, repository: Repository, tmp_path: Path
) -> None:
    proof = tmp_path / "proof"
    repository.commit(
        {
            ".gitattributes": "* filter=evil diff=evil\n",
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "touch {proof}"\n',
            "site.yml": play("Greet"),
        }
    )
    for name in ("post-checkout", "pre-receive", "post-update", "reference-transaction"):
        hook = repository.path / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {proof}\n")
        hook.chmod(0o755)
    for key, value in (("filter.evil.smudge", f"touch {proof}"), ("core.fsmonitor", f"touch {proof}")):
        repository.git("config", key, value)
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    assert not proof.exists()


def test_t_git_a_submodule_is_left_out_and_said(make_project: MakeProject, repository: Repository) -> None:
    commit = repository.git("rev-parse", "HEAD")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/x")
    repository.git("commit", "--quiet", "-m", "Submodule")
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS
    assert "vendor/x is a submodule" in (made.last.log or "")


@pytest.mark.parametrize("target", [b"/etc/passwd", b"../../etc/passwd", b"..", b"a\0b"])
def test_t_git_a_link_that_leads_out_is_refused_and_nothing_is_stored(
    make_project: MakeProject, repository: Repository, target: bytes
) -> None:
    repository.commit_tree({"site.yml": (FILE, play("A").encode()), "evil": (LINK, target)})
    made = make_project(git_url=repository.url)
    sync = made.work()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, "link_out")
    assert made.project().revision_id is None


def test_links_inside_become_what_they_mean(make_project: MakeProject, repository: Repository) -> None:
    os.symlink("site.yml", repository.path / "main.yml")
    os.symlink("../roles", repository.path / "plays/roles")
    os.symlink("loop", repository.path / "loop")
    os.symlink("nothing", repository.path / "dangling")
    repository.commit({})
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    assert made.read("main.yml") == made.read("site.yml")
    assert "plays/roles/web/tasks/main.yml" in made.paths()
    assert not {"loop", "dangling"} & made.paths()


def test_t_path_names_that_cannot_be_stored_are_left_out_and_said(
    make_project: MakeProject, repository: Repository
) -> None:
    names = ["-e.yml", "a%2eyml", "café.yml", "tab\\there.yml"]
    repository.commit_tree({"site.yml": (FILE, play("A").encode()), **dict.fromkeys(names, (FILE, b"x"))})
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    assert made.paths() == {"site.yml"}
    assert f"left out: {len(names)} files" in (made.last.log or "")


@pytest.mark.parametrize("name", [".git", "..", ".GIT", "git~1"])
def test_t_path_a_tree_with_a_name_that_git_itself_would_refuse_brings_nothing_of_it(
    make_project: MakeProject, repository: Repository, name: str
) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", data=b"[core]\n\thooksPath = /tmp\n")
    inner = repository.git("mktree", data=f"100644 blob {blob}\tconfig\n".encode())
    site = repository.git("hash-object", "-w", "--stdin", data=play("A").encode())
    lines = f"040000 tree {inner}\t{name}\n100644 blob {site}\tsite.yml\n"
    tree = repository.git("mktree", data=lines.encode())
    repository.git("update-ref", "refs/heads/main", repository.git("commit-tree", tree, "-m", "evil"))
    made = make_project(git_url=repository.url)
    made.work()
    assert made.project().revision_id is None or made.paths() == {"site.yml"}


def test_t_git_a_tree_that_multiplies_itself_is_refused(make_project: MakeProject, repository: Repository) -> None:
    blob = repository.git("hash-object", "-w", "--stdin", data=b"x")
    line = f"100644 blob {blob}\t"
    tree = repository.git("mktree", data="".join(f"{line}f{n}\n" for n in range(10)).encode())
    for _ in range(7):
        tree = repository.git("mktree", data="".join(f"040000 tree {tree}\td{n}\n" for n in range(10)).encode())
    repository.git("update-ref", "refs/heads/main", repository.git("commit-tree", tree, "-m", "bomb"))
    made = make_project(git_url=repository.url)
    sync = made.work()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, "too_big"), sync.log


def test_t_yaml_bombs_in_a_repository_are_said_and_stop_nothing(
    make_project: MakeProject, repository: Repository, house: House
) -> None:
    laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 20)}]\n" for n in range(1, 30))
    repository.commit(
        {
            "deep.yml": "[" * 200_000,
            "laughs.yml": laughs,
            "object.yml": "- !!python/object/apply:os.system ['id']\n",
            "twice.yml": "- hosts: all\n  hosts: web\n",
            "binary.yml": b"\xff\xfe\x00",
        }
    )
    made = make_project(git_url=repository.url)
    assert made.work().status is SyncStatus.SUCCESS, made.last.log
    log = made.last.log or ""
    for name in ("deep.yml", "laughs.yml", "object.yml", "twice.yml", "binary.yml"):
        assert f"not offered: {name}" in log
    with house.unit():
        assert [offer.path for offer in queries_sources.offers_of(house.viewer, made.row)] == [
            "plays/second.yml",
            "site.yml",
        ]


def test_large_file_pointers_are_said(make_project: MakeProject, repository: Repository) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 5\n"
    repository.commit({"files/big.iso": pointer})
    made = make_project(git_url=repository.url)
    made.work()
    assert "Git LFS pointers" in (made.last.log or "")


def test_the_secret_of_a_credential_is_in_no_log_and_no_argument(
    make_project: MakeProject, repository: Repository, configure: Callable[..., None]
) -> None:
    made: Project = make_project(
        git_url="https://git.invalid/x.git", credential_kind="token", credential_secret="tok-12345678"
    )
    sync = made.work()
    assert (sync.status, sync.error_code) == (SyncStatus.FAILED, "unreachable")
    assert "tok-12345678" not in f"{sync.log} {sync.error_message}"
