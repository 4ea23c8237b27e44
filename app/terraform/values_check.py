"""Whether the values that a project has can be planned with: looked at when a plan is asked for, and when it begins.

Rules that people set hold always. What the files declare is known only for the files in force, and only when all of
them could be read; those of a project from git are not known before the execution has read them. Conditions that the
files declare are terraform's: it looks at them in each plan.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from app.core.actor import Actor
from app.core.crypto import DecryptionError
from app.core.errors import Conflict
from app.core.permissions import Permission, require
from app.terraform import queries, queries_files, type_expressions, variable_rules, variable_values
from app.terraform.configuration.shapes import HIDDEN
from app.terraform.models import TerraformProject
from app.terraform.models_variables import TerraformVariable
from app.terraform.variable_values import Given

MOST_SAID = 10


def check_values(actor: Actor, project: TerraformProject, revision_id: int | None) -> None:
    """Raise Conflict, naming each variable with what is wrong, for values that no plan of these files can be made with.

    ``revision_id`` are the files that are to be planned, None when they are still to be read.
    """
    require(actor, Permission.TERRAFORM_PLAN)
    rows = queries.variables_with_secrets(actor.tenant_id, project.id)
    try:
        given = {one.name: one for one in variable_values.given_values(actor.tenant_id, project.id, rows)}
    except DecryptionError:
        return  # the execution says so, with what to do
    is_known = _is_known(actor, project, revision_id)
    found = [text for row in rows for text in _problems(row, given.get(row.name), is_known)]
    if found:
        more = f" And {len(found) - MOST_SAID} more." if len(found) > MOST_SAID else ""
        raise Conflict(
            f"{' '.join(found[:MOST_SAID])}{more} Mend that on the page Variables, then ask again.",
            error="values_refused",
        )


def _is_known(actor: Actor, project: TerraformProject, revision_id: int | None) -> bool:
    """Say whether the rows are of the files that are to be planned."""
    revision = queries_files.current_revision(actor, project)
    if revision is None or revision.id != revision_id:
        return False
    return revision.read_at is not None and not revision.problems


def _problems(row: TerraformVariable, given: Given | None, is_known: bool) -> Iterator[str]:
    is_declared = is_known and row.is_declared
    if given is None:
        if is_declared and row.is_required:
            yield f"{row.name} needs a value: the files declare no default."
            return
        if not is_declared or not _is_literal(row.default_value):
            return
        value, name, hides_keys = row.default_value, f"{row.name} (its default)", False
    else:
        value, hides_keys = given.value, given.is_secret
        name = row.name if given.set_name is None else f"{row.name} (from the set {given.set_name})"
    if broken := variable_rules.broken_rule(variable_rules.rules_of(row), value):
        yield f"{name} {broken}."
    elif given is not None and is_declared and (misfit := misfit_of(row, value, hides_keys=hides_keys)):
        yield f"{name}{misfit}."


def misfit_of(row: TerraformVariable, value: Any, *, hides_keys: bool) -> str | None:
    """Return where a value does not fit the declared type, to be written behind the variable's name."""
    wanted = type_expressions.parse(row.type)
    found = None if wanted is None else type_expressions.misfit(wanted, value, hides_keys=hides_keys)
    return found and (found if found[0] in ".[" else f" {found}")


def _is_literal(value: Any) -> bool:
    """Say whether a default is what terraform takes: no expression, and nothing that was left out when it was read."""
    return value is not None and "${" not in (text := json.dumps(value)) and HIDDEN not in text
