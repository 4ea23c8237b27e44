"""What a multipart form or a web form sends about a playbook, as the data that the schemas take."""

from __future__ import annotations

from typing import Any

import yaml
from werkzeug.datastructures import FileStorage, MultiDict

from app.core.errors import InvalidInput
from app.core.yaml_gate import MAX_BYTES, decode, load_yaml

_IGNORED = {"csrf_token", "version", "content"}


def form_to_upload(form: MultiDict[str, str], file: FileStorage | None) -> dict[str, Any]:
    """Return UploadSchema's data: the file as text, declarations and defaults read from YAML (or JSON) text.

    Unknown fields are passed on, so that the schema refuses them.
    """
    data: dict[str, Any] = {name: value for name, value in form.items() if name not in _IGNORED}
    data |= form_to_edit(form)
    if file is not None and file.filename:
        raw = file.stream.read(MAX_BYTES + 1)
        decode(raw, field="content")
        data["content"] = raw.decode("utf-8")
        data.setdefault("file_name", file.filename)
        if not data["file_name"]:
            data["file_name"] = file.filename
    elif "content" in form:
        data["content"] = form["content"].replace("\r\n", "\n")
    return data


def form_to_edit(form: MultiDict[str, str]) -> dict[str, Any]:
    """Return EditSchema's data for the fields that the form has; wrong numbers are left for the schema to name."""
    data: dict[str, Any] = {}
    for name in ("name", "description"):
        if name in form:
            data[name] = form[name].replace("\r\n", "\n")
    if "tags" in form:
        data["tags"] = [tag.strip() for tag in form["tags"].split(",") if tag.strip()]
    if "variable_specs" in form:
        data["variable_specs"] = _yaml(form["variable_specs"], "variable_specs", list)
    if "variables" in form:
        data["variables"] = _yaml(form["variables"], "variables", dict)
    if "timeout_seconds" in form:
        typed = form["timeout_seconds"].strip()
        data["timeout_seconds"] = int(typed) if typed.isdigit() and len(typed) < 10 else typed or None
    if "shares_servers" in form:
        data["shares_servers"] = form["shares_servers"] in ("1", "true", "on", "yes")
    return data


def _yaml(text: str, field: str, kind: type) -> Any:
    if not text.strip():
        return kind()
    value = load_yaml(text, field=field)
    if not isinstance(value, kind):
        words = "a list of variables" if kind is list else "names with default values, one 'name: value' per line"
        raise InvalidInput(**{field: f"Write {words}."})
    return value


def as_yaml(value: Any) -> str:
    """Return declarations or defaults as YAML text for a form; nothing for nothing."""
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True) if value else ""
