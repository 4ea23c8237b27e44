"""Settings of providers as a run gets them: what replaces arguments of the files, and what stands beside them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import undefer

from app.core.crypto import Keyring
from app.core.db import db
from app.core.runtime import settings
from app.terraform.configuration.bounded import read_bounded
from app.terraform.models_provider_settings import TerraformProviderSettings
from app.terraform.provider_credentials import AWS, ENVIRONMENT, profile_of

READING_SECONDS = 30.0  # a run is prepared in a transaction that reads


class UnknownProviders(RuntimeError):
    """The files cannot be read, so nobody knows which instances they declare."""


def secret_context(row: TerraformProviderSettings) -> str:
    """Return what the encrypted credentials of a row are bound to."""
    return f"terraform_provider_settings|credentials|{row.uuid}|{row.tenant_id}"


def opened(row: TerraformProviderSettings) -> dict[str, str]:
    """Return the credentials of a row, name -> text. Raises DecryptionError."""
    if row.credentials is None:
        return {}
    keyring = Keyring(settings().master_key.get_secret_value())
    found: dict[str, str] = json.loads(keyring.decrypt(secret_context(row), row.credentials))
    return found


def providers_of_run(
    tenant_id: int, project_id: int, files: Mapping[str, bytes], working_directory: str
) -> dict[str, Any]:
    """Return ``provider_overrides``, ``aws_profiles`` and ``provider_environment`` of a run; nothing without settings.

    Only instances that these files declare or use get theirs: terraform refuses an override of another alias. Raises
    DecryptionError, UnknownProviders.
    """
    rows = db.session.scalars(
        select(TerraformProviderSettings)
        .where(TerraformProviderSettings.tenant_id == tenant_id, TerraformProviderSettings.project_id == project_id)
        .options(undefer(TerraformProviderSettings.credentials))
        .order_by(TerraformProviderSettings.name, TerraformProviderSettings.alias)
    ).all()
    if not rows:
        return {}
    found = read_bounded(files, working_directory, seconds=READING_SECONDS)
    declared = {(provider.name, provider.alias) for provider in found.providers}
    missing = [row.instance for row in rows if (row.name, row.alias) not in declared]
    if missing and not found.is_whole:
        why = found.problems[0].reason if found.problems else "a file is unreadable"
        raise UnknownProviders(f"The files do not tell whether they declare the provider {missing[0]}: {why}")
    return _for_run([row for row in rows if (row.name, row.alias) in declared])


def _for_run(rows: list[TerraformProviderSettings]) -> dict[str, Any]:
    overrides: list[dict[str, Any]] = []
    profiles: dict[str, dict[str, str]] = {}
    environment: dict[str, str] = {}
    for row in rows:
        arguments = dict(row.configuration or {})
        if row.region:
            arguments["region"] = row.region
        credentials = opened(row)
        if row.name == AWS and credentials:
            profile = profile_of(row.alias)
            profiles[profile] = credentials
            # What stands in the files would win over a profile.
            arguments |= {"profile": profile, "access_key": None, "secret_key": None, "token": None}
        else:
            names = ENVIRONMENT.get(row.name, {})
            environment |= {names[name]: text for name, text in credentials.items() if name in names}
        if arguments:
            overrides.append({"name": row.name, "alias": row.alias, "arguments": arguments})
    return {"provider_overrides": overrides, "aws_profiles": profiles, "provider_environment": environment}
