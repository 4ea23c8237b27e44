"""T-NEXT: after signing in one is on this platform, whatever the address said."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import pytest
from flask import Flask
from hypothesis import example, given
from hypothesis import strategies as st

from app.accounts.next_page import own_path
from tests import factories
from tests.factories import PASSWORD
from tests.security.conftest import sign_in

HERE = "https://platform.example/sign-in"
PIECES = st.sampled_from(
    ["/", "\\", "//", "evil.example", "https:", "http://", "javascript:", "data:", "%0d%0a", "%2f", "%5c", "\t", "\n",
     "\r", "\x00", "@", ":", "?", "#", ".", "..", " ", "\u2028", "／", "jobs", "[", "]", "\ud800"]
)  # fmt: skip
ADDRESSES = st.one_of(st.text(max_size=40), st.lists(PIECES, max_size=8).map("".join))


def as_a_browser_reads_it(address: str) -> str:
    """Backslashes are slashes, tabs and line ends are dropped, spaces around go (WHATWG URL, "special" schemes)."""
    cleaned = "".join(letter for letter in address if letter not in "\t\n\r").strip("".join(map(chr, range(33))))
    return cleaned.replace("\\", "/")


@given(ADDRESSES)
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("https:evil.example")
@example("/%0d%0aLocation: https://evil.example")
@example("javascript:alert(1)")
@example("///evil.example")
@example("/[")
def test_t_next_any_address_leads_to_this_platform(address: str) -> None:
    target = own_path(address)
    assert target.startswith("/")
    assert not any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in target)
    found = urlsplit(urljoin(HERE, as_a_browser_reads_it(target)))
    assert (found.scheme, found.netloc) == ("https", "platform.example")


@given(st.from_regex(r"/[a-z0-9/_-]{0,30}(\?[a-z]=[a-z0-9%]{0,10})?", fullmatch=True))
def test_t_next_an_own_page_is_kept(address: str) -> None:
    assert own_path(address) in (address, "/")
    if not address.startswith(("//", "/sign-")):
        assert own_path(address) == address


@pytest.mark.parametrize("target", ["//evil.example", "/\\evil.example", "https:evil.example", "/%0d%0a//evil.example"])
def test_t_next_the_redirect_itself_stays_here(app: Flask, target: str) -> None:
    factories.make_person(factories.make_tenant("Default").id, username="ada")
    answer = sign_in(app.test_client(), "ada", PASSWORD, next=target)
    assert answer.status_code == 303
    location = answer.headers["Location"]
    assert location.startswith("/")
    assert urlsplit(urljoin(HERE, as_a_browser_reads_it(location))).netloc == "platform.example"
    assert "\n" not in location
