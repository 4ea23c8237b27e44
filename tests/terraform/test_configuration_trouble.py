"""Readings that the platform itself cannot do: tried again with pauses, given up in words, asked for again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select, update

from app.core.db import db, unit_of_work
from app.core.db_time import database_now
from app.core.tenancy import system_scope
from app.terraform import configuration_work
from app.terraform.configuration import bounded
from app.terraform.configuration.bounded import ReadingFailed
from app.terraform.configuration_work import MAX_READINGS, read_configuration, ring_overdue
from app.terraform.models_files import TerraformRevision
from tests import factories
from tests.terraform.test_configuration import NETWORK, Shop, browser, shop

__all__ = ["browser", "shop"]
ROOT = Path(__file__).resolve().parents[2]


def revision() -> TerraformRevision:
    with system_scope("test"), unit_of_work(writes=False) as session:
        found = session.scalars(select(TerraformRevision).order_by(TerraformRevision.id.desc())).first()
        assert found is not None
        session.expunge(found)
        return found


def pass_time(seconds: float) -> None:
    """Move what is kept about a revision into the past."""
    with system_scope("test"), unit_of_work() as session:
        for row in session.scalars(select(TerraformRevision)):
            shift = {"created_at": row.created_at - timedelta(seconds=seconds)}
            if row.read_after is not None:
                shift["read_after"] = row.read_after - timedelta(seconds=seconds)
            session.execute(update(TerraformRevision).where(TerraformRevision.id == row.id).values(**shift))


@pytest.fixture
def broken(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Each reading ends by an error of the platform; the list has one entry for each."""
    tried: list[int] = []

    def fail(*_given: Any, **_more: Any) -> Any:
        tried.append(1)
        raise RuntimeError("planted")

    shop.write(NETWORK)
    monkeypatch.setattr(configuration_work, "read_bounded", fail)
    return tried


def try_until_given_up(broken: list[int]) -> None:
    for attempt in range(MAX_READINGS):
        with pytest.raises(RuntimeError, match="planted"):
            read_configuration(revision().id)
        pass_time(configuration_work.PAUSE_SECONDS * 2**attempt + 1)
    assert read_configuration(revision().id), "the last attempt says that it was the last"
    assert len(broken) == MAX_READINGS


