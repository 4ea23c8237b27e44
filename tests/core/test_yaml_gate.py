from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.core.yaml_gate import MAX_BYTES, Opaque, load_plays, load_yaml
from tests.playbooks.conftest import GOOD


def _refused(data: bytes) -> str:
    with pytest.raises(InvalidInput) as caught:
        load_plays(data)
    return str(caught.value.errors["content"][0])


def test_a_playbook_is_read() -> None:
    assert load_plays(GOOD)[0]["hosts"] == "all"


@pytest.mark.parametrize("bracket", [b"[", b"{a: ", b"- ", b"? "])
def test_t_yaml_two_hundred_thousand_levels_are_refused_by_the_process_that_goes_on(bracket: bytes) -> None:
    pid = os.getpid()
    message = _refused(bracket * min(200_000, MAX_BYTES // len(bracket)))
    assert "nests deeper than 50" in message
    assert os.getpid() == pid
    assert load_plays(GOOD)


def test_t_yaml_an_alias_bomb_is_refused_before_it_is_built() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 12)}]" for n in range(1, 12)]
    assert "more than 100 aliases" in _refused("\n".join(lines).encode())


def test_t_yaml_merge_keys_are_kept_as_they_stand_and_never_expanded() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 11)]
    data = load_yaml("\n".join(lines))
    assert list(data["a10"]) == ["<<"]


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system ['true']",
        "!!python/name:os.system",
        "!<tag:yaml.org,2002:python/object:os.path> {}",
    ],
)
def test_t_yaml_tags_that_build_program_objects_are_refused(tag: str) -> None:
    assert "program objects" in _refused(f"- hosts: all\n  vars: {{a: {tag} }}\n".encode())


def test_vault_and_unsafe_values_are_opaque() -> None:
    plays = load_plays(b"- hosts: all\n  vars:\n    a: !vault |\n      $ANSIBLE_VAULT;1.1\n    b: !unsafe '{{ x }}'\n")
    assert isinstance(plays[0]["vars"]["a"], Opaque)
    assert plays[0]["vars"]["b"] == "{{ x }}"


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"- hosts: all\n  hosts: web\n", "line 2, column 3: the key 'hosts' stands twice"),
        (b"hosts: all\n", "a list of plays"),
        (b"[]", "a list of plays"),
        (b"", "a list of plays"),
        (b"- hosts: all\n- tasks: []\n", "Play 2 has no 'hosts'"),
        (b"- all\n", "Play 1"),
        (b"- hosts: all\n---\n- hosts: all\n", "several documents"),
        (b"- hosts: [\n", "line 2"),
        (b"\xff\xfe", "not UTF-8"),
        (b"- hosts: all\x00", "NUL"),
        (b"a" * (MAX_BYTES + 1), "larger than 1024 KiB"),
        (b"- hosts: 2001-99-99\n", "cannot be read"),
        (b"- hosts: *nothing\n", "undefined alias"),
        (b"- {[a]: b, hosts: all}\n", "a key must be plain text"),
        (b"- hosts: " + b"9" * 5000, "cannot be read"),
    ],
)
def test_t_yaml_what_is_wrong_is_said_in_words(data: bytes, says: str) -> None:
    assert says in _refused(data)


def test_t_yaml_the_data_itself_is_not_repeated_in_the_message() -> None:
    assert "hunter2" not in _refused(b"- hosts: all\n  password: hunter2\n  x: [\n")


def test_an_import_counts_as_a_play() -> None:
    assert load_plays(b"- import_playbook: other.yml\n")


def test_t_yaml_a_list_that_holds_itself_does_not_hang() -> None:
    assert "Play 1" in _refused(b"&a [*a]")


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text("[]{}-?:&*!<>|'\"%@`#,ab\n \t", max_size=200).map(str.encode)))
def test_t_yaml_any_bytes_are_plays_or_a_clear_refusal(data: bytes) -> None:
    try:
        assert isinstance(load_plays(data), list)
    except InvalidInput as error:
        assert error.errors["content"][0].endswith((".", "'."))
