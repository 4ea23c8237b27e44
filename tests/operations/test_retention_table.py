"""What the command and the manual say of retention."""

from __future__ import annotations

from typing import Any

from app.operations.retention_table import kept_rows
from config import ROOT, Settings


def test_every_rule_stands_in_the_manual_with_its_setting(app: Any) -> None:
    manual = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rules = kept_rows()
    assert len(rules) >= 10
    for rule in rules:
        assert rule.rows in manual or f"... of runs that {rule.rows.partition('runs that ')[2]}" in manual, rule
        assert rule.kept
        if rule.setting:
            assert rule.setting.removeprefix("MILLWRIGHT_").lower() in Settings.model_fields
