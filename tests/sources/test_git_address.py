"""What git is allowed to see (T-GIT), and where it is allowed to go (T-SSRF)."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core import runtime
from app.core.errors import InvalidInput
from app.sources.git_address import AddressRefused, GitUrl, Scheme, check_branch, may_reach, parse_git_url, resolve
from config import Settings


@pytest.fixture(autouse=True)
def configured(make_settings: Callable[..., Settings]) -> Callable[..., None]:
    """Settings of this test; call it with others."""
    runtime.configure(make_settings())
    return lambda **values: runtime.configure(make_settings(**values))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("https://git.example.org/ops/plays.git", "https://git.example.org/ops/plays.git"),
        ("https://git.example.org:8443/ops/plays", "https://git.example.org:8443/ops/plays"),
        ("ssh://git@git.example.org/ops/plays.git", "ssh://git@git.example.org/ops/plays.git"),
        ("ssh://git.example.org:2222/~ops/plays.git", "ssh://git@git.example.org:2222/~ops/plays.git"),
        ("git@git.example.org:ops/plays.git", "ssh://git@git.example.org/ops/plays.git"),
        ("https://GIT.Example.org/x", "https://git.example.org/x"),
    ],
)
def test_usual_addresses_are_taken(typed: str, kept: str) -> None:
    assert parse_git_url(typed).text == kept
    assert parse_git_url(kept).text == kept


@pytest.mark.parametrize(
    "typed",
    [
        "--upload-pack=touch /tmp/x",
        "-c core.sshCommand=id",
        "ext::sh -c 'touch /tmp/x'",
        "ext::sh",
        "fd::17",
        "file:///etc",
        "/etc",
        "../repo",
        "http://git.example.org/x",
        "git://git.example.org/x",
        "gopher://git.example.org/x",
        "ftp://git.example.org/x",
        "https://user:secret@git.example.org/x",
        "https://token@git.example.org/x",
        "ssh://-oProxyCommand=id/x",
        "ssh://git@-oProxyCommand=id/x",
        "-oProxyCommand=id@git.example.org:x",
        "git@-oProxyCommand=id:x",
        "https://git.example.org/../../etc",
        "https://git.example.org/x y",
        "https://git.example.org/x\n[core]",
        "https://git.example.org/$HOME",
        "https://git.example.org/`id`",
        "https://git.example.org/x?y=z",
        "https://git.example.org/x#y",
        "https://git.example.org/%2e%2e/x",
        "https://git.example.org/plays/.git/config",
        "https://git.example.org:99999/x",
        "https://git.example.org",
        "https:///x",
        "https://git..example.org/x",
        "https://exämple.org/x",
        "x" * 600,
        "",
    ],
)
def test_t_git_what_is_no_plain_address_is_refused(typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_git_url(typed)
    assert "git_url" in caught.value.errors


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "a.localhost",
        "169.254.169.254",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "100.64.0.1",
        "0.0.0.0",
        "0",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "[::1]",
        "[::]",
        "[fe80::1]",
        "[fd00::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
        "255.255.255.255",
    ],
)
def test_t_ssrf_inner_addresses_are_refused_however_they_are_written(host: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_git_url(f"https://{host}/x.git")
    assert "git_url" in caught.value.errors


def test_t_ssrf_an_allowed_network_opens_what_lies_in_it_and_nothing_else(configured: Callable[..., None]) -> None:
    configured(git_allowed_networks=["10.1.0.0/16", "fd00::/8"])
    assert parse_git_url("https://10.1.2.3/x.git").host == "10.1.2.3"
    assert may_reach(ipaddress.ip_address("fd00::1"))
    for host in ("10.2.0.1", "127.0.0.1", "169.254.169.254"):
        with pytest.raises(InvalidInput):
            parse_git_url(f"https://{host}/x.git")


def _answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    def lookup(_host: str, port: int, **_kw: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


@pytest.mark.parametrize("addresses", [("127.0.0.1",), ("93.184.216.34", "10.0.0.1"), ("::1",), ("::ffff:10.0.0.1",)])
def test_t_ssrf_a_name_that_leads_inside_is_refused(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    _answers(monkeypatch, *addresses)
    with pytest.raises(AddressRefused) as caught:
        resolve(parse_git_url("https://git.example.org/x.git"))
    assert caught.value.code == "address_refused"


def test_t_ssrf_the_checked_address_is_the_one_that_is_pinned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A name server that answers otherwise the second time (DNS rebinding) is not asked a second time."""
    from app.sources.git_client import Credential, Git
    from app.sources.models import CredentialKind

    _answers(monkeypatch, "93.184.216.34")
    common: dict[str, Any] = {"host_keys": "", "deadline_left": lambda: 10.0, "tick": lambda: None}
    token = Credential(CredentialKind.TOKEN, "bot", "tok-12345678")
    (tmp_path / "a").mkdir()
    git = Git(tmp_path / "a", parse_git_url("https://git.example.org/x.git"), credential=token, **common)
    config = (tmp_path / "a/home/gitconfig").read_text()
    assert "curloptResolve = git.example.org:443:93.184.216.34" in config and "followRedirects = false" in config
    assert "tok-12345678" not in str(git.environment) and (tmp_path / "a/home/gitconfig").stat().st_mode & 0o077 == 0
    (tmp_path / "b").mkdir()
    Git(tmp_path / "b", parse_git_url("git@git.example.org:x.git"), credential=Credential(), **common)
    ssh = (tmp_path / "b/ssh_config").read_text()
    assert "HostName 93.184.216.34" in ssh and "StrictHostKeyChecking yes" in ssh and "ProxyCommand none" in ssh


