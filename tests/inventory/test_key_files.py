"""T-KEY: which files may be a server's key; refused when one is set (422) and again when a run would use it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.core.actor import Actor
from app.core.runtime import settings
from app.inventory import key_files
from app.inventory.models import Server
from app.jobs.kinds import PreparationError
from app.playbooks.run_hosts import hosts_for_run
from app.runners.workspace import WorkspaceError, read_private_file
from tests import factories
from tests.inventory.conftest import Acting
from tests.support.hosts import make_key

Trick = Callable[[Path, Path], str]


@pytest.fixture
def good_key(admin: Actor) -> Path:
    """A key that the tenant may use."""
    folder = settings().key_root / f"tenant-{admin.tenant_id}"
    folder.mkdir(parents=True, exist_ok=True)
    return make_key(folder / "id_ed25519")


def fifo(key: Path, _outside: Path) -> str:
    os.mkfifo(key.with_name("pipe"), 0o600)
    return str(key.with_name("pipe"))


def device(_key: Path, _outside: Path) -> str:
    return "/dev/zero"


def device_below_the_root(key: Path, _outside: Path) -> str:
    path = key.with_name("null")
    try:
        os.mknod(path, 0o600 | 0o020000, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("making a device needs root")
    return str(path)


def symlink(key: Path, _outside: Path) -> str:
    key.with_name("link").symlink_to(key)
    return str(key.with_name("link"))


def symlink_out(key: Path, outside: Path) -> str:
    key.with_name("link").symlink_to(outside)
    return str(key.with_name("link"))


def symlinked_folder(key: Path, outside: Path) -> str:
    key.with_name("folder").symlink_to(outside.parent, target_is_directory=True)
    return str(key.with_name("folder") / outside.name)


def dots(key: Path, outside: Path) -> str:
    return f"{key.parent}/../../../{outside.name}"


def the_platforms_own(_key: Path, outside: Path) -> str:
    own = settings().data_dir / "secrets" / "master_key"
    own.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(outside, own)
    return str(own)


def another_tenants(key: Path, _outside: Path) -> str:
    folder = settings().key_root / "tenant-4711"
    folder.mkdir()
    shutil.copy(key, folder / "id")
    return str(folder / "id")


def the_default_tenants(key: Path, _outside: Path) -> str:
    shutil.copy(key, settings().key_root / "shared")
    folder = key.parent.rename(settings().key_root / "tenant-4712")  # so that ours is another one
    return str(folder / key.name)


def readable_by_others(key: Path, _outside: Path) -> str:
    key.chmod(0o640)
    return str(key)


def somebody_elses(key: Path, _outside: Path) -> str:
    if os.geteuid() != 0:
        pytest.skip("giving a file away needs root")
    os.chown(key, 12345, 12345)
    return str(key)


def public_key(key: Path, _outside: Path) -> str:
    path = key.with_name(key.name + ".pub")
    path.chmod(0o600)
    return str(path)


def folder_itself(key: Path, _outside: Path) -> str:
    return str(key.parent)


def missing(key: Path, _outside: Path) -> str:
    return str(key.with_name("nothing"))


def huge(key: Path, _outside: Path) -> str:
    key.write_bytes(key.read_bytes() + b"x" * 100_000)
    return str(key)


TRICKS: tuple[Trick, ...] = (
    *(fifo, device, device_below_the_root, symlink, symlink_out, symlinked_folder, dots, the_platforms_own),
    *(another_tenants, the_default_tenants, readable_by_others, somebody_elses, public_key, folder_itself),
    *(missing, huge),
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A real key beyond the key folder."""
    return make_key(tmp_path / "outside_key")


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_t_key_a_file_that_is_no_private_key_of_the_tenant_is_refused_with_advice(
    good_key: Path, outside: Path, make_server: Callable[..., int], http: Callable[[str], Any], trick: Trick
) -> None:
    path = trick(good_key, outside)
    answer = http("admin").patch(f"/api/v1/servers/{make_server()}", json={"ssh_key_path": path})
    assert answer.status_code == 422 and answer.json["errors"]["ssh_key_path"], answer.json


@pytest.mark.parametrize("trick", TRICKS, ids=lambda trick: trick.__name__)
def test_t_key_a_path_that_went_bad_later_is_refused_when_a_run_would_use_it(
    acting: Acting, admin: Actor, good_key: Path, outside: Path, make_server: Callable[..., int], trick: Trick
) -> None:
    server_id = make_server()
    factories.set_columns(Server, server_id, ssh_key_path=trick(good_key, outside))
    with acting(admin), pytest.raises(PreparationError, match="cannot be reached"):
        hosts_for_run(admin.tenant_id, [server_id])


def test_t_key_the_copy_for_a_run_checks_the_opened_file_again(good_key: Path) -> None:
    assert b"PRIVATE KEY" in read_private_file(good_key)
    for trick in (fifo, symlink, readable_by_others):
        with pytest.raises(WorkspaceError):
            read_private_file(Path(trick(good_key, good_key)))


def test_t_key_only_administrators_name_a_key_and_a_good_one_is_taken(
    good_key: Path, admin: Actor, make_server: Callable[..., int], http: Callable[[str], Any]
) -> None:
    key_files.check_key_file(str(good_key), tenant_id=admin.tenant_id)
    path = f"/api/v1/servers/{make_server()}"
    assert http("operator").patch(path, json={"ssh_key_path": str(good_key)}).status_code == 403
    assert http("admin").patch(path, json={"ssh_key_path": str(good_key)}).status_code == 200
    # Nor may anybody else send that key to another machine.
    assert http("operator").patch(path, json={"ip_address": "198.51.100.66"}).status_code == 403


@pytest.mark.parametrize("path", ["relative", "/etc/shadow", "/x\n/y", "/a b", "~/.ssh/id", "/-oProxyCommand=id", ""])
def test_t_key_a_path_that_is_no_plain_path_is_refused(app_context: object, path: str) -> None:
    with pytest.raises(key_files.KeyFileError):
        key_files.check_key_file(path)
