"""Table of input variables: what the files declare, and the values that people set."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.core.column_types import JsonValue, LongText, ascii_binary
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class TerraformVariable(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """An input variable of a module: declared by the files (``is_declared``), given a value by people, or both.

    ``value`` is JSON data; that of a sensitive variable is None, and ``secret_value`` holds it encrypted. Without
    either it has no value here. Only variables of the root module can have one. ``module_key`` is ``module_id``, 0 for
    the root: NULL would not be unique. ``is_required``: declared without a default; ``declared_sensitive``: by the
    files. The default of a sensitive one is not kept. ``validation_rules`` say whose they are: those of the files are
    conditions for terraform, those of people are looked at here.
    """

    __tablename__ = "terraform_variables"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "project_id", "module_key", "name"),
        Index(None, "tenant_id", "name"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("module_id", "terraform_modules", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    module_id: Mapped[int | None] = mapped_column()
    module_key: Mapped[int] = mapped_column(nullable=False, default=0, server_default="0")
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)  # upper and lower case differ
    type: Mapped[str | None] = mapped_column(Text)  # an expression, such as list(string)
    description: Mapped[str | None] = mapped_column(Text)
    default_value: Mapped[Any | None] = mapped_column(JsonValue)
    validation_rules: Mapped[list[dict[str, Any]] | None] = mapped_column(JsonValue)
    is_declared: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    is_required: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    declared_sensitive: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    value: Mapped[Any | None] = mapped_column(JsonValue)
    secret_value: Mapped[str | None] = mapped_column(LongText, deferred=True)
    sensitive: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    has_secret: Mapped[bool] = column_property(secret_value.is_not(None))

    @property
    def is_set(self) -> bool:
        """Whether it has a value here, in clear or encrypted."""
        return self.value is not None or bool(self.has_secret)
