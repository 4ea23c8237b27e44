"""Tags that a project requires: looked for in each plan, said at its review, enforced where the project wants it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from app.core.actor import Actor
from app.core.errors import Conflict, InvalidInput
from app.runners.terraform_plan import ANY_TAG
from app.terraform import queries_executions
from app.terraform.models import TagPolicy, TerraformProject
from app.terraform.models_executions import ExecutionType, TerraformExecution

DEFAULT_TAGS = ("Environment", "Project")
MAX_REQUIRED = 20
MOST_NAMED = 5  # addresses in a refusal
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}\Z")
Change = Mapping[str, Any]


def required_tags(project: TerraformProject) -> Sequence[str]:
    """Return the names of the tags that a project requires; none while its policy is off."""
    if project.tag_policy is TagPolicy.OFF:
        return ()
    return DEFAULT_TAGS if project.required_tags is None else project.required_tags


def checked_names(names: Sequence[str]) -> list[str]:
    """Return names of tags as a project keeps them; raises InvalidInput."""
    found = list(dict.fromkeys(name.strip() for name in names if name.strip()))
    if len(found) > MAX_REQUIRED:
        raise InvalidInput(required_tags=f"At most {MAX_REQUIRED} tags.")
    if wrong := [name for name in found if not _NAME.match(name) or name == ANY_TAG]:
        raise InvalidInput(
            required_tags=f"{wrong[0][:60]!a} is no name of a tag: give 1 to 128 characters, such as Owner."
        )
    return found


def with_missing(project: TerraformProject, changes: Sequence[Change]) -> list[dict[str, Any]]:
    """Return changes of a plan, each with ``missing_tags``: those that it lacks of what the project requires."""
    required = required_tags(project)
    return [{**change, "missing_tags": _missing(change, required)} for change in changes]


def _missing(change: Change, required: Sequence[str]) -> list[str]:
    names = change.get("tags")
    if names is None or ANY_TAG in names:
        return []
    if change.get("labels"):  # of Google: lower case only
        there = {name.lower() for name in names}
        return [name for name in required if name.lower() not in there]
    return [name for name in required if name not in names]


def check(actor: Actor, project: TerraformProject, plan: TerraformExecution) -> None:
    """Raise Conflict with the addresses when a plan must not be applied for tags that are missing."""
    if project.tag_policy is not TagPolicy.ENFORCE or plan.is_destroy or plan.execution_type is not ExecutionType.PLAN:
        return
    if not required_tags(project):
        return
    summary = queries_executions.summary_of(actor, plan)
    if summary.get("changes") and not summary.get("tags_checked"):
        raise Conflict(
            "The tags of this plan could not be looked at: it has too many changes, or was made by an older worker. "
            "Plan fewer resources at once, or plan again.",
            error="tags_unknown",
        )
    bad = [one for one in with_missing(project, summary.get("changes", ())) if one["missing_tags"]]
    if bad:
        named = "; ".join(f"{one['address']} ({', '.join(one['missing_tags'])})" for one in bad[:MOST_NAMED])
        more = f", and {len(bad) - MOST_NAMED} more" if len(bad) > MOST_NAMED else ""
        raise Conflict(
            f"{project.name} requires tags that this plan leaves out: {named}{more}. Add them to the files and plan "
            "again, or change what the project requires.",
            error="tags_missing",
            errors={str(one["address"]): [f"Needs {', '.join(one['missing_tags'])}."] for one in bad[:100]},
        )
