from __future__ import annotations

from app.accounts.scope_words import SCOPE_WORDS
from app.core.permissions import NEVER_BY_KEY, Permission


def test_every_scope_that_a_key_can_have_is_told_in_words() -> None:
    assert set(SCOPE_WORDS) == set(Permission) - NEVER_BY_KEY
