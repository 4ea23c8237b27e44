"""The table of file contents, shared by all kinds of project."""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.core.column_types import LongBytes, ascii_binary
from app.core.db import Model
from app.core.db_time import Created
from app.core.table import table_args
from app.core.tenancy import TenantOwned


class CredentialKind(StrEnum):
    """How a project signs in to its git server."""

    NONE = "none"
    SSH_KEY = "ssh_key"
    TOKEN = "token"  # noqa: S105 - the name of a kind; over HTTPS


class FileContent(TenantOwned, Created, Model):
    """The bytes of a file, stored once per tenant under their SHA-256."""

    __tablename__ = "playbook_contents"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "sha256"))

    id: Mapped[int] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(ascii_binary(64), nullable=False)
    size: Mapped[int] = mapped_column(nullable=False)  # bytes
    data: Mapped[bytes] = mapped_column(LongBytes, nullable=False, deferred=True)
