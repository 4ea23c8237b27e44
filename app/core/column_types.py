"""Column types that behave the same on SQLite, MariaDB and MySQL."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    BINARY,
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Enum,
    Integer,
    LargeBinary,
    String,
    Text,
    types,
)
from sqlalchemy.dialects import mysql

# SQLite increments only an INTEGER PRIMARY KEY by itself.
BigIntPK = BigInteger().with_variant(Integer, "sqlite")
LongBytes = LargeBinary().with_variant(mysql.LONGBLOB(), "mysql", "mariadb")
LongText = Text().with_variant(mysql.LONGTEXT(), "mysql", "mariadb")
# Digests and keys compare byte by byte, never by a collation.
Digest = BINARY(32).with_variant(LargeBinary(32), "sqlite")
JsonValue = JSON(none_as_null=True)


def ascii_binary(length: int) -> types.TypeEngine[str]:
    """Return a VARCHAR of ASCII that compares byte by byte (digests in hex, idempotency keys)."""
    binary = mysql.VARCHAR(length, charset="ascii", collation="ascii_bin")
    return String(length).with_variant(binary, "mysql", "mariadb")


def can_hold(column_type: types.TypeEngine[Any], text: str) -> bool:
    """Say whether a column can hold ``text``: MySQL refuses to compare ASCII with other letters (error 1267)."""
    variant = column_type.dialect_impl(mysql.dialect())
    return text.isascii() or getattr(variant, "charset", None) != "ascii"


class UTCDateTime(types.TypeDecorator[datetime]):
    """DATETIME(6) that takes and gives aware UTC moments; a naive one is refused with ValueError."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> types.TypeEngine[Any]:
        """Use six fractional digits where the server would drop them."""
        if dialect.name in ("mysql", "mariadb"):
            return dialect.type_descriptor(mysql.DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC without a zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a moment without a time zone cannot be stored; use core.clock.utc_now()")
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the stored moment its zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


def enum_column(enum: type[StrEnum], name: str) -> Enum:
    """Return a native ENUM (MySQL, MariaDB) or VARCHAR + CHECK (SQLite) that stores the values, not the names."""
    return Enum(
        enum,
        name=name,
        values_callable=lambda members: [member.value for member in members],
        native_enum=True,
        create_constraint=True,
        validate_strings=True,
    )
