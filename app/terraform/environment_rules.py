"""Which environment variables executions may be given."""

from __future__ import annotations

import re

from app.core.errors import InvalidInput
from app.runners.masking import MIN_SECRET_LENGTH

MAX_VALUE = 16_384
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
# What terraform, the loader and the platform itself are led by is not a provider's; variables have a page of their own.
_REFUSED = re.compile(r"(TF_|LD_|MILLWRIGHT_|PYTHON|CHECKPOINT_)|(PATH|HOME|TMPDIR|IFS|ENV|BASH_ENV|SHELL)\Z")


def check_name(name: str) -> None:
    """Raise InvalidInput for what is no name, or leads terraform or the worker itself."""
    if not _NAME.match(name):
        raise InvalidInput(name="Give the name of an environment variable, such as AWS_ACCESS_KEY_ID.")
    if _REFUSED.match(name):
        raise InvalidInput(name="This one leads terraform or the worker itself. Values of variables have a page.")


def check_value(value: str, *, sensitive: bool) -> None:
    """Raise InvalidInput for a text that no environment holds, or that is too short to be masked."""
    least = MIN_SECRET_LENGTH if sensitive else 1
    if not least <= len(value) <= MAX_VALUE or "\0" in value:
        why = ": a sensitive one is masked wherever it stands" if sensitive else ""
        raise InvalidInput(value=f"Give {least} to {MAX_VALUE} characters{why}.")
