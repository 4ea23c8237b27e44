"""What strangers may write: nothing makes the reader raise, and what is too much is a problem that says so."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.terraform.configuration import bounded, reader, references, scopes
from app.terraform.configuration.graph import strongly_connected
from tests.terraform.test_configuration_reader import read, reasons

WORDS = ("resource", "a_b", '"', "{", "}", "${", "%{", "for", "\n", " ", "=", "[", "]", ".", "x", "<<E\n", "E", "(")
HCL = st.lists(st.sampled_from(WORDS), max_size=60).map("".join)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | HCL.map(str.encode), st.booleans())
def test_no_bytes_make_the_reader_raise(data: bytes, as_json: bool) -> None:
    found = reader.read({"main.tf.json" if as_json else "main.tf": data})
    json.dumps(found.problems and found.problems[0].reason)


KEYS = st.text(max_size=5) | st.sampled_from(["a_b", "c"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
KINDS = st.sampled_from(["resource", "data", "module", "variable", "output", "locals", "provider", "terraform"])


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(KINDS, JSON, max_size=4))
def test_no_json_document_makes_the_reader_raise(document: dict[str, Any]) -> None:
    reader.read({"main.tf.json": json.dumps(document).encode()})


@given(st.text(max_size=80))
def test_no_text_makes_the_search_for_references_raise(text: str) -> None:
    references.in_expression(text)


def test_what_is_too_much_is_a_problem_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "MAX_RESOURCES", 3)
    monkeypatch.setattr(scopes, "MAX_MODULES", 5)
    many = read(main="".join(f'resource "a_b" "n{number}" {{}}\n' for number in range(5)))
    assert "More than 3 blocks" in reasons(many) and len(many.resources) == 3 and not many.is_whole
    monkeypatch.setattr(scopes, "MAX_RESOURCES", 1000)
    calls = "".join(f'module "m{number}" {{ source = "./m" }}\n' for number in range(9))
    assert "More than 5 modules" in reasons(read(main=calls, m__main="locals {}"))
    monkeypatch.setattr(scopes, "MAX_BYTES", 10)
    assert "the rest is not read" in reasons(read(main='resource "a_b" "c" {}'))


def test_reading_is_bounded_in_time_and_files_in_size() -> None:
    late = bounded.read_bounded({"main.tf": b"x = 1\n"}, seconds=0.01)
    assert not late.is_whole and "took more than 0.01 seconds" in late.problems[0].reason
    big = bounded.read_bounded({"big.tf": b"#" * 1_100_000, "main.tf": b'resource "a_b" "c" {}\n', "notes.md": b"\xff"})
    assert [one.file for one in big.problems] == ["big.tf"] and [one.address for one in big.resources] == ["a_b.c"]
    deep = bounded.read_bounded({"main.tf": b"x = " + b"[" * 50_000 + b"]" * 50_000})
    assert not deep.is_whole and deep.problems


def test_a_chain_of_thousands_is_no_matter_of_depth() -> None:
    chain = {number: [number + 1] for number in range(20_000)} | {20_000: [0]}
    assert len(strongly_connected(chain)) == 1
