"""The readable page of the REST API, made from its OpenAPI document; no script and nothing from elsewhere."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, render_template

from app.core.extensions import api

METHODS = ("get", "post", "put", "patch", "delete")


def operations(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return the operations by tag: {method, path, summary, description, parameters, body, answers}, in path order.

    ``parameters`` and ``body`` are rows {name, place, type, required, description}; ``answers`` (code, words).
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in sorted(document["paths"].items()):
        shared = item.get("parameters", [])
        for method in METHODS:
            operation = item.get(method)
            if operation is None:
                continue
            rows = [_parameter(document, one) for one in (*shared, *operation.get("parameters", []))]
            groups.setdefault((operation.get("tags") or ["other"])[0], []).append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": operation.get("summary", ""),
                    "description": operation.get("description", ""),
                    "parameters": rows,
                    "body": _body(document, operation.get("requestBody")),
                    "answers": sorted(
                        (code, _resolve(document, answer).get("description", ""))
                        for code, answer in operation.get("responses", {}).items()
                    ),
                }
            )
    return groups


def _resolve(document: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    reference = value.get("$ref")
    if reference is None:
        return value
    found: Any = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def _type(document: dict[str, Any], schema: dict[str, Any]) -> str:
    resolved = _resolve(document, schema)
    if "enum" in resolved:
        return " | ".join(str(value) for value in resolved["enum"] if value is not None)
    kind = resolved.get("type", "any")
    words = " or ".join(kind) if isinstance(kind, list) else str(kind)
    if kind == "array":
        return f"list of {_type(document, resolved.get('items', {}))}"
    return f"{words} ({resolved['format']})" if "format" in resolved else words


def _parameter(document: dict[str, Any], given: dict[str, Any]) -> dict[str, Any]:
    one = _resolve(document, given)
    return {
        "name": one["name"],
        "place": one["in"],
        "type": _type(document, one.get("schema", {})),
        "required": one.get("required", False),
        "description": one.get("description", ""),
    }


def _body(document: dict[str, Any], body: dict[str, Any] | None) -> list[dict[str, Any]]:
    if body is None:
        return []
    content: dict[str, Any] = next(iter(_resolve(document, body).get("content", {}).values()), {})
    schema = _resolve(document, content.get("schema", {}))
    return [
        {
            "name": name,
            "place": "body",
            "type": _type(document, one),
            "required": name in schema.get("required", []),
            "description": _resolve(document, one).get("description", one.get("description", "")),
        }
        for name, one in schema.get("properties", {}).items()
    ]


def register(blueprint: Blueprint) -> None:
    """Add the page to the dashboard's blueprint."""

    @blueprint.get("/api/v1/docs")
    def api_docs() -> str:
        """Show every operation of the REST API."""
        return render_template("dashboard/api_docs.html", groups=operations(api.spec.to_dict()))
