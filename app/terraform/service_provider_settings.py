"""Commands on the settings of a provider's instances. Credentials are written, never read back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy.exc import IntegrityError

from app.audit import service as audit
from app.core.actor import Actor
from app.core.crypto import DecryptionError, Keyring
from app.core.db import db
from app.core.errors import Conflict, InvalidInput
from app.core.permissions import Permission, require
from app.core.runtime import settings
from app.core.table import new_uuid
from app.core.versioning import check_version
from app.runners.masking import MIN_SECRET_LENGTH
from app.terraform import plan_binding, provider_values, queries, queries_provider_settings
from app.terraform.configuration.hcl_files import SECRET
from app.terraform.models import TerraformProject
from app.terraform.models_provider_settings import TerraformProviderSettings
from app.terraform.provider_credentials import AWS, names_of, problem_of, why_none
from app.terraform.trail import project_resource

MAX_INSTANCES, MAX_ARGUMENTS, MAX_DEPTH = 50, 50, 10
MAX_CREDENTIAL, MAX_CONFIGURATION = 16_384, 16_384
SETTINGS_MOVED = "The settings of the provider {} were changed after it was made."
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,199}\Z")
_ARGUMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,199}\Z")
_OWN = {
    "alias": "An instance keeps its alias: it stands in the files.",
    "region": "The region has a field of its own.",
    "version": "The version stands in the files, under required_providers.",
}
_OF_AWS = {"profile", "shared_credentials_files", "shared_config_files"}


def set_provider(
    actor: Actor,
    project_uuid: str,
    instance: str,
    *,
    region: str | None = None,
    configuration: Mapping[str, Any] | None = None,
    credentials: Mapping[str, str | None] | None = None,
    version: int | None = None,
) -> TerraformProviderSettings:
    """Set region, arguments and credentials of an instance (``aws``, ``aws.west``); waiting plans become void.

    Region and arguments are replaced. Of the credentials only those that are named change, None takes one away. Raises
    InvalidInput by field, NotFound, Conflict for too many, VersionConflict.
    """
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    name, alias = _instance(instance)
    found = queries_provider_settings.find_settings(actor, project, name, alias, for_update=True)
    is_new = found is None
    if found is None:
        if version is not None:
            raise Conflict("There are no settings of this instance any more. Set them without a version.")
        if len(queries_provider_settings.list_settings(actor, project)) >= MAX_INSTANCES:
            raise Conflict(f"A project has settings of at most {MAX_INSTANCES} instances.")
        found = TerraformProviderSettings(
            tenant_id=actor.tenant_id, uuid=new_uuid(), project_id=project.id, name=name, alias=alias
        )
    else:
        check_version(found, version)
    _fill(found, region, configuration or {}, credentials or {})
    try:
        with db.session.begin_nested():
            db.session.add(found)
    except IntegrityError:
        raise Conflict(f"Somebody else set {instance} a moment ago. Look at it and set it again.") from None
    db.session.refresh(found)
    _changed(actor, project, found, "create" if is_new else "update", sorted(credentials or {}))
    return found


def remove_provider(actor: Actor, project_uuid: str, instance: str) -> None:
    """Take the settings of an instance away, with its credentials; waiting plans become void. Raises NotFound."""
    require(actor, Permission.TERRAFORM_EDIT)
    project = queries.get_project(actor, project_uuid)
    found = queries_provider_settings.get_settings(actor, project, instance)
    _changed(actor, project, found, "delete", sorted(found.credential_names or []))
    db.session.delete(found)
    db.session.flush()


def _instance(instance: str) -> tuple[str, str]:
    name, dot, alias = instance.partition(".")
    if not _NAME.match(name) or (dot and not _NAME.match(alias)):
        said = "Give the provider as the files name it, such as aws, or aws.west for the alias west."
        raise InvalidInput(instance=said)
    return name, alias


def _fill(
    row: TerraformProviderSettings,
    region: str | None,
    configuration: Mapping[str, Any],
    credentials: Mapping[str, str | None],
) -> None:
    region = (region or "").strip() or None
    if region is not None and (len(region) > 200 or not region.isprintable()):
        raise InvalidInput(region="At most 200 characters in one line.")
    if problem := _problem_of_arguments(row.name, configuration):
        raise InvalidInput(configuration=problem)
    kept = {**_stored(row, credentials), **_checked(row, credentials)}
    opened = {name: text for name, text in kept.items() if text is not None}
    if row.name == AWS and opened and not {"access_key", "secret_key"} <= opened.keys():
        raise InvalidInput(credentials="AWS needs access_key and secret_key; a token only with temporary ones.")
    if region is None and not configuration and not opened:
        raise InvalidInput(_form="Give a region, an argument or a credential. Remove the settings to have none.")
    keyring = Keyring(settings().master_key.get_secret_value())
    row.region, row.configuration = region, dict(configuration) or None
    row.credential_names = sorted(opened) or None
    row.credentials = keyring.encrypt(provider_values.secret_context(row), json.dumps(opened)) if opened else None


def _stored(row: TerraformProviderSettings, credentials: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Open the stored credentials where some of them stay; a lost key does not stand in the way of new ones."""
    if not set(row.credential_names or ()) - credentials.keys():
        return {}
    try:
        return provider_values.opened(row)
    except DecryptionError:
        said = "The stored ones can no longer be opened. Give all of them again, or take them away."
        raise InvalidInput(credentials=said) from None


