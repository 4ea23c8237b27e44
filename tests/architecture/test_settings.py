"""Every setting is explained where people look."""

from __future__ import annotations

from config import Settings
from scripts import settings_doc


def test_every_setting_says_what_it_does() -> None:
    silent = [name for name, field in Settings.model_fields.items() if len(field.description or "") < 10]
    assert not silent


def test_the_list_of_settings_is_that_of_the_code() -> None:
    written = settings_doc.TARGET.read_text(encoding="utf-8") if settings_doc.TARGET.exists() else ""
    assert written == settings_doc.text(), "run `make format`"


def test_no_setting_has_a_secret_default() -> None:
    secret = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert secret
    fields = [Settings.model_fields[name] for name in secret]
    assert all(field.is_required() or field.default is None for field in fields)
