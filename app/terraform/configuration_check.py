"""Looks at one file at once: what somebody just saved, before the whole configuration is read."""

from __future__ import annotations

import posixpath
from dataclasses import asdict
from typing import Any

from app.core.actor import Actor
from app.core.errors import NotFound
from app.core.permissions import Permission, require
from app.terraform import queries_files
from app.terraform.configuration.bounded import ReadingFailed, read_bounded
from app.terraform.models_files import TerraformRevision

SECONDS = 5.0


def problem_of_file(actor: Actor, revision: TerraformRevision | None, path: str) -> dict[str, Any] | None:
    """Return why a file of a revision that was not read yet cannot be read: file, line, reason; None for nothing."""
    require(actor, Permission.TERRAFORM_VIEW)
    if revision is None or revision.read_at is not None or not path.endswith((".tf", ".tf.json")):
        return None
    try:
        data = queries_files.read_file(actor, revision, path)
    except NotFound:
        return None
    try:
        found = read_bounded({path: data}, posixpath.dirname(path), seconds=SECONDS)
    except ReadingFailed:
        return None  # the file is saved; the whole is read a moment later, and what ails that is said with it
    return None if found.is_whole else asdict(found.problems[0])