def _checked(row: TerraformProviderSettings, credentials: Mapping[str, str | None]) -> Mapping[str, str | None]:
    allowed = names_of(row.name, row.alias)
    for name, text in credentials.items():
        if name not in allowed:
            if not allowed:
                raise InvalidInput(credentials=why_none(row.name, row.alias))
            raise InvalidInput(credentials=f"{row.name} has {', '.join(allowed)}, not {name[:100]!a}.")
        if text is None:
            continue
        if not MIN_SECRET_LENGTH <= len(text) <= MAX_CREDENTIAL:
            said = f"{name} has {MIN_SECRET_LENGTH} to {MAX_CREDENTIAL} characters: it is masked wherever it stands."
            raise InvalidInput(credentials=said)
        if problem := problem_of(row.name, name, text):
            raise InvalidInput(credentials=problem)
    return credentials


def _problem_of_arguments(provider: str, configuration: Mapping[str, Any]) -> str | None:
    if len(configuration) > MAX_ARGUMENTS:
        return f"At most {MAX_ARGUMENTS} arguments."
    for name in configuration:
        if name in _OWN:
            return _OWN[name]
        if provider == AWS and name in _OF_AWS:
            return f"{name} is set by the platform: it says where the credentials of this instance are."
    if problem := _problem_inside(configuration, 0):
        return problem
    if len(json.dumps(configuration)) > MAX_CONFIGURATION:
        return f"At most {MAX_CONFIGURATION} characters as JSON."
    return None


def _problem_inside(value: Any, depth: int) -> str | None:
    if depth > MAX_DEPTH:
        return f"Nested deeper than {MAX_DEPTH} levels."
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not _ARGUMENT.match(name):
                return f"{name[:100]!a} is no name of an argument."
            if SECRET.search(name.lower()):
                return (
                    f"{name[:100]} is a secret, and arguments stand in plans. Give it as a credential, if there is one."
                )
            if problem := _problem_inside(inner, depth + 1):
                return problem
    elif isinstance(value, list):
        return next((said for inner in value if (said := _problem_inside(inner, depth + 1))), None)
    elif isinstance(value, str):
        return None if _is_text(value) else "A text in it holds what is no character."
    elif isinstance(value, float | int) and not (math.isfinite(value) and abs(value) <= 2**53):
        return "A number in it cannot be stored exactly."
    return None


def _is_text(value: str) -> bool:
    """Say whether a database takes this text: nothing of half a character, no NUL."""
    return "\0" not in value and not any("\ud800" <= letter <= "\udfff" for letter in value)


def _changed(
    actor: Actor, project: TerraformProject, row: TerraformProviderSettings, verb: str, credentials: list[str]
) -> None:
    void = plan_binding.void_plans(actor.tenant_id, project.id, SETTINGS_MOVED.format(row.instance))
    audit.record(
        actor,
        f"terraform_provider_settings:{verb}",
        project_resource(project),
        details={
            "project": project.name,
            "provider": row.instance,
            "region": row.region,
            "arguments": sorted(row.configuration or {}),
            "credentials": credentials,
            "void_plans": void,
        },
    )
