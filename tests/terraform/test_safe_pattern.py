"""Patterns of people: what they mean is what regular expressions mean, and they take no time worth speaking of."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.terraform.safe_pattern import MAX_TEXT, BadPattern, compile_pattern

_ATOMS = st.sampled_from(["a", "b", ".", r"\.", "[ab]", "[^a]", "[a-c]", r"\d", r"\W", r"[\s1-]", "-"])
_PATTERNS = st.recursive(
    _ATOMS,
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=1, max_size=3).map(lambda some: f"({'|'.join(some)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}", "*?"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@given(_PATTERNS, st.lists(st.text("ab.c1 -\n", max_size=6), min_size=1, max_size=8))
@settings(max_examples=300, deadline=None)
def test_a_pattern_means_what_it_means_elsewhere(pattern: str, texts: list[str]) -> None:
    try:
        found = compile_pattern(pattern)
    except BadPattern as error:
        assert "large" in str(error) or "1 to" in str(error) or "repetition" in str(error)
        return
    for text in texts:
        assert found.fits(text) is (re.fullmatch(pattern, text, re.ASCII) is not None), (pattern, text)


@given(st.text(alphabet="ab[](){}|*+?^$\\-,:19dW.", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_pattern_or_refused_with_a_reason(pattern: str) -> None:
    try:
        compile_pattern(pattern).fits("ab1")
    except BadPattern as error:
        assert str(error)


@pytest.mark.parametrize(
    "pattern", ["(a+)+b", "(a|a)*b", "(a|aa)+b", "(.*a){9}b", "a?" * 30 + "a" * 30 + "b", "((a*)*)*b"]
)
def test_patterns_that_hold_others_up_are_done_at_once(pattern: str) -> None:
    assert not compile_pattern(pattern).fits("a" * MAX_TEXT)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "1 to"),
        ("a" * 201, "1 to"),
        (r"(a)\1", "escape sequence"),
        ("(?=a)", "operator"),
        ("a{3,2}", "repetition size"),
        ("a**", "repetition"),
        ("*a", "no argument"),
        ("(a", "missing )"),
        ("a)", "unexpected )"),
        ("[a", "missing ]"),
        ("[z-a]", "range"),
        ("a\\", "trailing"),
        ("(((a{99}){99}){99}){99}", "repetition size"),
        ("\ud800", "not text"),
    ],
)
def test_what_is_no_pattern_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    with pytest.raises(BadPattern, match=f"(?i){re.escape(reason)}"):
        compile_pattern(pattern)


def test_anchors_at_both_ends_say_nothing_new() -> None:
    found = compile_pattern(r"^web-\d{2}$")
    assert found.fits("web-07") and not found.fits("web-071") and not found.fits("a web-07")
    assert compile_pattern(r"\$").fits("$") and compile_pattern("a\\\\$").fits("a\\")


def test_a_text_that_is_too_long_fits_nothing() -> None:
    assert compile_pattern(".*").fits("x" * MAX_TEXT) and not compile_pattern(".*").fits("x" * (MAX_TEXT + 1))
