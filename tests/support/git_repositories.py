"""Git repositories that tests make and change; commits are dated, so that their hashes do not depend on the day."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

PLAY = (
    "- name: {name}\n  hosts: all\n  gather_facts: false\n  tasks:\n    - name: Say it\n      ansible.builtin.ping:\n"
)


class Repository:
    """One repository with a work tree, branch ``main``."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")

    @property
    def url(self) -> str:
        return f"file://{self.path}"

    def git(self, *arguments: str, data: bytes | None = None) -> str:
        """Run git in the work tree."""
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path.parent),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_AUTHOR_DATE": "2026-01-02T03:04:05Z",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
            "GIT_COMMITTER_DATE": "2026-01-02T03:04:05Z",
        }
        done = subprocess.run(
            ["git", "-c", "protocol.file.allow=always", *arguments],
            cwd=self.path,
            env=environment,
            input=data,
            capture_output=True,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def commit(self, files: Mapping[str, str | bytes | None] | None = None, message: str = "A change") -> str:
        """Write files (None removes one), commit everything and return the commit's hash."""
        for name, content in (files or {}).items():
            path = self.path / name
            if content is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all", "--force")
        self.git("commit", "--quiet", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")

    def commit_tree(self, entries: Mapping[str, tuple[str, bytes]], message: str = "Made by hand") -> str:
        """Commit a flat tree of (mode, blob) by name as ``main``, whatever git itself would refuse to add."""
        lines = b""
        for name, (mode, data) in entries.items():
            oid = self.git("hash-object", "-w", "--stdin", "--no-filters", data=data)
            lines += f"{mode} blob {oid}\t{name}\n".encode()
        tree = self.git("mktree", data=lines)
        commit = self.git("commit-tree", tree, "-m", message)
        self.git("update-ref", "refs/heads/main", commit)
        return commit


def play(name: str) -> str:
    """The text of a small playbook."""
    return PLAY.format(name=name)


@pytest.fixture
def git_root(tmp_path: Path) -> Path:
    """The folder that a platform of the test may clone local repositories from."""
    root = tmp_path / "git"
    root.mkdir()
    return root


@pytest.fixture
def repository(git_root: Path) -> Repository:
    """A repository with one playbook and a role."""
    made = Repository(git_root / "plays")
    made.commit(
        {
            "site.yml": play("Greet everybody"),
            "plays/second.yml": play("Second"),
            "roles/web/tasks/main.yml": "- name: Ping\n  ansible.builtin.ping:\n",
            "group_vars/all.yml": "colour: red\n",
            "templates/motd.j2": "Hello {{ colour }}\n",
        },
        "First",
    )
    return made
