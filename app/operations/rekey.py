"""After a new master key: every encrypted value anew under it, in small transactions, while the platform works.

A value is opened with the key it was written with and written under the first one. Of a state version that is its data
key: the bytes of states stay as they are. Values that somebody writes meanwhile are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Row, Table, select, update

from app.core.crypto import DecryptionError, Keyring
from app.core.db import Model, db, unit_of_work
from app.core.runtime import settings
from app.core.tenancy import system_scope

BATCH = 200  # rows of one transaction


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of encrypted values, and the columns between its name and the tenant that they are bound to."""

    table: str
    column: str
    bound_to: tuple[str, ...] = ("uuid",)


# Everything that ``core.crypto.Keyring`` encrypts; a test compares it with the contexts in the code.
SEALED = (
    SealedColumn("launches", "secret_inputs"),
    SealedColumn("playbook_projects", "credential_secret"),
    SealedColumn("saved_launches", "secret_variables"),
    SealedColumn("server_credentials", "sealed", ("server_id", "kind")),
    SealedColumn("terraform_environment", "secret_value"),
    SealedColumn("terraform_executions", "artifact_key"),
    SealedColumn("terraform_projects", "credential_secret"),
    SealedColumn("terraform_provider_settings", "credentials"),
    SealedColumn("terraform_set_variables", "secret_value"),
    SealedColumn("terraform_state_files", "state_data"),
    SealedColumn("terraform_states", "backend_config"),
    SealedColumn("terraform_variables", "secret_value"),
)


@dataclass(slots=True)
class Rewrapped:
    """What became of one column: values under the first key now, values that no key opens."""

    column: SealedColumn
    done: int = 0
    lost: int = 0


def rewrap() -> Iterator[Rewrapped]:
    """Bring one column after the other under the first master key; yields each when it is done.

    Opens units of work of its own. What was done stays when it is stopped; it begins again where something is left.
    """
    keyring = Keyring(settings().master_key.get_secret_value())
    for column in SEALED:
        found = Rewrapped(column)
        table = Model.metadata.tables[column.table]
        last = 0
        while True:
            with system_scope("new master key"), unit_of_work():
                rows = _next_rows(table, column, keyring, last)
                for row in rows:
                    _rewrap_one(table, column, keyring, row, found)
            if not rows:
                break
            last = rows[-1].id
        yield found


def _next_rows(table: Table, column: SealedColumn, keyring: Keyring, last: int) -> list[Row[tuple[object, ...]]]:
    value = table.c[column.column]
    bound = [table.c[name] for name in column.bound_to]
    statement = (
        select(table.c.id, table.c.tenant_id, value.label("sealed_value"), *bound)
        .where(table.c.id > last, value.is_not(None), value.not_like(f"v1.{keyring.active}.%"))
        .order_by(table.c.id)
        .limit(BATCH)
    )
    return list(db.session.execute(statement).all())


def _rewrap_one(
    table: Table, column: SealedColumn, keyring: Keyring, row: Row[tuple[object, ...]], found: Rewrapped
) -> None:
    parts = [getattr(row, name) for name in column.bound_to]
    context = "|".join(str(part) for part in (table.name, column.column, *parts, row.tenant_id))
    try:
        sealed = keyring.encrypt(context, keyring.decrypt(context, row.sealed_value))
    except DecryptionError:
        found.lost += 1
        return
    value = table.c[column.column]
    changed = db.session.execute(
        update(table).where(table.c.id == row.id, value == row.sealed_value).values({column.column: sealed})
    )
    found.done += int(getattr(changed, "rowcount", 0))
