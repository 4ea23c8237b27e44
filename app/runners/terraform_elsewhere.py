"""Reading a state that lives elsewhere: what is written for it, and what is said of what came.

``RunSpec.parameters["elsewhere"]`` (operation ``read``):

=========  ===================================================================================
backend    name of terraform's backend: s3, local
block      {argument: value} of its block, secrets and all; goes into a private file
secrets    list of the secret texts among them; masked wherever they are printed
roots      of a local file: the folders that it may lie in
max_bytes  how large the state may be
=========  ===================================================================================

terraform does the reading, in an empty folder with nothing but this backend: ``init``, then ``state pull``, which takes
no lock and writes nothing there. A local file is copied first, so that nothing is ever written beside it.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from typing import Any

from app.runners.base import FailureCode
from app.runners.workspace import Workspace, WorkspaceError

ARTIFACT = "state_elsewhere"
CONFIG_NAME = "backend.tfbackend.json"
COPY_NAME = "elsewhere.tfstate"
MAX_BYTES = 104_857_600
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_NO_LINEAGE, _HEAD_BYTES = re.compile(rb'"lineage":\s*""'), 1_000
# What terraform's S3 backend and the services behind it say -> what that means.
_MEANINGS = (
    (r"does not have the expected content|[Cc]hecksum calculated", "What lies there does not match its digest in "
     "DynamoDB: a write there was cut short, or somebody changed the object by hand. Find out which of both is right."),
    (r"NoSuchBucket|[Bb]ucket \S+ does not exist", "There is no such bucket."),
    (r"no such host|connection refused|i/o timeout|deadline exceeded|no route to host", "It was not reached from the "
     "worker."),
    (r"[Nn]o valid credential sources|failed to refresh cached credentials", "There are no credentials for it: give an "
     "access key here, or in the project's environment of providers."),
    (r"AccessDenied|Forbidden|not authorized", "The credentials are not enough: reading needs s3:ListBucket and "
     "s3:GetObject, and dynamodb:GetItem where there is a table."),
    (r"InvalidAccessKeyId|InvalidClientTokenId|SignatureDoesNotMatch|ExpiredToken|AuthFailure|UnrecognizedClient|"
     r"IncompleteSignature|InvalidSignature|validating provider credentials", "The credentials are wrong or have "
     "expired."),
    (r"Unsupported state file format|not valid JSON|state snapshot was created by", "What lies there is no state that "
     "this program can read."),
)  # fmt: skip


def write(given: Mapping[str, Any], workspace: Workspace) -> None:
    """Write the backend's private configuration, and the copy of a local file. Raises WorkspaceError."""
    elsewhere = given["elsewhere"]
    block = dict(elsewhere["block"])
    if elsewhere["backend"] == "local":
        data = read_local(str(block["path"]), elsewhere.get("roots") or (), limit(elsewhere))
        block["path"] = str(workspace.write_input(COPY_NAME, data))
    workspace.write_input(CONFIG_NAME, json.dumps(block))


def declaration(given: Mapping[str, Any]) -> str:
    """Return the configuration that names the backend and nothing else."""
    return f'terraform {{\n  backend "{given["elsewhere"]["backend"]}" {{}}\n}}\n'


def limit(elsewhere: Mapping[str, Any]) -> int:
    """Return how many bytes a state may have."""
    return int(elsewhere.get("max_bytes") or MAX_BYTES)


def read_local(path: str, roots: Sequence[str], most: int) -> bytes:
    """Return a regular file below one of the roots; links may lead about in there, and never out of it."""
    real = os.path.realpath(path)
    try:
        with os.fdopen(os.open(real, _OPEN), "rb") as file:
            # Asked of the opened file: whatever the path was made to name meanwhile, this is what is read.
            found = os.path.realpath(f"/proc/self/fd/{file.fileno()}")
            status = os.fstat(file.fileno())
            if not any(found.startswith(f"{os.path.realpath(root)}{os.sep}") for root in roots):
                raise _refused(
                    f"{path} leads out of the folders that are open for this on this worker "
                    f"({', '.join(roots) or 'none'}; MILLWRIGHT_TERRAFORM_LOCAL_STATE_ROOTS)."
                )
            if not stat.S_ISREG(status.st_mode):
                raise _refused(f"{path} is no regular file.")
            data = file.read(most + 1)
    except OSError as error:
        raise _refused(f"{path} cannot be read on this worker: {error.strerror}.") from error
    if len(data) > most:
        raise _refused(_too_large(most))
    return data


def _refused(text: str) -> WorkspaceError:
    return WorkspaceError(FailureCode.ENGINE_ERROR, text)


def _too_large(most: int) -> str:
    return f"The state there is larger than {most} bytes. Split it, or raise MILLWRIGHT_STATE_MAX_BYTES."


def problem_of(data: bytes, elsewhere: Mapping[str, Any]) -> str | None:
    """Say what is wrong with what ``state pull`` printed; None when it can be handed over."""
    # Of an object that is not there terraform prints an empty state without a lineage.
    if not data.strip() or _NO_LINEAGE.search(data, 0, _HEAD_BYTES):
        return "There is no state there (any more). What was read before stays. Correct where it lives, or remove it."
    return _too_large(limit(elsewhere)) if len(data) > limit(elsewhere) else None


def error_of(words: str) -> str:
    """Return the part of terraform's words that is about the error."""
    _before, mark, after = words.partition("Error: ")
    return f"{mark}{after.partition(' Warning: ')[0]}" if mark else words


def meaning(words: str) -> str:
    """Return what terraform's words about a backend mean, as a sentence with a blank behind it; empty if unknown."""
    for pattern, text in _MEANINGS:
        if re.search(pattern, words):
            return f"{text} "
    return ""
