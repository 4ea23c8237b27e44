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
    """Make the account, and what else a new platform must have."""
    with create_app(faces=False).app_context():
        made = importlib.import_module("app.wiring").first_start()
    answer = None if made is None else {"username": made.username, "password": made.password}
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
