from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.playbooks.paths import check_playbook_path
from app.sources.paths import check_path

REFUSED = [
    "",
    "/etc/passwd",
    "../site.yml",
    "plays/../../x.yml",
    "plays//x.yml",
    "./x.yml",
    ".git/config",
    "plays/.hidden.yml",
    "-x.yml",
    "plays/-e.yml",
    "%2e%2e/x.yml",
    "x\x00.yml",
    "x\n.yml",
    "x.yml\n",
    "plays\\x.yml",
    "~/x.yml",
    "a" * 5000,
    "/".join("a" * 20) + ".yml",
    "plä.yml",
    "a b.yml",
    "${HOME}.yml",
]


@pytest.mark.parametrize("path", REFUSED)
def test_t_path_one_that_could_leave_the_project_is_refused(path: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_path(path)
    assert "file_path" in caught.value.errors


@pytest.mark.parametrize("path", ["site.yml", "plays/web_1/site-2.yaml", "roles/a/tasks/main.yml", "a@b+c.yml"])
def test_ordinary_paths_are_taken_as_they_are(path: str) -> None:
    assert check_playbook_path(path) == path


@pytest.mark.parametrize("path", ["site", "site.yml.txt", "site.json"])
def test_a_playbook_ends_in_yml_or_yaml(path: str) -> None:
    assert check_path(path) == path
    with pytest.raises(InvalidInput):
        check_playbook_path(path)


@given(st.text(max_size=80))
def test_t_path_whatever_is_accepted_stays_inside_the_project(path: str) -> None:
    try:
        check_path(path)
    except InvalidInput:
        return
    parts = path.split("/")
    assert not path.startswith("/")
    assert path.isascii()
    assert not any(part in ("", ".", "..") or part[0] in ".-" for part in parts)
