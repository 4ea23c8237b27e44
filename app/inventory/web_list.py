"""The list of servers: filters and order by the address, and the same as a download."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from marshmallow import RAISE, ValidationError

from app.core.errors import InvalidInput
from app.core.flask_app import current_actor
from app.core.listing_export import PAGE_SIZE, export_format, export_rows
from app.core.pagination import Page
from app.inventory import queries, queries_kept
from app.inventory.models import Server
from app.inventory.queries import ServerFilter
from app.inventory.schemas import ServerQuery, to_filter

ACTIVE = {"1": True, "0": False, "all": None}
COLUMNS = (
    *("hostname", "ip_address", "environment", "tags", "connection", "ssh_user", "ssh_port", "os_type", "os_version"),
    *("is_active", "last_tested_at", "last_test_code", "last_job", "last_job_at", "description"),
)


def read_query(*ignored: str) -> tuple[dict[str, Any], ServerFilter]:
    """Return the loaded query of the address and the filter it means; the active servers unless it says otherwise.

    Parameters of the names ``ignored`` are the page's own. Raises InvalidInput.
    """
    given = {name: value for name, value in request.args.items() if value != "" and name not in ignored}
    active = given.pop("active", "1")
    try:
        query: dict[str, Any] = ServerQuery().load(given, unknown=RAISE)
        return query, to_filter(query, ACTIVE[active])
    except (ValidationError, KeyError) as error:
        raise InvalidInput("These filters cannot be used: correct the address or clear the filters.") from error


def servers() -> str:
    """List servers."""
    actor = current_actor()
    query, wanted = read_query()
    page = queries.list_servers(
        actor,
        wanted,
        page=query["page"],
        page_size=query["page_size"],
        after=query.get("after"),
        sort=query.get("sort"),
    )
    return render_template(
        "inventory/servers.html",
        page=page,
        last_jobs=queries_kept.last_jobs_of(actor, [server.id for server in page.items]),
        default_sort=queries.SORTS.default,
        **queries.list_words(actor),
    )


def servers_download() -> ResponseReturnValue:
    """Give every server that matches, as CSV or JSON lines (``?format=``)."""
    actor = current_actor()
    query, wanted = read_query("format", "page", "page_size", "after")

    def fetch(after: int | None) -> Page[Server]:
        return queries.list_servers(actor, wanted, page_size=PAGE_SIZE, after=after, sort=query.get("sort"))

    def describe(rows: Sequence[Server]) -> Sequence[dict[str, Any]]:
        ended = queries_kept.last_jobs_of(actor, [row.id for row in rows])
        return [
            {
                **{name: getattr(row, name) for name in COLUMNS if hasattr(row, name)},
                "tags": row.tags or [],
                "last_job": ended[row.id].status if row.id in ended else None,
                "last_job_at": ended[row.id].ended_at if row.id in ended else None,
            }
            for row in rows
        ]

    form = export_format(request.args.get("format"))
    return export_rows(fetch, describe, COLUMNS, name="servers", form=form)


def routes(blueprint: Blueprint) -> None:
    """Add the two routes."""
    blueprint.get("/servers")(servers)
    blueprint.get("/servers/download")(servers_download)
