"""The chained form is the same before and after a database."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app.audit.canonical import FIELDS, canonical
from app.audit.details import MASK, MAXIMUM_BYTES, changes, safe_details

VALUES: Any = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=30),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
DETAILS = some.dictionaries(some.text(max_size=12), VALUES, max_size=6)


def row(details: Any) -> dict[str, Any]:
    return dict.fromkeys(FIELDS, "x") | {"timestamp": datetime(2026, 11, 21, tzinfo=UTC), "details": details}


def reordered(value: Any) -> Any:
    """What MySQL does to a JSON column: keys in another order."""
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in sorted(value, key=lambda key: (len(key), key), reverse=True)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(DETAILS)
def test_a_round_trip_through_json_in_any_key_order_changes_nothing(details: dict[str, Any]) -> None:
    safe = safe_details(details)
    back = reordered(json.loads(json.dumps(safe).encode("utf-8")))
    assert canonical(row(back)) == canonical(row(safe))


@given(DETAILS, DETAILS)
def test_different_details_have_different_forms(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = safe_details(one), safe_details(other)
    same = json.dumps(first, sort_keys=True) == json.dumps(second, sort_keys=True)
    assert (canonical(row(first)) == canonical(row(second))) == same


def test_a_float_is_refused_by_the_chain_and_text_in_details() -> None:
    with pytest.raises(ValueError, match="floats"):
        canonical(row({"a": [1.5]}))
    assert safe_details({"a": 1.5, "b": 2**64, "c": 3}) == {"a": "1.5", "b": str(2**64), "c": 3}


@pytest.mark.parametrize(
    "name", ["password", "newPassword", "api_key", "apiKey", "Authorization", "secret_inputs", "token", "private_key"]
)
def test_a_secret_by_name_is_masked_at_any_depth(name: str) -> None:
    text = json.dumps(safe_details({"list": [{"deep": {name: ["old-value", "new-value"]}}]}))
    assert "value" not in text
    assert MASK in text


def test_what_only_sounds_secret_stays_readable() -> None:
    kept = {"password_change_required": [False, True], "host_key": "SHA256:x", "ssh_key_path": "/k", "monkey": "m"}
    assert safe_details(kept) == kept


def test_user_information_in_an_address_is_masked() -> None:
    assert safe_details({"git_url": "https://ada:pw@git.example/x.git"}) == {"git_url": "https://***@git.example/x.git"}


def test_large_details_shrink_to_the_names_of_their_fields() -> None:
    safe = safe_details({f"field{number}": "x" * 1900 for number in range(30)})
    assert safe is not None
    assert safe["too_large"] is True
    assert len(json.dumps(safe)) < MAXIMUM_BYTES


def test_changes_lists_what_differs() -> None:
    assert changes({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}, ("a", "b", "c")) == {"b": [2, 3], "c": [None, 4]}
