"""Lists sorted by a key of the address, and their downloads, tried with servers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from flask import Flask

from app.core import listing_export
from app.core.actor import Actor
from app.core.errors import InvalidInput
from app.core.listing_export import ExportFormat, cell, export_format, export_rows
from app.core.pagination import Page, paginate
from app.core.sorting import SortKeys
from app.core.tenancy import scoped
from app.inventory.models import Server
from tests.inventory.conftest import Acting

KEYS = SortKeys("-id", {"id": Server.id, "hostname": Server.hostname, "environment": Server.environment})
COLUMNS = ("hostname", "tags", "is_active")
Make = Callable[..., int]


def page_of(actor: Actor, word: str, size: int, after: int | None) -> Page[Server]:
    return paginate(scoped(actor, Server), Server.id, page_size=size, after=after, sort=KEYS.pick(word))


def everything(actor: Actor, word: str, size: int) -> list[int]:
    found: list[int] = []
    after = None
    while True:
        page = page_of(actor, word, size, after)
        found += [server.id for server in page.items]
        if page.next_after is None:
            return found
        after = page.next_after


@pytest.mark.database
@pytest.mark.parametrize("word", KEYS.words)
def test_a_sorted_list_paged_by_cursor_has_each_row_once_and_in_order(
    acting: Acting, admin: Actor, make_server: Make, word: str
) -> None:
    for index, environment in enumerate(["b", None, "a", "b", None, "a", "c"]):
        make_server(hostname=f"h{6 - index}", environment=environment)
    with acting(admin):
        whole = everything(admin, word, 100)
        assert everything(admin, word, 2) == everything(admin, word, 3) == whole
        assert len(whole) == len(set(whole)) == 7


def test_an_unknown_key_is_refused_with_those_that_exist() -> None:
    with pytest.raises(InvalidInput) as refused:
        KEYS.pick("password_hash")
    assert "hostname" in refused.value.errors["sort"][0]


def test_a_cursor_whose_row_is_gone_says_so(acting: Acting, admin: Actor) -> None:
    with acting(admin), pytest.raises(InvalidInput):
        page_of(admin, "hostname", 2, 999_999)


def described(servers: Sequence[Server]) -> list[dict[str, Any]]:
    return [{name: getattr(server, name) for name in COLUMNS} for server in servers]


def download(app: Flask, acting: Acting, actor: Actor, form: ExportFormat) -> str:
    with app.test_request_context(), acting(actor):
        answer = export_rows(
            lambda after: page_of(actor, "hostname", 2, after), described, COLUMNS, name="servers", form=form
        )
        assert f".{form.value}" in answer.headers["Content-Disposition"]
        return answer.get_data(as_text=True)


def test_a_download_has_every_row_of_the_list_in_its_order(
    app: Flask, acting: Acting, admin: Actor, make_server: Make
) -> None:
    for name in ("c", "a", "e", "b", "d"):
        make_server(hostname=name, tags=["blue", "app"])
    rows = list(csv.DictReader(io.StringIO(download(app, acting, admin, ExportFormat.CSV))))
    assert [row["hostname"] for row in rows] == list("abcde")
    assert rows[0] == {"hostname": "a", "tags": "app, blue", "is_active": "yes"}
    lines = [json.loads(line) for line in download(app, acting, admin, ExportFormat.JSONL).splitlines()]
    assert lines[0] == {"hostname": "a", "tags": ["app", "blue"], "is_active": True}
    assert len(lines) == 5


def test_a_list_beyond_the_limit_is_refused_and_not_cut(
    app: Flask, acting: Acting, admin: Actor, make_server: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        make_server()
    monkeypatch.setattr(listing_export, "MAX_ROWS", 4)
    with pytest.raises(InvalidInput):
        download(app, acting, admin, ExportFormat.CSV)


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_text_that_a_spreadsheet_would_run_gets_a_quote_in_front(text: str) -> None:
    assert cell(text) == f"'{text}"
    assert cell(-1) == -1


def test_an_unknown_format_is_refused() -> None:
    assert export_format(None) is ExportFormat.CSV
    with pytest.raises(InvalidInput):
        export_format("xlsx")
