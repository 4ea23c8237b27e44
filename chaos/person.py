"""``python -m chaos.person``: make a person who can sign in; prints one line of JSON {"username", "password"}.

A process of its own, with the platform's settings in its environment: the application can be made once in a process.
"""

from __future__ import annotations

import json
import sys

from app import create_app
from app.core.actor import Role
from tests import factories


def main() -> int:
    """Make an administrator of the first tenant."""
    app = create_app()
    factories.use(app)
    person = factories.make_person(1, Role.ADMIN, username="clicker")
    print(json.dumps({"username": person.username, "password": factories.PASSWORD}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
