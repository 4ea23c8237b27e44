"""No list reads a whole table: measured with the servers' own counters on more rows than any page may touch."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.core.pagination import COUNT_CAP
from app.core.tenancy import system_scope
from tests import factories
from tests.holdings import make_holdings
from tests.scale.multiply import multiply
from tests.scale.rows_read import Read, rows_read

ROWS = 40_000
# A count reads the cap up to three times (the rows, what they are probed in, the derived table), the page its rows.
MOST = 3 * COUNT_CAP + 400
TABLES = ("servers", "playbooks", "launches", "jobs", "tickets", "audit_logs", "infrastructure_resources")
PAGES = (
    "/",
    "/servers",
    "/playbooks",
    "/launches",
    "/jobs",
    "/tickets",
    "/saved-launches",
    "/infrastructure",
    "/infrastructure?tag=Name",
    "/audit",
    "/users",
    "/keys",
)
SAMPLES: dict[str, tuple[object, ...]] = {
    "boolean": ("true", "false"),
    "integer": (1,),
    "date-time": ("2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z"),
    "uuid": (uuid.uuid4(),),
    "string": ("host-1", "nothing like it"),
}
PAGED = {"page", "page_size", "after"}


def lists_of_the_api(client: FlaskClient) -> list[str]:
    """Each list of the REST API with each of its filters and orders, as the OpenAPI document names them."""
    found = []
    document: dict[str, Any] = client.get("/api/v1/openapi.json").get_json()
    for path, operations in document["paths"].items():
        parameters = operations.get("get", {}).get("parameters", [])
        queries = {one["name"]: one["schema"] for one in parameters if one["in"] == "query"}
        if "{" in path or not PAGED & set(queries):
            continue
        found.append(path)
        for name, schema in queries.items():
            schema = schema.get("items", schema)
            kind = schema.get("format") or str(schema.get("type", "string")).strip("[]'").split("'")[0]
            values = [value for value in schema.get("enum", ()) if value is not None] or SAMPLES.get(
                kind, SAMPLES["string"]
            )
            found += [f"{path}?{urlencode({name: value})}" for value in values if name not in PAGED]
    return found


# What may read more, and why. Fewer rows are no proof of an index: the reasons are the argument.
SCANS = {
    "/api/v1/audit-logs?": "looks at SCAN_LIMIT entries for one page, then goes on by cursor",
    "/api/v1/tickets?text=": "looks at the newest SEARCH_LIMIT tickets",
    "/api/v1/launches?server_id=": "reads as many rows as this server has jobs; here all of them are its",
    "/api/v1/tickets?server_id=": "reads as many rows as this server has jobs; here all of them are its",
    "/api/v1/tickets?playbook_id=": "reads as many rows as this playbook has jobs; here all of them are its",
    "/api/v1/playbooks?tag=": "tags stand in JSON; a tenant has thousands of playbooks, not a million",
    "/api/v1/playbooks?approved=": "compares two rows of each; a tenant has thousands of playbooks, not a million",
}


def worst(reads: list[Read]) -> Read:
    return max(reads, key=lambda read: read.rows)


@pytest.mark.parametrize("database_kind", ["mariadb", "mysql"], indirect=True)  # SQLite counts no rows
def test_no_list_reads_more_rows_than_the_cap_of_its_count(app: Flask) -> None:
    owner = factories.make_person(factories.make_tenant().id)
    make_holdings(app, owner)
    multiply(TABLES, ROWS, owner.tenant_id)
    with factories.context(), system_scope("test"):
        engine = db.engine
        with engine.begin() as connection:
            for table in TABLES:
                connection.exec_driver_sql(f"ANALYZE TABLE {table}")
    headers = factories.bearer(factories.make_key(owner))
    client = factories.sign_in(app.test_client(), owner)
    found = {}
    for path in [*PAGES, *lists_of_the_api(client)]:
        with rows_read(engine) as reads:
            answer = client.get(path, headers=headers if path.startswith("/api") else {})
        if answer.status_code in (403, 422):  # only for the platform's administrator; a filter of a form of its own
            continue
        assert answer.status_code == 200, path
        most = worst(reads)
        if most.rows > MOST and not path.startswith(tuple(SCANS)):
            found[path] = most
    assert not found, "\n\n".join(f"{path}: {read.rows} rows for {read.statement}" for path, read in found.items())
