"""git as project syncs use it: by argv, with an environment and configuration of its own, into a bare repository.

Nothing is checked out: no hooks, filters, submodules, large-file helpers or links come to life; files are read as
objects (``git_tree``). Only the URL's own transport is allowed, and only the address that was checked is connected to.
"""

from __future__ import annotations

import base64
import shlex
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.inventory import ssh_client
from app.inventory.ssh_client import ScannedKey
from app.runners import bounded_process
from app.runners.bounded_process import Bounds, Finished
from app.sources import git_address
from app.sources.git_address import GitUrl, Scheme, check_branch
from app.sources.models import CredentialKind

CONNECT_SECONDS = 20
LIST_SECONDS = 60
GIT_MEMORY = 2_147_483_648
MAX_REFS_BYTES = 4_194_304


class GitError(Exception):
    """git could not do it: ``code`` for programs, the text says what to do; ``detail`` is git's own words."""

    def __init__(self, code: str, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Credential:
    """How to sign in. ``secret`` is a private key or a token."""

    kind: CredentialKind = CredentialKind.NONE
    user: str = ""
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The tip of a branch on the remote."""

    branch: str
    commit: str


class Git:
    """One bare repository in a private folder, and the remote it fetches from.

    ``deadline_left`` gives the seconds that are left for everything; ``tick`` is called about every second.
    """

    def __init__(
        self,
        folder: Path,
        url: GitUrl,
        *,
        credential: Credential,
        host_keys: str,
        deadline_left: Callable[[], float],
        tick: Callable[[], None],
    ) -> None:
        executable = shutil.which("git")
        if executable is None:
            raise GitError("no_git", "This worker has no git. Install the package git on it.")
        self._executable = executable
        self.folder = folder
        self.url = url
        self.repository = folder / "repository"
        self._left = deadline_left
        self._tick = tick
        self._credential = credential
        self._host_keys = host_keys
        self._address = ""
        self.environment = self._prepare()

    def _prepare(self) -> dict[str, str]:
        home = self.folder / "home"
        home.mkdir(mode=0o700)
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(home),
            "LC_ALL": "C",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(home / "gitconfig"),
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "/bin/false",
            "SSH_ASKPASS": "/bin/false",
            "GIT_ALLOW_PROTOCOL": str(self.url.scheme),
            "GIT_PROTOCOL_FROM_USER": "0",
            "GIT_LFS_SKIP_SMUDGE": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_ATTR_NOSYSTEM": "1",
        }
        if self.url.scheme is Scheme.FILE:
            git_address.check_local(self.url)
        else:
            self._address = git_address.resolve(self.url)
        lines: list[str] = []
        if self.url.scheme is Scheme.FILE:
            path = self.url.path
            lines += ["[safe]", f'\tdirectory = "{path}"', f'\tdirectory = "{path}/.git"']
        elif self.url.scheme is Scheme.HTTPS:
            host = self.url.host.strip("[]")
            shown = f"[{self._address}]" if ":" in self._address else self._address
            lines += ["[http]", f"\tcurloptResolve = {host}:{self.url.port}:{shown}", "\tfollowRedirects = false"]
            lines += ["\tproxy =", "\tlowSpeedLimit = 1", f"\tlowSpeedTime = {CONNECT_SECONDS}"]
            if self._credential.kind is CredentialKind.TOKEN:
                # In a private file: neither in argv nor in the environment, where others could read it.
                pair = f"{self._credential.user or 'git'}:{self._credential.secret}".encode()
                lines.append(f'\textraHeader = "Authorization: Basic {base64.b64encode(pair).decode()}"')
        else:
            environment["GIT_SSH_COMMAND"] = f"ssh -F {shlex.quote(str(self._ssh_config()))}"
            environment["GIT_SSH_VARIANT"] = "ssh"
        config = home / "gitconfig"
        config.touch(mode=0o600)
        config.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return environment

    def _ssh_config(self) -> Path:
        known = self.folder / "known_hosts"
        name = self._known_name()
        known.write_text("".join(f"{name} {line}\n" for line in self._host_keys.splitlines() if line.strip()))
        lines = ["Host *", f"HostName {self._address}", f"HostKeyAlias {name}", f"UserKnownHostsFile {known}"]
        lines += ["GlobalKnownHostsFile none", "StrictHostKeyChecking yes", "UpdateHostKeys no", "BatchMode yes"]
        lines += [f"ConnectTimeout {CONNECT_SECONDS}", "ServerAliveInterval 10", "ServerAliveCountMax 3"]
        lines += ["PasswordAuthentication no", "KbdInteractiveAuthentication no", "ForwardAgent no", "ForwardX11 no"]
        lines += ["ClearAllForwardings yes", "PermitLocalCommand no", "ProxyCommand none", "IdentityAgent none"]
        lines += ["CheckHostIP no", "LogLevel ERROR", "IdentitiesOnly yes"]
        if self._credential.kind is CredentialKind.SSH_KEY:
            key = self.folder / "key"
            key.touch(mode=0o600)
            key.write_text(self._credential.secret.rstrip("\r\n") + "\n", encoding="utf-8")
            lines.append(f"IdentityFile {key}")
        else:
            lines.append("IdentityFile none")
        config = self.folder / "ssh_config"
        config.write_text("\n  ".join(lines) + "\n", encoding="utf-8")
        return config

    def _known_name(self) -> str:
        host = self.url.host.strip("[]")
        return host if self.url.port == 22 else f"[{host}]:{self.url.port}"

    def scan_host_keys(self) -> list[ScannedKey]:
        """Return the keys that the ssh host shows; nothing is sent to it. GitError when it cannot be reached."""
        argv = ["ssh-keyscan", "-T", str(CONNECT_SECONDS), "-p", str(self.url.port), "-t", "ed25519,ecdsa,rsa"]
        done = bounded_process.run([*argv, self._address], timeout=min(CONNECT_SECONDS * 2, self._left()))
        keys = ssh_client.parse_keys(done.output)
        if not keys:
            raise GitError("unreachable", self._cannot_reach(), done.error)
        return keys

    def run(
        self, *arguments: str, stdin: Path | None = None, output_bytes: int = MAX_REFS_BYTES, timeout: float = 1e6
    ) -> Finished:
        """Run one git command in the repository (when there is one) with all switches; see ``bounded_process.run``."""
        switches = ["protocol.allow=never", f"protocol.{self.url.scheme}.allow=always", "core.hooksPath=/dev/null"]
        switches += ["core.fsmonitor=false", "core.symlinks=false", "submodule.recurse=false", "gc.auto=0"]
        switches += ["fetch.recurseSubmodules=no", "fetch.unpackLimit=1", "credential.helper=", "core.askPass="]
        argv = [self._executable, *(word for switch in switches for word in ("-c", switch))]
        if self.repository.exists():
            argv.append(f"--git-dir={self.repository}")
        limit = settings().project_clone_bytes
        return bounded_process.run(
            [*argv, *arguments],
            timeout=max(1.0, min(timeout, self._left())),
            environment=self.environment,
            cwd=self.folder,
            stdin=stdin,
            bounds=Bounds(output_bytes, GIT_MEMORY, limit, self.folder, limit),
            tick=self._tick,
        )

    def head(self, branch: str | None) -> Head:
        """Ask the remote for the tip of ``branch`` (None: of its default branch); GitError says why it fails."""
        wanted = f"refs/heads/{branch}" if branch else "HEAD"
        done = self.run("ls-remote", "--symref", "--", self.url.text, wanted, timeout=LIST_SECONDS)
        if done.code != 0:
            raise self.explain(done)
        name, commit = branch or "", ""
        for line in done.output.splitlines():
            value, _, ref = line.partition("\t")
            if value.startswith("ref: refs/heads/") and ref == "HEAD":
                name = value.removeprefix("ref: refs/heads/")
            elif ref == wanted:
                commit = value
        if not commit or not all(character in "0123456789abcdef" for character in commit):
            if branch:
                raise GitError(
                    "no_branch",
                    f"The repository has no branch '{branch}' (any more). Correct it in the project's settings.",
                )
            raise GitError("empty", "The repository is empty, or has no default branch. Name a branch.")
        if not branch and name:
            try:
                check_branch(name)
            except InvalidInput:
                name = ""
        return Head(name, commit)

    def find_ref(self, version: str | None) -> str:
        """Return what to fetch for a version: a commit, a tag, else a branch; None: the default branch."""
        if version is None:
            return "HEAD"
        if len(version) == 40 and all(character in "0123456789abcdef" for character in version):
            return version
        names = [f"refs/tags/{version}", f"refs/heads/{version}"]
        done = self.run("ls-remote", "--", self.url.text, *names, timeout=LIST_SECONDS)
        if done.code != 0:
            raise self.explain(done)
        found = {line.partition("\t")[2] for line in done.output.splitlines()}
        for name in names:
            if name in found:
                return name
        raise GitError("no_branch", f"{self.url.text} has no tag or branch '{version}'. Correct requirements.yml.")

    def fetch(self, ref: str) -> str:
        """Fetch one commit without history (a full ref name, or a commit); return its hash."""
        done = self.run("init", "--quiet", "--bare", "--template=", "--", str(self.repository))
        if done.code != 0:
            raise self.explain(done)
        done = self.run(
            *("fetch", "--quiet", "--depth=1", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head"),
            *("--no-auto-maintenance", "--", self.url.text, f"+{ref}:refs/millwright/head"),
        )
        if done.code != 0:
            raise self.explain(done)
        done = self.run("rev-parse", "--verify", "--end-of-options", "refs/millwright/head^{commit}")
        if done.code != 0:
            raise self.explain(done)
        return done.output.strip()

    def _cannot_reach(self) -> str:
        if self.url.scheme is Scheme.FILE:
            return f"{self.url.path} cannot be read as a repository on this worker."
        return (
            f"{self.url.host}:{self.url.port} does not answer. Check the address, and whether this worker may reach it."
        )

    def explain(self, done: Finished) -> GitError:
        """Turn git's words into ours."""
        words = done.error.lower()
        bounds = ("file too large", "out of memory", "filesize limit")
        if done.ended_by == "disk" or done.code == -signal.SIGXFSZ or any(mark in words for mark in bounds):
            size = settings().project_clone_bytes // 1_048_576
            return GitError("too_big", f"The repository needs more than {size} MiB even without history.", done.error)
        if done.ended_by == "output":
            return GitError("too_big", "The repository lists more than a project may hold.", done.error)
        if done.ended_by == "time":
            return GitError("timeout", "git took too long. Try again, or raise MILLWRIGHT_PROJECT_SYNC_SECONDS.")
        for code, marks in _MARKS:
            if any(mark in words for mark in marks):
                return GitError(code, self._sentence(code), done.error)
        return GitError("git_failed", "git could not read the repository; the log has its own words.", done.error)

    def _sentence(self, code: str) -> str:
        host = self.url.host
        return {
            "host_key_changed": f"The ssh host key of {host} is not the accepted one. Find out why, then accept it.",
            "credential": f"{host or 'The repository'} refused the project's credential, or needs one. "
            "Set a deploy key or token that may read this repository.",
            "not_found": "There is no such repository, or the credential may not see it. Check address and credential.",
            "unreachable": self._cannot_reach(),
            "redirect": f"{host} redirects to another address, which is not followed. Give the final address.",
            "certificate": f"The certificate of {host} is not valid for the worker. Add its CA to the worker's store.",
            "damaged": "The repository lacks objects or is damaged. Repair it on its server (git fsck).",
            "refused": "git refused this kind of address.",
        }[code]


# What git, curl and ssh say in English (LC_ALL=C) -> code; the first that fits.
_MARKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("host_key_changed", ("host key verification failed", "remote host identification has changed")),
    ("refused", ("transport '",)),
    (
        "credential",
        (
            "could not read username",
            "could not read password",
            "authentication failed",
            "permission denied (",
            "requested url returned error: 401",
            "requested url returned error: 403",
            "error in libcrypto",
            "invalid format",
        ),
    ),
    ("redirect", ("unable to update url base from redirection", "requested url returned error: 30")),
    ("certificate", ("ssl certificate", "certificate verif", "server certificate")),
    (
        "not_found",
        (
            "repository not found",
            "not found",
            "does not appear to be a git repository",
            "does not exist",
            "requested url returned error: 404",
        ),
    ),
    (
        "damaged",
        ("repository corruption", "unable to read", "bad object", "missing blob", "loose object", "packfile"),
    ),
    (
        "unreachable",
        (
            "could not resolve",
            "couldn't connect",
            "failed to connect",
            "connection refused",
            "connection timed out",
            "connection reset",
            "no route to host",
            "operation timed out",
            "network is unreachable",
            "connection closed",
            "early eof",
            "recv failure",
        ),
    ),
)
