"""Values of a run: what its launch holds, with references looked up now. Nothing of that is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.core.actor import Actor
from app.core.db import db
from app.jobs import references
from app.jobs.kinds import PreparationError, RunRequest
from app.jobs.references import Found, ReferenceRefused
from app.playbooks.declarations import VariableSpec, VariableType, parse_specs
from app.playbooks.models import Playbook
from app.playbooks.targets import active_hostnames
from app.playbooks.variables import MAX_TOTAL, MINIMUM_SECRET, check_any, check_value
from app.runners.base import FailureCode

_TEXTS = (VariableType.TEXT, VariableType.CHOICE, VariableType.SECRET)


@dataclass(frozen=True, slots=True)
class RunValues:
    """``extra_vars`` for the engine, and every text in it that must be masked."""

    extra_vars: dict[str, Any]
    secrets: tuple[str, ...]


def values_of_run(request: RunRequest) -> RunValues:
    """Return the values of a playbook's run; PreparationError in words for a reference that cannot be followed."""
    plain: dict[str, Any] = dict(request.inputs.get("extra_vars") or {})
    hidden = [str(value) for value in request.secret_inputs.values()]
    allowed: Mapping[str, bool] = request.inputs.get("references") or {}
    if allowed:
        specs = {spec.name: spec for spec in parse_specs(_declared(request))}
        for name, may_be_sensitive in allowed.items():
            found, plain[name] = _look_up(request, name, plain[name], may_be_sensitive, specs.get(name))
            if found.is_sensitive or (name in specs and specs[name].type is VariableType.SECRET):
                hidden += _texts(name, plain[name])
        if len(json.dumps(plain)) > MAX_TOTAL:
            raise _refused(f"The values that were looked up are larger than {MAX_TOTAL // 1024} KiB together.")
    return RunValues({**plain, **request.secret_inputs}, tuple(dict.fromkeys(hidden)))


def _declared(request: RunRequest) -> Any:
    statement = select(Playbook.variable_specs).where(
        Playbook.tenant_id == request.tenant_id, Playbook.id == request.subject_id
    )
    return db.session.scalar(statement)


def _look_up(
    request: RunRequest, name: str, reference: str, may_be_sensitive: bool, spec: VariableSpec | None
) -> tuple[Found, Any]:
    try:
        found = references.find(request.tenant_id, reference, may_be_sensitive=may_be_sensitive)
    except ReferenceRefused as error:
        raise _refused(f"{name}: {error}") from error
    value = _fitted(found.value, spec)
    wrong = check_any(value) if spec is None else check_value(spec, value)
    if wrong is None and spec is not None and spec.type is VariableType.SERVER:
        wrong = _unknown_server(request.tenant_id, value)
    if wrong:
        raise _refused(f"{name} {wrong}, but {reference} is something else now. Mend the output, or give a value.")
    return found, value


def _fitted(value: Any, spec: VariableSpec | None) -> Any:
    """Return a number as the text that a text variable wants; terraform makes no difference between them."""
    if spec is not None and spec.type in _TEXTS and isinstance(value, int | float) and not isinstance(value, bool):
        return json.dumps(value)
    return value


def _unknown_server(tenant_id: int, value: Any) -> str | None:
    wanted = value if isinstance(value, list) else [value]
    known = active_hostnames(Actor.system(tenant_id), wanted)
    unknown = next((name for name in wanted if name not in known), None)
    return None if unknown is None else "must name active servers"


def _texts(name: str, value: Any) -> list[str]:
    """Return what has to be masked of a sensitive value: its texts and numbers that are long enough for it."""
    found = [text for text in _leaves(value) if len(text) >= MINIMUM_SECRET]
    if not found and value not in (None, "", [], {}):
        raise _refused(
            f"{name} is sensitive, and too short to be masked in the log (under {MINIMUM_SECRET} characters). "
            "Make the output longer, or one that is not sensitive."
        )
    return found


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part)
    elif isinstance(value, str):
        yield value
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield json.dumps(value)


def _refused(words: str) -> PreparationError:
    return PreparationError(FailureCode.ENGINE_ERROR, f"{words} Nothing was run.")
