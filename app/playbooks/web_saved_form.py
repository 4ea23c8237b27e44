"""Between the form of a saved launch and its fields."""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import MultiDict

from app.playbooks.declarations import VariableType, parse_specs
from app.playbooks.launch_options import OPTIONS
from app.playbooks.models import Playbook
from app.playbooks.saved_inputs import asked_variables
from app.playbooks.schemas import to_selection
from app.playbooks.schemas_saved import EditSavedSchema, LaunchSavedSchema
from app.playbooks.web_forms import load, read_value, where_and_how, words

_SELECTION = ("server_ids", "groups", "server_tags", "environment", "limit")


def read_saved_form(playbook: Playbook, form: MultiDict[str, str]) -> dict[str, Any]:
    """Return the fields of a SavedInput; InvalidInput with the schema's names for what cannot be read."""
    told = where_and_how(form)
    told |= {"tags": words(form.get("run_tags", "")), "skip_tags": words(form.get("skip_tags", ""))}
    values: dict[str, Any] = {}
    for spec in parse_specs(playbook.variable_specs):
        value = read_value(spec, form)
        if value is None and spec.type is VariableType.SECRET and f"drop_{spec.name}" in form:
            values[spec.name] = None
        elif value not in (None, []):
            values[spec.name] = value
    data = {
        "name": form.get("name", "").strip(),
        "description": form.get("description", "").replace("\r\n", "\n") or None,
        "tags": [tag.strip() for tag in form.get("labels", "").split(",") if tag.strip()],
        "selection": {name: told[name] for name in _SELECTION},
        "options": {name: told[name] for name in OPTIONS if told.get(name) not in (None, False, [])},
        "extra_vars": values,
        "ask": form.getlist("ask"),
    }
    loaded = load(EditSavedSchema(), data)
    loaded.pop("version")
    loaded["selection"] = to_selection(loaded["selection"])
    return loaded


def read_press_form(playbook: Playbook, ask: list[str], form: MultiDict[str, str]) -> dict[str, Any]:
    """Return what a person gave for the asked inputs, as ``launch_saved`` takes it; nothing else is read."""
    told = where_and_how(form)
    told |= {"tags": words(form.get("run_tags", "")), "skip_tags": words(form.get("skip_tags", ""))}
    given = {name: told[name] for name in (*OPTIONS, "limit") if name in ask}
    if "servers" in ask:
        given["server_ids"] = told["server_ids"]
    asked = set(asked_variables(ask))
    values = {}
    for spec in parse_specs(playbook.variable_specs):
        value = read_value(spec, form) if spec.name in asked else None
        if value is not None or (spec.name in asked and spec.type is not VariableType.SECRET):
            values[spec.name] = value
    return load(LaunchSavedSchema(), {**given, **({"extra_vars": values} if values else {})})
