"""What all schemas of requests refuse."""

from __future__ import annotations

import json
from typing import Any

import pytest
from marshmallow import ValidationError, fields

from app.core.schemas import Strict


class _Thing(Strict):
    name = fields.String()
    value = fields.Raw()


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", ["x", {"y": "\ud800"}], {"\ud800": 1}])
def test_half_of_a_character_is_refused_by_field_wherever_it_stands(value: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        _Thing().load({"name": "web", "value": value})
    assert list(refused.value.normalized_messages()) == ["value"]


def test_whole_characters_of_every_kind_and_deep_values_are_taken() -> None:
    deep = json.loads("[" * 500 + '"ä"' + "]" * 500)
    for value in ("größe", "\U0001f600", {"é": ["\x00"]}, deep):
        assert _Thing().load({"name": "web", "value": value})["value"] == value


def test_what_is_not_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="color"):
        _Thing().load({"color": "red"})