def test_only_hosts_of_the_list_are_cloned_from(configured: Callable[..., None]) -> None:
    configured(git_allowed_hosts=["git.example.org", "*.corp.example"])
    assert parse_git_url("https://a.corp.example/x").host == "a.corp.example"
    for host in ("example.org", "git.example.org.evil.example", "corp.example"):
        with pytest.raises(InvalidInput, match="see the fields"):
            parse_git_url(f"https://{host}/x")


def test_t_git_local_repositories_lie_below_the_folder_of_the_setting(
    configured: Callable[..., None], git_root: Path
) -> None:
    configured(git_local_root=git_root)
    assert parse_git_url(f"file://{git_root}/a").scheme is Scheme.FILE
    for wrong in ("/etc", f"{git_root}/../x", f"{git_root}x/a", "file://host/a"):
        with pytest.raises(InvalidInput):
            parse_git_url(wrong)
    (git_root / "link").symlink_to("/etc")
    from app.sources.git_address import check_local

    with pytest.raises(AddressRefused):
        check_local(GitUrl(Scheme.FILE, "", 0, "", f"{git_root}/link"))


@pytest.mark.parametrize("name", ["main", "release/2.4", "feature_x", "v1.0", "a-b"])
def test_usual_branches_are_taken(name: str) -> None:
    assert check_branch(name) == name


NO_BRANCHES = (
    "-c;--upload-pack=touch x;a..b;a b;a:b;@{-1};a^;a~1;a?;a*;a[;a\\b;a//b;a.lock;/a;a/;.a;a/.b;refs/heads/$(id);+a;é"
)


@pytest.mark.parametrize("name", [*NO_BRANCHES.split(";"), "a\n", "a" * 300, ""])
def test_t_git_what_is_no_branch_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput):
        check_branch(name)


@given(st.text(max_size=60))
def test_t_git_whatever_is_typed_becomes_an_address_without_options_or_is_refused(text: str) -> None:
    try:
        url = parse_git_url(text)
    except InvalidInput:
        return
    assert url.text.startswith(("https://", "ssh://")) and url.text.isprintable() and " " not in url.text
    assert not url.host.startswith("-") and not url.user.startswith("-")
