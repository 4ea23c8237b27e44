"""Backends that a state may live in outside of the platform: what each is told, what of it is secret, where that is.

The names are those of terraform's own backend blocks (https://developer.hashicorp.com/terraform/language/backend/s3,
``.../local``), flat: what lies in ``endpoints`` there begins with ``endpoint_`` here, what lies in ``assume_role`` with
``assume_role_``; ``remote_workspace`` is the workspace's name there. Nothing that names a file of the worker is among
them, apart from the file that is read.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.core.errors import InvalidInput
from app.runners.masking import MIN_SECRET_LENGTH
from app.terraform.models_state import StateBackend

Config = dict[str, str | bool]
WORKSPACE_KEY_PREFIX = "env:"  # S3's own default
_URL = r"https?://[A-Za-z0-9.\-\[\]:]{1,255}(/[A-Za-z0-9._~\-/]{0,200})?"
_NAME = r"[A-Za-z0-9._\-]{1,255}"
_PRINTABLE = r"[^\x00-\x1f\x7f]{1,1024}"


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a backend: a text that matches ``pattern``, or a switch (no pattern)."""

    name: str
    pattern: str | None
    example: str = ""
    is_secret: bool = False
    is_needed: bool = False


S3 = (
    Key("bucket", r"[A-Za-z0-9._:/\-]{3,255}", "acme-terraform", is_needed=True),
    Key("key", r"[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,1022}", "network/terraform.tfstate", is_needed=True),
    Key("region", r"[A-Za-z0-9\-]{1,50}", "eu-central-1"),
    Key("remote_workspace", r"[A-Za-z0-9_\-][A-Za-z0-9_.\-]{0,89}", "production"),
    Key("workspace_key_prefix", r"[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,254}", WORKSPACE_KEY_PREFIX),
    Key("dynamodb_table", _NAME, "terraform-locks"),
    Key("use_lockfile", None),
    Key("encrypt", None),
    Key("kms_key_id", r"[A-Za-z0-9:/_\-]{1,300}", "alias/terraform"),
    Key("profile", _NAME, "operations"),
    Key("assume_role_role_arn", r"arn:[A-Za-z0-9:/+=,.@_\-]{10,300}", "arn:aws:iam::123456789012:role/read-states"),
    Key("assume_role_external_id", r"[A-Za-z0-9+=,.@:/_\-]{2,300}", "millwright"),
    Key("assume_role_session_name", r"[A-Za-z0-9+=,.@_\-]{2,64}", "millwright"),
    Key("endpoint_s3", _URL, "https://s3.example.org"),
    Key("endpoint_dynamodb", _URL, "https://dynamodb.example.org"),
    Key("endpoint_sts", _URL, "https://sts.example.org"),
    Key("endpoint_iam", _URL, "https://iam.example.org"),
    Key("use_path_style", None),
    Key("skip_credentials_validation", None),
    Key("skip_region_validation", None),
    Key("skip_requesting_account_id", None),
    Key("skip_metadata_api_check", None),
    Key("skip_s3_checksum", None),
    Key("access_key", _PRINTABLE, is_secret=True),
    Key("secret_key", _PRINTABLE, is_secret=True),
    Key("token", r"[^\x00-\x1f\x7f]{1,8192}", is_secret=True),
    Key("sse_customer_key", _PRINTABLE, is_secret=True),
)
LOCAL = (Key("path", r"/[^\x00-\x1f\x7f]{1,1000}", "/srv/terraform/network.tfstate", is_needed=True),)
KEYS: Mapping[str, Sequence[Key]] = {StateBackend.S3.value: S3, StateBackend.LOCAL.value: LOCAL}


def secret_names(backend: str) -> frozenset[str]:
    """Return the keys of a backend that are never shown."""
    return frozenset(key.name for key in KEYS.get(backend, ()) if key.is_secret)


def checked(backend: str, given: Mapping[str, Any], roots: Sequence[str]) -> Config:
    """Return what can be told to a backend, empty values left out; InvalidInput for what cannot.

    ``roots`` are the folders of the workers that local files may lie in.
    """
    if backend not in KEYS:
        raise InvalidInput(backend=f"Choose one of {', '.join(KEYS)}.")
    keys = {key.name: key for key in KEYS[backend]}
    wrong: dict[str, list[str]] = {}
    found: Config = {}
    for name, value in given.items():
        if name not in keys:
            wrong["backend_config"] = [f"{str(name)[:80]!a} is not known here. Known are: {', '.join(keys)}."]
        elif value is None or value in ("", False):
            continue
        elif reason := _reason(keys[name], value):
            wrong[name] = [reason]
        else:
            found[name] = value
    wrong |= {
        name: ["This is needed."] for name, key in keys.items() if key.is_needed and name not in {**found, **wrong}
    }
    if not wrong and backend == StateBackend.S3:
        wrong |= _pairs(found)
    if not wrong and backend == StateBackend.LOCAL:
        wrong |= _place(str(found["path"]), roots)
    if wrong:
        raise InvalidInput(**{name: said[0] for name, said in wrong.items()})
    return found


def _reason(key: Key, value: Any) -> str | None:
    if key.pattern is None:
        return None if value is True else "Say true or false."
    if not isinstance(value, str) or not re.fullmatch(key.pattern, value):
        return "This cannot be one." if key.is_secret else f"This cannot be one; it looks like {key.example}."
    if key.is_secret and len(value) < MIN_SECRET_LENGTH:
        return f"Give {MIN_SECRET_LENGTH} characters at least: it is masked wherever it stands."
    return None


def _pairs(found: Config) -> dict[str, list[str]]:
    for one, other in (("access_key", "secret_key"), ("secret_key", "access_key"), ("token", "access_key")):
        if one in found and other not in found:
            return {other: [f"This is needed beside {one}."]}
    for name in ("assume_role_external_id", "assume_role_session_name"):
        if name in found and "assume_role_role_arn" not in found:
            return {"assume_role_role_arn": [f"This is needed beside {name}."]}
    return {}


def _place(path: str, roots: Sequence[str]) -> dict[str, list[str]]:
    if not roots:
        return {
            "path": ["No folder of the workers is open for this. Name some in MILLWRIGHT_TERRAFORM_LOCAL_STATE_ROOTS."]
        }
    if os.path.normpath(path) != path or not any(path.startswith(f"{root.rstrip('/')}/") for root in roots):
        return {"path": [f"It has to lie below one of {', '.join(roots)}, without '..' in it."]}
    return {}


def object_key(config: Mapping[str, Any]) -> str:
    """Return the key of the object in S3: that of a workspace lies below a prefix."""
    workspace = config.get("remote_workspace") or "default"
    if workspace == "default":
        return str(config["key"])
    return f"{config.get('workspace_key_prefix') or WORKSPACE_KEY_PREFIX}/{workspace}/{config['key']}"


def location(backend: str, config: Mapping[str, Any]) -> str:
    """Return where a state lives, for people."""
    return str(config["path"]) if backend == StateBackend.LOCAL else f"s3://{config['bucket']}/{object_key(config)}"


def block(backend: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of terraform's own block for reading there."""
    if backend == StateBackend.LOCAL:
        return {"path": config["path"]}
    own: dict[str, Any] = {"key": object_key(config)}
    for name, value in config.items():
        if name in ("key", "remote_workspace", "workspace_key_prefix"):
            continue
        for beginning, inside in (("endpoint_", "endpoints"), ("assume_role_", "assume_role")):
            if name.startswith(beginning):
                own.setdefault(inside, {})[name.removeprefix(beginning)] = value
                break
        else:
            own[name] = value
    return own
