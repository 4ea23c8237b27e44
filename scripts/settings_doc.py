"""Write docs/settings.md from config.py; ``make format`` runs it, a test compares."""

from __future__ import annotations

import sys
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from config import PREFIX, Settings  # noqa: E402

TARGET = ROOT / "docs" / "settings.md"
HEAD = f"""# Settings

Each setting is an environment variable. A secret, or any other setting, may be given as a file instead:
`{PREFIX}SECRET_KEY_FILE=/run/secrets/secret_key`. A bad, missing or unknown setting stops the start with a
message. Written from `config.py` by `make format`.

| variable | default | meaning |
|---|---|---|
"""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default_factory is not None:
        made = field.default_factory()  # type: ignore[call-arg]
        return "this machine's name" if isinstance(made, str) else f"`{made}`".replace("'", '"')
    if field.default is None or field.default is PydanticUndefined:
        return "none"
    if isinstance(field.default, Path):
        return f"`{field.default.relative_to(ROOT)}/`"
    return f"`{field.default}`"


def text() -> str:
    """The whole document."""
    rows = [
        f"| `{PREFIX}{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(text(), encoding="utf-8")
