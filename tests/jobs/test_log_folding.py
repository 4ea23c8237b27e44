"""Sealed lines are found as rows are: letters compare as the database compares them."""

from __future__ import annotations

import string

import pytest
from sqlalchemy import literal, select, text

from app.core.db import db
from app.jobs.log_folding import folding
from tests.jobs.conftest import House

pytestmark = pytest.mark.database

# Latin with all its marks, Greek, Cyrillic, signs of terminals, full width, a few of the astral planes.
LETTERS = [
    *string.printable.strip(),
    *(chr(code) for code in (*range(0xA1, 0x250), *range(0x386, 0x3CF), *range(0x400, 0x482), *range(0x2500, 0x2580))),
    *"ＡＢａｂ₂²✓✗→…“”–—€ẞ中文字한글あア😀🎉𝔸",
]


def test_every_pair_of_letters_is_equal_here_when_it_is_in_the_database(house: House) -> None:
    def work() -> list[tuple[str, str, bool]]:
        fold, found = folding(), []
        dialect = db.session.get_bind().dialect.name
        for letter in LETTERS:
            others = [other for other in string.ascii_letters + "àÀäÄøØßïñçÇσςΣжЖ😀" if other != letter]
            row_text = literal(f"-{letter}-")
            columns = [row_text.icontains(other, autoescape=True).label(f"c{n}") for n, other in enumerate(others)]
            if dialect != "sqlite":
                db.session.execute(text("SET NAMES utf8mb4 COLLATE utf8mb4_unicode_ci"))
            row = db.session.execute(select(*columns)).one()
            found += [
                (letter, other, bool(said))
                for other, said in zip(others, row, strict=True)
                if bool(said) != (fold(other) in fold(f"-{letter}-"))
            ]
        return found

    assert house.read(work) == []
