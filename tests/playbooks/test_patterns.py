"""Named patterns and classes of characters, and that nothing a person declares becomes a regular expression."""

from __future__ import annotations

import string
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.errors import InvalidInput
from app.playbooks.declarations import VariableSpec, parse_specs
from app.playbooks.form_fields import form_fields, limits_in_words
from app.playbooks.patterns import CHARACTERS, PATTERNS, wrong_text
from app.playbooks.variables import check_variables, read_typed

GOOD = {
    "hostname": ["web-1.example.org", "localhost", "a", "1.2.3.4", "x" * 63],
    "ip": ["192.0.2.7", "2001:db8::7", "::"],
    "network": ["192.0.2.0/24", "2001:db8::/32", "10.0.0.1/8"],
    "email": ["ada@example.org", "a.b+c@x.example.org"],
    "url": ["https://example.org/x?y=1#z", "http://192.0.2.7:8080/", "https://[2001:db8::7]/"],
    "path": ["/srv/app", "/", "/a b/ü"],
    "version": ["1", "1.4", "v2.0-rc1", "24.04.1+build"],
    "semver": ["1.4.2", "0.0.0", "1.0.0-alpha.1+build.7"],
    "identifier": ["a", "_x1"],
    "uuid": ["6f1e6f7c-6f0d-4d4e-8b3c-0d7f5a1c2b3a"],
    "date": ["2026-03-31", "2024-02-29"],
}
BAD = {
    "hostname": ["-a", "a-", "a..b", "a_b", "é.org", "x" * 64, "a b", ".a", "a.", "a\n"],
    "ip": ["300.1.1.1", "1.2.3", "fe80::1%eth0", "1.2.3.4\n", "١.1.1.1"],
    "network": ["192.0.2.1", "192.0.2.0/33", "x/24"],
    "email": ["a", "@example.org", "a@b", ".a@example.org", "a..b@example.org", "a b@example.org", "a@example.org\n"],
    "url": ["ftp://x.org", "https://", "javascript:alert(1)", "https://u:p@x.org", "https://x y", "http://x.org:99999"],
    "path": ["srv", "../x", "/a/../b", "/a\x00", "/a\nb"],
    "version": ["", "one", "-1", "1 2", "1\n", "1" * 102],
    "semver": ["1.2", "1.2.3.4", "01.2.3", "1.2.x", "1.2.3-", "1.2.3-01", "1.2.3+"],
    "identifier": ["1a", "a-b", "é", "a\n"],
    "uuid": ["6f1e6f7c6f0d4d4e8b3c0d7f5a1c2b3a", "x", "{6f1e6f7c-6f0d-4d4e-8b3c-0d7f5a1c2b3a}"],
    "date": ["31.03.2026", "2026-02-30", "20260331", "2026-3-1", "0000-01-01"],
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_takes_what_it_names_and_nothing_else(name: str) -> None:
    assert [text for text in GOOD[name] if wrong_text(text, name, ())] == []
    assert [text for text in BAD[name] if text and not wrong_text(text, name, ())] == []


@pytest.mark.parametrize("name", PATTERNS)
@given(text=st.text(max_size=300))
def test_a_pattern_never_raises(name: str, text: str) -> None:
    wrong_text(text, name, tuple(CHARACTERS))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("piece", ["a", "1.", "a@", "/..", "-", "1:", "a.a-", "(a+)+", "%", "0-"])
def test_t_redos_no_text_makes_a_pattern_slow(name: str, piece: str) -> None:
    long = (piece * 10_000)[:10_000] + "!"
    began = time.perf_counter()
    wrong_text(long, name, ("letters", "digits"))
    wrong_text(long, name, ())
    assert time.perf_counter() - began < 0.2


def test_t_redos_a_pattern_of_ones_own_is_refused() -> None:
    for pattern in ("(a+)+$", ".*", "^x$", "ip|path"):
        with pytest.raises(InvalidInput, match="fields") as caught:
            parse_specs([{"name": "a", "pattern": pattern}])
        assert "must be one of hostname, ip" in str(caught.value.errors)


SPECS = parse_specs(
    [
        {"name": "line", "min_length": 2, "max_length": 4},
        {"name": "code", "characters": ["upper", "digits", "dash"]},
        {"name": "address", "pattern": "ip"},
        {"name": "text", "multiline": True},
        {"name": "count", "type": "number", "integer": True, "minimum": 1, "maximum": 5},
        {"name": "ratio", "type": "number"},
        {"name": "pin", "type": "secret", "min_length": 12, "characters": ["letters", "digits"]},
        {"name": "peers", "type": "server", "multiple": True},
    ]
)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("line", "x", "at least 2 characters"),
        ("line", "xxxxx", "at most 4 characters"),
        ("line", "a\nb", "one line"),
        ("line", "a\rb", "one line"),
        ("code", "a1", "may hold only: A-Z, digits, -"),
        ("code", "A1 ", "may hold only"),
        ("address", "web-1", "must be an IP address"),
        ("count", 1.5, "a whole number"),
        ("count", 2.0, "a whole number"),
        ("count", 6, "at most 5"),
        ("pin", "short1234", "at least 12 characters"),
        ("pin", "with space inside", "may hold only"),
        ("peers", "web-1", "a list of at most"),
        ("peers", ["a", "a"], "different"),
        ("peers", [""], "servers' names"),
        ("peers", [{"a": 1}], "servers' names"),
        ("peers", ["{{ x }}"], "servers' names"),
    ],
)
def test_t_vars_a_value_outside_of_its_declaration_is_refused(name: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_variables(SPECS, {}, {name: value})
    assert said in str(caught.value.errors[f"extra_vars.{name}"])


def test_values_inside_of_their_declaration_pass() -> None:
    given = {"line": "abc", "code": "A-1", "address": "::1", "text": "a\nb", "count": 5, "ratio": 0.5, "peers": ["a"]}
    assert check_variables(SPECS, {}, given).extra_vars == given
    assert check_variables(SPECS, {}, {"line": "", "address": ""}).extra_vars == {"line": "", "address": ""}


def test_a_form_says_the_limits_and_never_gives_a_secret_back() -> None:
    fields = {field["name"]: field for field in form_fields(SPECS, {"count": 3, "pin": "hunter2hunter2"}, kept={"pin"})}
    assert fields["count"]["value"] == 3
    assert fields["count"]["limits"] == "A whole number from 1 to 5."
    assert fields["code"]["limits"] == "Only: A-Z, digits, -"
    assert fields["line"]["limits"] == "Characters: from 2 to 4."
    assert fields["pin"]["value"] is None
    assert "leave this empty" in fields["pin"]["limits"]
    assert "hunter2" not in repr(fields)
    assert limits_in_words(SPECS[3]) == ""


LETTERS = st.text(string.ascii_letters, min_size=1, max_size=8)
CHOICES = st.lists(LETTERS, min_size=1, unique=True)
DECLARED = st.one_of(
    st.builds(lambda low, more: {"name": "v", "min_length": low, "max_length": low + more}, *[st.integers(0, 20)] * 2),
    st.builds(lambda names: {"name": "v", "characters": names}, st.lists(st.sampled_from(sorted(CHARACTERS)))),
    st.builds(lambda name: {"name": "v", "pattern": name}, st.sampled_from(sorted(PATTERNS))),
    st.builds(lambda low, more: {"name": "v", "type": "number", "minimum": low, "maximum": low + more, "integer": True},
              *[st.integers(-50, 50), st.integers(0, 50)]),
    st.builds(lambda names: {"name": "v", "type": "choice", "choices": names}, CHOICES),
    st.builds(lambda names: {"name": "v", "type": "multi_choice", "choices": names}, CHOICES),
    st.just({"name": "v", "type": "boolean"}),
    st.just({"name": "v", "type": "server", "multiple": True}),
)  # fmt: skip


@given(data=DECLARED, typed=st.lists(st.one_of(st.text(max_size=30), st.integers().map(str), LETTERS), max_size=3))
def test_whatever_is_typed_is_either_refused_with_a_sentence_or_fits_the_declaration(
    data: dict[str, Any], typed: list[str]
) -> None:
    spec = parse_specs([data])[0]
    assert parse_specs([spec.as_json()])[0] == spec
    value = read_typed(spec, typed)
    given_values = {} if value is None else {"v": value}
    try:
        checked = check_variables([spec], {}, given_values).extra_vars
    except InvalidInput as error:
        assert all(text[0].endswith(".") for text in error.errors.values())
        return
    if "v" in checked:
        _fits(spec, checked["v"])


def _fits(spec: VariableSpec, value: Any) -> None:
    if spec.type == "number":
        assert isinstance(value, int)
        assert spec.minimum is not None
        assert spec.maximum is not None
        assert spec.minimum <= value <= spec.maximum
    elif spec.type == "boolean":
        assert isinstance(value, bool)
    elif spec.type == "choice":
        assert value in spec.choices
    elif spec.type == "multi_choice":
        assert set(value) <= set(spec.choices)
    elif spec.type == "text":
        assert "\n" not in value
        assert "{{" not in value
        assert spec.max_length is None or len(value) <= spec.max_length
        allowed = frozenset().union(*(CHARACTERS[name][1] for name in spec.characters))
        assert not spec.characters or set(value) <= allowed
