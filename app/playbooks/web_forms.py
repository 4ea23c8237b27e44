"""Between the launch form's fields and the shared input schema, both ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import ValidationError
from werkzeug.datastructures import MultiDict

from app.core.errors import InvalidInput
from app.jobs.references import is_reference
from app.playbooks.declarations import VariableSpec, VariableType
from app.playbooks.launch_options import OPTIONS, LaunchOptions
from app.playbooks.schemas import NewLaunchSchema
from app.playbooks.variables import read_typed, takes_several

# Names of the schema -> names of the form's fields, where they differ.
_FIELDS = {"tags": "run_tags", "server_tags": "tags", "timeout_seconds": "timeout"}


def words(text: str) -> list[str]:
    """Return the words of a text, separated by commas or spaces."""
    return [word for word in text.replace(",", " ").split() if word]


def _whole(text: str, default: int | None) -> Any:
    text = text.strip()
    if not text:
        return default
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else text


def where_and_how(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what every launch form says of servers and options, with the schema's names; unread numbers stay text."""
    return {
        "server_ids": [_whole(text, None) for text in form.getlist("server_ids")],
        "groups": form.getlist("groups"),
        "server_tags": form.getlist("tags"),
        "environment": form.get("environment") or None,
        "limit": form.get("limit") or None,
        "check": "check" in form,
        "diff": "diff" in form,
        "forks": _whole(form.get("forks", ""), 5),
        "verbosity": _whole(form.get("verbosity", ""), 0),
        "timeout_seconds": _whole(form.get("timeout", ""), None),
    }


def read_value(spec: VariableSpec, form: MultiDict[str, str]) -> Any:
    """Return a variable's value as it was typed, or the reference that was given instead; None for nothing."""
    return form.get(f"ref_{spec.name}", "").strip() or read_typed(spec, form.getlist(f"var_{spec.name}"))


def read_launch_form(playbook_id: int, specs: Sequence[VariableSpec], form: MultiDict[str, str]) -> dict[str, Any]:
    """Return loaded NewLaunchSchema data; InvalidInput with the schema's names for what cannot be read."""
    values = {spec.name: read_value(spec, form) for spec in specs}
    data = {
        **where_and_how(form),
        "playbook_id": playbook_id,
        # An emptied field takes the default away; a field that was not sent leaves it.
        "extra_vars": {
            spec.name: values[spec.name]
            for spec in specs
            if values[spec.name] is not None or (f"var_{spec.name}" in form and spec.type is not VariableType.SECRET)
        },
        "tags": words(form.get("run_tags", "")),
        "skip_tags": words(form.get("skip_tags", "")),
    }
    return load(NewLaunchSchema(), data)


def load(schema: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    """Load ``data``; a ValidationError becomes InvalidInput."""
    try:
        loaded: dict[str, Any] = schema.load(data)
    except ValidationError as error:
        wrong = error.normalized_messages()  # type: ignore[no-untyped-call]
        raise InvalidInput(**{str(name): _first(message) for name, message in wrong.items()}) from None
    return loaded


def _first(message: Any) -> str:
    while isinstance(message, dict | list) and message:
        message = next(iter(message.values())) if isinstance(message, dict) else message[0]
    return str(message)


def errors_for_form(error: Any) -> dict[str, list[str]]:
    """Return ``{form field: [sentence]}`` for an AppError; what belongs to no field stands under ``_form``."""
    found: dict[str, list[str]] = {}
    for name, sentences in error.errors.items():
        prefix, _, rest = name.partition(".")
        if prefix == "extra_vars" and rest:
            name = f"var_{rest}"
        found[_FIELDS.get(name, name)] = [_first(sentences)] if not isinstance(sentences, list) else sentences
    if not found:
        found["_form"] = [error.message]
    return found


def typed_values(specs: Sequence[VariableSpec], form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what was typed, for showing the form again; secrets are left out."""
    hidden = {f"var_{spec.name}" for spec in specs if spec.type is VariableType.SECRET}
    several = {"server_ids", "groups", "tags"} | {f"var_{spec.name}" for spec in specs if takes_several(spec)}
    shown: dict[str, Any] = {
        name: form.getlist(name) if name in several else form[name] for name in form if name not in hidden
    }
    for name in ("check", "diff", *(f"var_{spec.name}" for spec in specs if spec.type is VariableType.BOOLEAN)):
        shown.setdefault(name, "")
    return shown


def from_inputs(inputs: Mapping[str, Any], server_ids: Sequence[int]) -> dict[str, Any]:
    """Return the form of an earlier launch's inputs, for relaunching it with changes; secrets are not in it."""
    shown: dict[str, Any] = {
        "server_ids": [str(server_id) for server_id in server_ids],
        "tags": [],
        "groups": [],
        "check": "1" if inputs.get("check") else "",
        "diff": "1" if inputs.get("diff") else "",
        "run_tags": ", ".join(inputs.get("tags") or []),
        "skip_tags": ", ".join(inputs.get("skip_tags") or []),
        "forks": inputs.get("forks", 5),
        "verbosity": str(inputs.get("verbosity", 0)),
        "timeout": inputs.get("timeout_seconds") or "",
    }
    for name, value in (inputs.get("extra_vars") or {}).items():
        if is_reference(value):
            shown[f"ref_{name}"] = value
            continue
        shown[f"var_{name}"] = ("1" if value else "") if isinstance(value, bool) else value
    return shown


def options_of(options: LaunchOptions) -> dict[str, Any]:
    """Return launch options as plain data by name, without the variables."""
    return {name: getattr(options, name) for name in OPTIONS}
