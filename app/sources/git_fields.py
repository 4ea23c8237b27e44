"""What projects from git have in common: the credential (encrypted, write-only) and the host keys of their remote."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key
from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from app.core.crypto import Keyring
from app.core.errors import Conflict, InvalidInput
from app.core.runtime import settings
from app.core.table import HasUuid, new_uuid
from app.core.tenancy import TenantOwned
from app.inventory.ssh_client import ScannedKey, parse_keys
from app.runners.masking import MIN_SECRET_LENGTH
from app.sources.git_address import GitUrl, Scheme, parse_git_url
from app.sources.git_client import Credential
from app.sources.models import CredentialKind
from app.sources.paths import is_storable

CREDENTIAL_FIELDS = ("credential_kind", "credential_user", "credential_secret")
MAX_SECRET = 16_384
_TOKEN = re.compile(r"[\x21-\x7e]{1,1000}\Z")
_USER = re.compile(r"[A-Za-z0-9_.@+-]{1,100}\Z")


class GitSource(TenantOwned, HasUuid):
    """Mixin of a table of projects that may be read from git.

    ``git_host_keys`` are accepted ssh host keys ("type base64" lines), ``git_offered_keys`` what the host showed and
    nobody accepted yet.
    """

    __tablename__: Any
    git_host_keys: Mapped[str | None] = mapped_column(Text)
    git_offered_keys: Mapped[str | None] = mapped_column(Text)
    credential_kind: Mapped[str] = mapped_column(
        String(20), nullable=False, default=CredentialKind.NONE.value, server_default=CredentialKind.NONE.value
    )
    credential_user: Mapped[str | None] = mapped_column(String(100))
    credential_secret: Mapped[str | None] = mapped_column(Text)  # encrypted, core/crypto


def checked_address(project: GitSource, before: str | None, text: str, *, field: str) -> str:
    """Return a checked address; one of another host drops the credential and the accepted host keys."""
    new = parse_git_url(text, field=field)
    old = parse_git_url(before, field=field) if before else None
    if old is not None and (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
        forget_remote(project)
    return new.text


def forget_remote(project: GitSource) -> None:
    """Drop the credential, and the accepted and offered host keys."""
    project.git_host_keys = project.git_offered_keys = None
    project.credential_kind, project.credential_user = CredentialKind.NONE.value, None
    project.credential_secret = None


def check_subfolder(text: str | None) -> str | None:
    """Return the path of a folder inside a repository, None for all of it; raises InvalidInput."""
    if not text:
        return None
    path = text.strip("/")
    if len(path) > 255 or not is_storable(path):
        raise InvalidInput(git_subfolder="Give the path of a folder inside the repository, such as ansible/site.")
    return path


def set_credential(project: GitSource, url: GitUrl, changes: Mapping[str, Any]) -> None:
    """Set kind, user and secret as far as they are given; raises InvalidInput naming the field."""
    kind = CredentialKind(changes.get("credential_kind", project.credential_kind or CredentialKind.NONE))
    secret, user = changes.get("credential_secret"), changes.get("credential_user", project.credential_user)
    wanted = {Scheme.HTTPS: CredentialKind.TOKEN, Scheme.SSH: CredentialKind.SSH_KEY}.get(url.scheme)
    if kind is CredentialKind.NONE:
        project.credential_kind, project.credential_user, project.credential_secret = kind.value, None, None
        if secret:
            raise InvalidInput(credential_kind="Say what kind of credential this is: ssh_key or token.")
        return
    if kind is not wanted:
        word = "an https address takes a token" if url.scheme is Scheme.HTTPS else "an ssh address takes an ssh key"
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


def _context(project: GitSource) -> str:
    project.uuid = project.uuid or new_uuid()
    return f"{project.__tablename__}|credential_secret|{project.uuid}|{project.tenant_id}"


def credential_of(project: GitSource) -> Credential:
    """Return the opened credential, for a worker only. Raises DecryptionError."""
    if project.credential_secret is None:
        return Credential()
    keyring = Keyring(settings().master_key.get_secret_value())
    secret = keyring.decrypt(_context(project), project.credential_secret)
    return Credential(CredentialKind(project.credential_kind), project.credential_user or "", secret)


def offered_keys(project: GitSource) -> list[ScannedKey]:
    """Return the ssh host keys that the last reading was shown and nobody has accepted."""
    return parse_keys("".join(f"host {line}\n" for line in (project.git_offered_keys or "").splitlines()))


def accept_offered(project: GitSource, fingerprint: str) -> list[str]:
    """Accept the keys that were offered, if ``fingerprint`` is of one of them; return their fingerprints.

    Raises Conflict for another one.
    """
    offered = [key.fingerprint for key in offered_keys(project)]
    if fingerprint not in offered:
        raise Conflict("The host does not show this key (any more). Read it again, then compare.", error="no_such_key")
    project.git_host_keys, project.git_offered_keys = project.git_offered_keys, None
    return offered
