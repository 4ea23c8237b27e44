from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from app.runners.base import FailureCode, RunFile
from app.runners.workspace import (
    MAX_SOCKET_DIRECTORY,
    Workspace,
    WorkspaceError,
    read_private_file,
    remove_tree,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(tmp_path / "root")


def test_it_is_private_and_its_own(tmp_path: Path, workspace: Workspace) -> None:
    other = Workspace.create(tmp_path / "root")
    assert other.path != workspace.path
    for path in (workspace.path, workspace.project, workspace.inputs, workspace.home, workspace.tmp):
        assert mode(path) == 0o700
    assert mode(workspace.sockets) == 0o700


def test_files_are_read_only_and_stay_inside(workspace: Workspace) -> None:
    workspace.write_project([RunFile("a/b/c.yml", b"x"), RunFile("run.sh", b"y", 0o755)])
    assert (workspace.project / "a/b/c.yml").read_bytes() == b"x"
    assert mode(workspace.project / "a/b/c.yml") == 0o400
    assert mode(workspace.project / "run.sh") == 0o500
    assert mode(workspace.write_input("vars", "secret")) == 0o600


@pytest.mark.parametrize("path", ["../x", "/etc/x", "a/../../x", "", ".", "a//b", "./a", "a\0b", "a\nb", "a/"])
def test_t_path_one_that_leads_elsewhere_is_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(WorkspaceError, match="not allowed"):
        workspace.write_project([RunFile(path, b"x")])


def test_t_path_a_link_is_never_followed(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "outside").mkdir()
    (workspace.project / "link").symlink_to(tmp_path / "outside")
    (workspace.project / "file").symlink_to(tmp_path / "outside/file")
    for path in ("link/x", "file"):
        with pytest.raises(WorkspaceError):
            workspace.write_project([RunFile(path, b"x")])
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_same_path_twice_is_refused(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="cannot be written"):
        workspace.write_project([RunFile("a", b"1"), RunFile("a", b"2")])


def test_sockets_have_a_short_path_wherever_the_workspace_is(tmp_path: Path) -> None:
    made = Workspace.create(tmp_path / ("long" * 20))
    try:
        assert len(str(made.sockets)) <= MAX_SOCKET_DIRECTORY
        assert made.sockets.parent != made.path
        assert mode(made.sockets) == 0o700
    finally:
        made.remove()
    assert not made.sockets.exists() and not made.path.exists()


def test_too_little_space_is_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="free") as refused:
        Workspace.create(tmp_path, min_free_bytes=2**62)
    assert refused.value.code is FailureCode.DISK_FULL


@pytest.mark.parametrize("root", ["relative", "/tmp/with blank", "/tmp/per%cent"])
def test_a_root_that_a_configuration_file_could_misread_is_refused(root: str) -> None:
    with pytest.raises(WorkspaceError, match="absolute"):
        Workspace.create(Path(root))


def test_removal_spares_what_links_point_to_and_takes_everything_else(tmp_path: Path, workspace: Workspace) -> None:
    (tmp_path / "kept").write_text("x")
    locked = workspace.project / "locked"
    (locked / "deep").mkdir(parents=True)
    (locked / "deep/file").write_text("x")
    (locked / "link").symlink_to(tmp_path / "kept")
    os.mkfifo(locked / "pipe")
    (locked / "deep").chmod(0)
    locked.chmod(0o500)
    workspace.remove()
    workspace.remove()  # again: nothing is there, nothing is wrong
    assert not workspace.path.exists()
    assert (tmp_path / "kept").exists()


def test_a_link_in_place_of_a_directory_is_removed_itself(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    remove_tree(tmp_path / "link")
    assert (tmp_path / "real").is_dir() and not (tmp_path / "link").is_symlink()


def test_a_key_is_copied_only_if_it_is_private(tmp_path: Path, workspace: Workspace) -> None:
    key = tmp_path / "key"
    key.write_text("material")
    key.chmod(0o600)
    copy = workspace.copy_key(key, "key")
    assert copy.read_text() == "material" and mode(copy) == 0o600
    key.chmod(0o640)
    with pytest.raises(WorkspaceError, match="chmod 600"):
        read_private_file(key)
    (tmp_path / "link").symlink_to(key)
    with pytest.raises(WorkspaceError, match="cannot be read"):
        read_private_file(tmp_path / "link")
    os.mkfifo(tmp_path / "fifo", 0o600)
    with pytest.raises(WorkspaceError, match="no regular file"):
        read_private_file(tmp_path / "fifo")
    big = tmp_path / "big"
    big.write_bytes(b"x" * 70_000)
    big.chmod(0o600)
    with pytest.raises(WorkspaceError, match="larger"):
        read_private_file(big)
