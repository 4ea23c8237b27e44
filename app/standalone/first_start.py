"""``python -m app.standalone.first_start``: make the first administrator, print it as one line of JSON.

Prints ``null`` when there already is one. A process of its own, so that the process runner stays free of the
web stack and its settings.
"""

from __future__ import annotations

import importlib
import json
import sys

from app import create_app


def main() -> int:
    """Make the account inside one unit of work."""
    from app.core.db import unit_of_work

    first_start = importlib.import_module("app.accounts.first_start").first_start
    with create_app().app_context(), unit_of_work():
        made = first_start()
    answer = None if made is None else {"username": made.username, "password": made.password}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
