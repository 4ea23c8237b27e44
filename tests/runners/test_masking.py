from __future__ import annotations

import base64
import html
import json
import shlex
import time
import urllib.parse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.runners.masking import MASK, Masker, StreamMasker, check_maskable

SECRET = "p+w'r$[d/ \"x\\&<é"
KEY = "-----BEGIN KEY-----\nabcdefghijkl\nmnopqrstuvwx\nend=\n-----END KEY-----\n"

values = st.text(st.characters(codec="utf-8"), min_size=8, max_size=40).filter(
    lambda text: len(text.strip()) >= 8 and len(set(text)) > 2
)


def test_a_value_too_short_to_hide_is_refused() -> None:
    check_maskable("12345678")
    with pytest.raises(ValueError, match="at least 8"):
        check_maskable("1234567")
    with pytest.raises(ValueError, match="at least 8"):
        Masker(["short"])


def test_without_secrets_text_is_handed_back_untouched() -> None:
    text = "anything"
    assert Masker([]).mask(text) is text


@pytest.mark.parametrize(
    "spelled",
    [
        SECRET,
        json.dumps(SECRET),
        json.dumps(SECRET, ensure_ascii=False),
        json.dumps(json.dumps({"stdout": SECRET})),
        urllib.parse.quote(SECRET),
        urllib.parse.quote(SECRET, safe=""),
        urllib.parse.quote_plus(SECRET),
        shlex.quote(SECRET),
        html.escape(SECRET),
        repr(SECRET),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.b64encode(b"x" + SECRET.encode()).decode(),
        base64.b64encode(b"xy" + SECRET.encode() + b"tail").decode(),
        base64.urlsafe_b64encode(b"user:" + SECRET.encode()).decode(),
    ],
)
def test_every_common_spelling_is_hidden(spelled: str) -> None:
    masked = Masker([SECRET]).mask(f"before {spelled} after")
    assert MASK in masked
    assert spelled not in masked
    assert masked.startswith("before ") and masked.endswith(" after")
    assert len(masked) < len("before  after") + 24  # what stood around the secret in the spelling is left


def test_each_line_of_a_key_is_hidden() -> None:
    masker = Masker([KEY])
    for line in ("abcdefghijkl", "mnopqrstuvwx"):
        assert masker.mask(f"x {line} y") == f"x {MASK} y"
    assert "abcdefghijkl" not in masker.mask(json.dumps({"key": KEY}))


def test_the_longest_secret_wins() -> None:
    assert Masker(["password1", "password123456"]).mask("password123456") == MASK


@given(values, st.text(max_size=30), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_secret_survives_between_any_texts(secret: str, before: str, after: str) -> None:
    masked = Masker([secret]).mask(before + secret + after)
    assert MASK in masked


@given(values, st.binary(max_size=6), st.binary(max_size=6))
@settings(max_examples=60, deadline=None)
def test_the_middle_of_base64_is_hidden_at_every_shift(secret: str, before: bytes, after: bytes) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    assert MASK in Masker([secret]).mask(encoded)


@given(values, st.text(max_size=60), st.lists(st.integers(1, 7), min_size=1, max_size=60))
@settings(max_examples=80, deadline=None)
def test_chunk_borders_change_nothing(secret: str, other: str, sizes: list[int]) -> None:
    masker = Masker([secret])
    text = other + secret + other + secret
    stream, shown, position, turn = StreamMasker(masker), "", 0, 0
    while position < len(text):
        size = sizes[turn % len(sizes)]
        shown += stream.feed(text[position : position + size])
        position, turn = position + size, turn + 1
    assert shown + stream.close() == masker.mask(text)


def test_many_lines_are_masked_in_reasonable_time() -> None:
    masker = Masker([f"Secret-{number}+/value" for number in range(20)])
    line = "2026-01-01T00:00:00 host01 service[123]: an ordinary line of a log, eighty characters"
    started = time.process_time()
    for _ in range(20_000):
        masker.mask(line)
    assert time.process_time() - started < 10  # a search per secret and spelling would take far longer
