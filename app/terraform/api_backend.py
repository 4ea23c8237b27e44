"""The HTTP state backend of terraform and OpenTofu, for the platform's runs and for anybody's own command line.

    terraform {
      backend "http" {
        address        = "https://<platform>/api/v1/terraform/state/<project>/<workspace>"
        lock_address   = the same
        unlock_address = the same
      }
    }

with TF_HTTP_USERNAME (any) and TF_HTTP_PASSWORD (an API key, or a run's token). GET answers the state or 404, POST
keeps a new version (``?ID=`` names the lock), LOCK and UNLOCK carry terraform's lock info, DELETE forgets an empty
state. A lock that another holds is 423 with the holder's info, which terraform prints.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

from flask import Blueprint, Response, current_app, request
from werkzeug.exceptions import RequestEntityTooLarge

from app.core.actor import Actor
from app.core.errors import InvalidInput, PermissionDenied
from app.core.flask_app import current_actor
from app.core.permissions import Permission
from app.core.runtime import settings
from app.terraform import state_locks, state_store
from app.terraform.models_state import StateSource
from app.terraform.state_document import StateTooLarge
from app.terraform.state_locks import StateLocked

protocol = Blueprint("terraform_backend", __name__)
METHODS = ["GET", "POST", "DELETE", "LOCK", "UNLOCK"]


@protocol.route("/terraform/state/<uuid:terraform_uuid>/<workspace>", methods=METHODS, provide_automatic_options=False)
def state(terraform_uuid: Any, workspace: str) -> Response:
    """Answer one call of the protocol."""
    request.max_content_length = settings().state_max_bytes
    actor, uuid = current_actor(), str(terraform_uuid)
    if actor.bound_to not in (None, f"{uuid}/{workspace}"):
        raise PermissionDenied(Permission.TERRAFORM_STATE_READ.value, "run of another workspace")
    try:
        if request.method == "GET":
            data = state_store.read_state(actor, uuid, workspace)
            return Response(status=404) if data is None else Response(data, mimetype="application/json")
        if request.method == "POST":
            state_store.write_state(
                actor, uuid, workspace, _checked_body(), lock_id=request.args.get("ID") or None, **_of_run(actor)
            )
        elif request.method == "DELETE":
            state_store.forget_state(actor, uuid, workspace, lock_id=request.args.get("ID") or None)
        elif request.method == "LOCK":
            state_locks.lock_state(actor, uuid, workspace, _lock_info(), run_uuid=actor.run_uuid)
        else:
            info = _lock_info() if request.content_length else {}
            state_locks.unlock_state(actor, uuid, workspace, str(info.get("ID") or "") or None)
    except StateLocked as error:
        current_app.logger.info("state locked: %s", error.message)
        return Response(json.dumps(dict(error.holder.info)), status=423, mimetype="application/json")
    return Response(status=200)


def _of_run(actor: Actor) -> dict[str, Any]:
    return {"source": StateSource.RUN, "run_uuid": actor.run_uuid} if actor.run_uuid else {}


def _checked_body() -> bytes:
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise StateTooLarge from None
    given = request.headers.get("Content-MD5")
    # Said by the protocol; it finds bytes that were cut on their way, and is no safeguard against anybody.
    if given and given != base64.b64encode(hashlib.md5(data, usedforsecurity=False).digest()).decode():
        raise InvalidInput("The body does not have the checksum that came with it: it was changed or cut on its way.")
    return data


def _lock_info() -> dict[str, Any]:
    if (request.content_length or 0) > state_locks.MAX_LOCK_BYTES:
        raise InvalidInput("A lock's info is larger than any that terraform sends.")
    try:
        info = json.loads(request.get_data(cache=False) or b"{}")
    except (ValueError, RecursionError):
        raise InvalidInput("A lock's info is a JSON object.") from None
    if not isinstance(info, dict):
        raise InvalidInput("A lock's info is a JSON object.")
    return info
