"""The data folder of ``make run``."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.standalone import environment
from app.standalone.errors import StartError
from app.standalone.folder import KEY_NAMES, DataFolder


def test_a_new_folder_is_private_and_gets_five_different_private_keys(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "var")
    folder.ensure_keys()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert folder.key_file("").stat().st_mode & 0o777 == 0o700
    assert {folder.key_file(name).stat().st_mode & 0o777 for name in KEY_NAMES} == {0o600}
    assert len({folder.key_file(name).read_text(encoding="ascii") for name in KEY_NAMES}) == len(KEY_NAMES)


def test_keys_are_made_once(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.ensure_keys()
    before = folder.key_file("audit_key").read_bytes()
    folder.ensure_keys()
    assert folder.key_file("audit_key").read_bytes() == before


def test_a_lost_key_beside_a_database_is_never_replaced(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    folder.ensure_keys()
    folder.database.touch()
    folder.key_file("master_key").unlink()
    with pytest.raises(StartError, match="lacks master_key"):
        folder.ensure_keys()


def test_a_folder_carries_one_platform_at_a_time(tmp_path: Path) -> None:
    one, two = DataFolder(tmp_path), DataFolder(tmp_path)
    one.take()
    with pytest.raises(StartError, match="already runs"):
        two.take()
    one.release()
    two.take()
    two.release()


def test_a_socket_path_always_fits(tmp_path: Path) -> None:
    deep = DataFolder(tmp_path / ("d" * 60) / ("e" * 60))
    assert len(str(deep.socket)) <= 107
    assert deep.socket.parent.stat().st_mode & 0o077 == 0
    if not deep.socket.is_relative_to(deep.path):
        deep.socket.parent.rmdir()


def test_what_the_environment_sets_wins(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path)
    given = {"MILLWRIGHT_SECRET_KEY": "s", "MILLWRIGHT_DATABASE_URL_FILE": "/somewhere", "PATH": "/bin"}
    built = environment.build(folder, "http://127.0.0.1:8000", given)
    assert built["MILLWRIGHT_SECRET_KEY"] == "s"
    assert "MILLWRIGHT_SECRET_KEY_FILE" not in built
    assert "MILLWRIGHT_DATABASE_URL" not in built
    assert built["MILLWRIGHT_AUDIT_KEY_FILE"] == str(folder.key_file("audit_key"))
    assert built["MILLWRIGHT_REDIS_URL"] == f"redis+socket://{folder.socket}"
    assert built["PATH"] == "/bin"


def test_what_is_built_are_settings_that_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from config import load_settings

    folder = DataFolder(tmp_path)
    folder.ensure_keys()
    for name, value in environment.build(folder, "http://127.0.0.1:8000", {}).items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.data_dir == folder.path
    assert settings.database_url == f"sqlite:///{folder.database}"
