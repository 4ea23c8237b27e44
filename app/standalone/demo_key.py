"""``python -m app.standalone.demo_key issue | revoke ID``: a short-lived API key of the administrator, for the demo.

``issue`` prints one line of JSON, {"id": ..., "key": ...}, into the pipe of the process that started it. A process of
its own for the same reason as the first start's. Whoever may run it holds the platform's keys already.
"""

from __future__ import annotations

import json
import sys

from sqlalchemy import false, select, true

from app import create_app
from app.accounts.models import User
from app.accounts.service import create_api_key, revoke_api_key
from app.accounts.trail import DEFAULT_TENANT
from app.core.actor import Actor, Role, Via
from app.core.db import db, unit_of_work
from app.core.tenancy import tenant_scope
from app.standalone.errors import StartError

DAYS = 1  # should the demo be killed before it revokes the key


def _administrator() -> Actor:
    """Return the oldest active administrator of the default tenant, acting from the command line."""
    with tenant_scope(DEFAULT_TENANT), unit_of_work(writes=False):
        statement = select(User).where(User.is_active == true(), User.is_system == false(), User.role == Role.ADMIN)
        user = db.session.scalar(statement.order_by(User.id).limit(1))
        if user is None:
            raise StartError("There is no active administrator whom the demo could act for: make one, then try again.")
        return Actor(DEFAULT_TENANT, user.id, Role.ADMIN, user.username, Via.CLI)


def main(arguments: list[str]) -> int:
    """Issue a key or revoke one; returns the exit code."""
    with create_app(faces=False).app_context():
        try:
            actor = _administrator()
        except StartError as error:
            sys.stderr.write(f"{error}\n")
            return 1
        with tenant_scope(DEFAULT_TENANT), unit_of_work():
            if arguments == ["issue"]:
                row, text = create_api_key(actor, name="make demo", expires_in_days=DAYS)
                sys.stdout.write(json.dumps({"id": row.id, "key": text}) + "\n")
            else:
                revoke_api_key(actor, int(arguments[1]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