@pytest.mark.database
def test_a_reading_that_fails_is_tried_again_after_a_pause_that_grows(
    shop: Shop, broken: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.core.queue.send", lambda _task, **_ids: True)
    for attempt in range(3):
        with pytest.raises(RuntimeError, match="planted"):
            read_configuration(revision().id)
        assert not read_configuration(revision().id), "a second doorbell in the pause does nothing"
        pass_time(configuration_work.PAUSE_SECONDS * 2**attempt - 3)
        assert ring_overdue() == 0
        pass_time(4)
        assert ring_overdue() == 1
    assert len(broken) == 3
    monkeypatch.undo()
    assert read_configuration(revision().id)
    assert (revision().read_attempts, revision().read_after, revision().reading_failed) == (0, None, False)
    assert "aws_vpc.main" in shop.resources()


@pytest.mark.database
def test_after_the_last_attempt_it_is_given_up_in_words_and_never_rung_for(
    shop: Shop, broken: list[int], browser: FlaskClient
) -> None:
    try_until_given_up(broken)
    pass_time(86_400)
    assert ring_overdue() == 0
    assert not read_configuration(revision().id)
    (told, *_older) = shop.of_project("GET", "/revisions")
    assert told["read_at"] is not None
    assert f"{MAX_READINGS} attempts ended by an error of the platform itself" in told["problems"][0]["reason"]
    assert f"name revision {told['number']}" in told["problems"][0]["reason"]
    for page in ("resources", "files"):
        shown = browser.get(f"/terraform/{shop.uuid}/{page}").get_data(as_text=True)
        assert "attempts ended by an error of the platform" in shown and "Read again" in shown


@pytest.mark.database
def test_read_again_begins_anew_on_the_page_and_over_rest(
    shop: Shop, broken: list[int], browser: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    try_until_given_up(broken)
    assert factories.post(browser, f"/terraform/{shop.uuid}/read-again").status_code == 303
    again = revision()
    assert (again.read_at, again.read_attempts, again.read_after) == (None, 0, None)
    broken.clear()
    try_until_given_up(broken)
    monkeypatch.undo()
    assert shop.of_project("POST", "/read-again", 202)["read_at"] is None
    assert read_configuration(revision().id)
    assert "aws_vpc.main" in shop.resources()
    shown = browser.get(f"/terraform/{shop.uuid}/resources").get_data(as_text=True)
    assert "Read again" not in shown


@pytest.mark.database
def test_a_project_without_files_has_nothing_to_read_again(shop: Shop) -> None:
    assert "no files yet" in shop.of_project("POST", "/read-again", 409)["message"]


@pytest.mark.database
def test_a_reading_that_takes_its_process_along_counts_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    class Killed(BaseException):
        """What nobody catches."""

    def die(*_given: Any) -> Any:
        raise Killed

    shop.write(NETWORK)
    monkeypatch.setattr(configuration_work, "read_bounded", die)
    with pytest.raises(Killed):
        read_configuration(revision().id)
    assert revision().read_attempts == 1
    read_after = revision().read_after
    assert read_after is not None
    with system_scope("test"), unit_of_work(writes=False):
        assert read_after > database_now()
    db.session.remove()


def test_an_error_of_the_reading_process_is_no_problem_of_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "app").mkdir()
    monkeypatch.setattr(bounded, "_ROOT", tmp_path)  # a platform whose code is not whole
    with pytest.raises(ReadingFailed, match=r"exit code 1: .*No module named 'app\.terraform'"):
        bounded.read_bounded({"main.tf": NETWORK.encode()})


@pytest.mark.database
def test_saving_a_file_goes_on_when_it_cannot_be_looked_at(
    shop: Shop, browser: FlaskClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shop.write(NETWORK)
    (tmp_path / "app").mkdir()
    monkeypatch.setattr(bounded, "_ROOT", tmp_path)
    form = {"path": "other.tf", "content": "resource {", "base": ""}
    saved = factories.post(browser, f"/terraform/{shop.uuid}/edit-file", **form)
    assert saved.status_code in (302, 303)
    assert browser.get(saved.headers["Location"]).status_code == 200


def test_a_library_folder_that_cannot_be_written_and_no_home_only_cost_time(tmp_path: Path) -> None:
    import hcl2

    copy = tmp_path / "site" / "hcl2"
    shutil.copytree(Path(hcl2.__file__).parent, copy, ignore=shutil.ignore_patterns(".lark_cache.bin", "__pycache__"))
    (copy / ".lark_cache.bin").mkdir()  # the grammar's cache can be neither read nor written
    words = (
        'import sys, json, base64\nimport hcl2\nassert hcl2.__file__.startswith(sys.path[0] or "/"), hcl2.__file__\n'
    )
    words += "from app.terraform.configuration.child import main\nmain()\n"
    (tmp_path / "asked.json").write_text(
        '{"files": {"main.tf": "cmVzb3VyY2UgImFfYiIgImMiIHt9Cg=="}, "working_directory": ""}'
    )
    with (tmp_path / "asked.json").open() as asked:
        done = subprocess.run(
            [sys.executable, "-s", "-c", f"import sys; sys.path[:0] = [{str(copy.parent)!r}, {str(ROOT)!r}]\n{words}"],
            stdin=asked,
            capture_output=True,
            text=True,
            cwd="/",
            env={"PATH": os.defpath},
        )
    assert done.returncode == 0, done.stderr
    assert '"a_b.c"' in done.stdout
    assert (copy / ".lark_cache.bin").is_dir()
