"""The readable page of the REST API."""

from __future__ import annotations

from flask import Flask
from flask.testing import FlaskClient

from app.core.extensions import api
from app.dashboard.api_docs import operations


def test_every_operation_of_the_document_stands_on_the_page(app: Flask, client: FlaskClient) -> None:
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    document = api.spec.to_dict()
    for path, item in document["paths"].items():
        for method in set(item) - {"parameters"}:
            assert f"{method.upper()} {path.replace('<', '&lt;')}" in page.text
    assert "<script>" not in page.text


def test_parameters_and_bodies_are_told_with_their_types(app: Flask) -> None:
    found = {(one["method"], one["path"]): one for group in operations(api.spec.to_dict()).values() for one in group}
    logs = found["GET", "/api/v1/jobs/{job_id}/logs"]
    assert {row["name"]: row["type"] for row in logs["parameters"]}["level"] == "DEBUG | INFO | WARNING | ERROR"
    launch = found["POST", "/api/v1/launches"]
    assert [row["required"] for row in launch["body"] if row["name"] == "playbook_id"] == [True]
    assert "202" in dict(launch["answers"])
