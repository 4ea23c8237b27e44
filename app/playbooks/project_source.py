"""The source of a project from git: its checked fields, its credential (encrypted, write-only), its host keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from app.core.crypto import Keyring
from app.core.errors import InvalidInput
from app.core.runtime import settings
from app.core.table import new_uuid
from app.inventory.ssh_client import ScannedKey, parse_keys
from app.playbooks.models import PlaybookProject
from app.runners.masking import MIN_SECRET_LENGTH
from app.sources.git_address import Scheme, check_branch, parse_git_url
from app.sources.git_client import Credential
from app.sources.models import CredentialKind
from app.sources.paths import is_storable

SHOWN = ("git_url", "git_branch", "git_subfolder", "credential_kind", "credential_user", "sync_on_launch")
FIELDS = (*SHOWN, "credential_secret")
MAX_SECRET = 16_384
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}\Z")
_USER = re.compile(r"[A-Za-z0-9_.@+-]{1,100}\Z")


def apply(project: PlaybookProject, changes: Mapping[str, Any]) -> bool:
    """Set checked values; return whether the source itself (address, branch, folder, credential) is another now.

    Raises InvalidInput naming the field.
    """
    before = _source(project)
    if "sync_on_launch" in changes:
        project.sync_on_launch = changes["sync_on_launch"]
    if "git_url" in changes:
        _set_url(project, changes["git_url"])
    if "git_branch" in changes:
        project.git_branch = check_branch(changes["git_branch"]) if changes["git_branch"] else None
    if "git_subfolder" in changes:
        project.git_subfolder = _check_subfolder(changes["git_subfolder"])
    if {"credential_kind", "credential_user", "credential_secret"} & changes.keys():
        _set_credential(project, changes)
    return _source(project) != before


def _source(project: PlaybookProject) -> tuple[Any, ...]:
    names = ("git_url", "git_branch", "git_subfolder", "credential_kind", "credential_user", "credential_secret")
    return tuple(getattr(project, name) for name in names)


def _set_url(project: PlaybookProject, text: str) -> None:
    new = parse_git_url(text)
    old = parse_git_url(project.git_url) if project.git_url else None
    if old is not None and (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
        project.git_host_keys = project.git_offered_keys = None
        project.credential_kind, project.credential_user = CredentialKind.NONE.value, None
        project.credential_secret = None
    project.git_url = new.text


def _check_subfolder(text: str | None) -> str | None:
    if not text:
        return None
    path = text.strip("/")
    if len(path) > 255 or not is_storable(path):
        raise InvalidInput(git_subfolder="Give the path of a folder inside the repository, such as ansible/site.")
    return path


def _set_credential(project: PlaybookProject, changes: Mapping[str, Any]) -> None:
    kind = CredentialKind(changes.get("credential_kind", project.credential_kind))
    secret, user = changes.get("credential_secret"), changes.get("credential_user", project.credential_user)
    scheme = parse_git_url(project.git_url or "").scheme
    wanted = {Scheme.HTTPS: CredentialKind.TOKEN, Scheme.SSH: CredentialKind.SSH_KEY}.get(scheme)
    if kind is CredentialKind.NONE:
        project.credential_kind, project.credential_user, project.credential_secret = kind.value, None, None
        if secret:
            raise InvalidInput(credential_kind="Say what kind of credential this is: ssh_key or token.")
        return
    if kind is not wanted:
        word = "an https address takes a token" if scheme is Scheme.HTTPS else "an ssh address takes an ssh key"
        raise InvalidInput(credential_kind=f"This does not fit the address: {word}.")
    if user and not _USER.match(user):
        raise InvalidInput(credential_user="Letters, digits and _ . @ + - only.")
    if secret:
        project.credential_secret = Keyring(settings().master_key.get_secret_value()).encrypt(
            _context(project), _check_secret(kind, secret)
        )
    elif project.credential_secret is None or kind.value != project.credential_kind:
        raise _wrong_secret("Give the key or token itself; it is stored encrypted and never shown.")
    project.credential_kind, project.credential_user = kind.value, user or None


def _wrong_secret(text: str) -> InvalidInput:
    return InvalidInput(credential_secret=text)


def _check_secret(kind: CredentialKind, secret: str) -> str:
    if len(secret) > MAX_SECRET:
        raise _wrong_secret("This is longer than any key or token.")
    if kind is CredentialKind.TOKEN:
        text = secret.strip()
        if len(text) < MIN_SECRET_LENGTH or not _TOKEN.match(text):
            raise _wrong_secret(f"A token has at least {MIN_SECRET_LENGTH} visible characters, without blanks.")
        return text
    text = secret.replace("\r\n", "\n").strip() + "\n"
    try:
        data = text.encode()
        load = load_ssh_private_key if b"OPENSSH PRIVATE KEY" in data else load_pem_private_key
        load(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        locked = isinstance(error, TypeError) or "password" in str(error).lower()
        raise _wrong_secret(
            "This key has a passphrase; make a deploy key without one, for reading only."
            if locked
            else "This is no private ssh key. Paste the whole file, from BEGIN to END."
        ) from None
    return text


def _context(project: PlaybookProject) -> str:
    project.uuid = project.uuid or new_uuid()
    return f"playbook_projects|credential_secret|{project.uuid}|{project.tenant_id}"


def credential_of(project: PlaybookProject) -> Credential:
    """Return the opened credential, for a worker only. Raises DecryptionError."""
    if project.credential_secret is None:
        return Credential()
    keyring = Keyring(settings().master_key.get_secret_value())
    secret = keyring.decrypt(_context(project), project.credential_secret)
    return Credential(CredentialKind(project.credential_kind), project.credential_user or "", secret)


def offered_keys(project: PlaybookProject) -> list[ScannedKey]:
    """Return the ssh host keys that the last sync was shown and nobody has accepted."""
    return parse_keys("".join(f"host {line}\n" for line in (project.git_offered_keys or "").splitlines()))
