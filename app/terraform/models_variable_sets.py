"""Tables of variable sets: values that many projects share, and which project has which of them."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, column_property, mapped_column

from app.core.column_types import JsonValue, LongText, ascii_binary, enum_column
from app.core.db import Model
from app.core.db_time import Timestamped
from app.core.table import HasUuid, table_args, tenant_key
from app.core.tenancy import TenantOwned
from app.core.versioning import Versioned


class Category(StrEnum):
    """What a variable of a set is for."""

    TERRAFORM = "terraform"  # an input variable of the root module
    ENVIRONMENT = "environment"  # what providers find in their environment


class TerraformVariableSet(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A set of values under a name. ``is_global``: every project of the tenant has it, without being attached."""

    __tablename__ = "terraform_variable_sets"
    __table_args__ = table_args(UniqueConstraint("tenant_id", "id"), UniqueConstraint("tenant_id", "name"))

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), nullable=False)
    description: Mapped[str | None] = mapped_column(Text)
    is_global: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")


class TerraformSetVariable(TenantOwned, HasUuid, Versioned, Timestamped, Model):
    """A value of a set: JSON data, or a sensitive one encrypted and never shown; environment variables are texts."""

    __tablename__ = "terraform_set_variables"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "id"),
        UniqueConstraint("tenant_id", "set_id", "category", "name"),
        tenant_key("set_id", "terraform_variable_sets", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    set_id: Mapped[int] = mapped_column(nullable=False)
    category: Mapped[Category] = mapped_column(
        enum_column(Category, "category"),
        nullable=False,
        default=Category.TERRAFORM,
        server_default=Category.TERRAFORM.value,
    )
    name: Mapped[str] = mapped_column(ascii_binary(200), nullable=False)  # upper and lower case differ
    description: Mapped[str | None] = mapped_column(Text)
    sensitive: Mapped[bool] = mapped_column(nullable=False, default=False, server_default="0")
    value: Mapped[Any | None] = mapped_column(JsonValue)
    secret_value: Mapped[str | None] = mapped_column(LongText, deferred=True)
    has_secret: Mapped[bool] = column_property(secret_value.is_not(None))


class TerraformProjectVariableSet(TenantOwned, Model):
    """A set that a project has. Of two values for one name, that of the lower ``position`` counts."""

    __tablename__ = "terraform_project_variable_sets"
    __table_args__ = table_args(
        UniqueConstraint("tenant_id", "project_id", "set_id"),
        Index(None, "tenant_id", "set_id"),
        tenant_key("project_id", "terraform_projects", ondelete="CASCADE"),
        tenant_key("set_id", "terraform_variable_sets", ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(nullable=False)
    set_id: Mapped[int] = mapped_column(nullable=False)
    position: Mapped[int] = mapped_column(nullable=False)
