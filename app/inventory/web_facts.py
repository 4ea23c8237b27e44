"""The facts tab of a server: a table that can be searched, and the whole as a download."""

from __future__ import annotations

import json

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue

from app.core.faces import spooled
from app.core.flask_app import current_actor
from app.inventory import facts, queries, queries_kept

SHOWN = 500
SHOWN_TEXT = 500  # characters of one value
KEY_FACTS = (
    *("distribution", "distribution_version", "kernel", "architecture", "processor_vcpus", "memtotal_mb"),
    *("virtualization_type", "system_vendor", "product_name", "python_version"),
)


def server_facts(server_id: int) -> str:
    """Show the facts of a server; ``?q=`` looks for words in names and values."""
    actor = current_actor()
    server = queries.get_server(actor, server_id)
    row, rows, wanted = queries_kept.facts_row(actor, server_id), [], request.args.get("q", "")[:100].strip()
    if row is not None:
        words = wanted.lower().split()
        for path, value in facts.rows(json.loads(queries_kept.get_facts(actor, server_id).data)):
            line = f"{path} {value}".lower()
            if all(word in line for word in words):
                rows.append((path, value))
    known = queries_kept.key_facts(actor, server_id)
    return render_template(
        "inventory/facts.html",
        server=server,
        gathered=row,
        rows=[(path, value[:SHOWN_TEXT]) for path, value in rows[:SHOWN]],
        total=len(rows),
        key_facts=[(name, known[name]) for name in KEY_FACTS if name in known],
    )


def server_facts_download(server_id: int) -> ResponseReturnValue:
    """Give the facts of a server as a JSON file."""
    actor = current_actor()
    hostname = queries.get_server(actor, server_id).hostname
    found = json.dumps(json.loads(queries_kept.get_facts(actor, server_id).data), indent=2, ensure_ascii=False)
    return spooled([found, "\n"], "application/json", f"facts-{hostname}.json")


def routes(blueprint: Blueprint) -> None:
    """Add the two routes."""
    blueprint.get("/servers/<int:server_id>/facts")(server_facts)
    blueprint.get("/servers/<int:server_id>/facts/download")(server_facts_download)
