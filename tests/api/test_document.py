"""The OpenAPI document as people read it."""

from __future__ import annotations

from flask.testing import FlaskClient


def test_every_body_of_the_document_has_an_example(client: FlaskClient) -> None:
    document = client.get("/api/v1/openapi.json").get_json()
    schemas, without, bodies = document["components"]["schemas"], [], 0
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {}) if method != "parameters" else {}
            for kind, media in content.items():
                if kind != "application/json":
                    continue
                schema = media["schema"]
                schema = schemas[schema["$ref"].rsplit("/", 1)[1]] if "$ref" in schema else schema
                bodies += 1
                fields = schema.get("properties", {}).values()
                if fields and not (
                    "example" in media or "example" in schema or any("example" in one for one in fields)
                ):
                    without.append(f"{method.upper()} {path}")
    assert bodies > 30
    assert without == []
