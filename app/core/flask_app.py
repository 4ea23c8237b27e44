"""The Flask class: one unit of work around every request, tenant scope from the authenticated actor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from flask import Flask, g, request
from flask.typing import ResponseReturnValue

from app.core import log_context
from app.core.actor import Actor
from app.core.db import unit_of_work
from app.core.errors import NotSignedIn
from app.core.extensions import is_api_path
from app.core.tenancy import enter_tenant, leave_scope

Authenticator = Callable[[], Actor | None]
Recorder = Callable[[Actor | None, Exception], None]
READING = frozenset({"GET", "HEAD", "OPTIONS"})


def current_actor() -> Actor:
    """Return who acts in this request; NotSignedIn when nobody does."""
    actor = g.get("actor")
    if actor is None:
        raise NotSignedIn
    return actor  # type: ignore[no-any-return]


def optional_actor() -> Actor | None:
    """Return who acts in this request, None for a stranger."""
    return g.get("actor")  # type: ignore[no-any-return]


class PlatformFlask(Flask):
    """Flask whose requests commit once: return commits, raise rolls back and drops waiting messages.

    ``authenticator`` (set by ``app.wiring``) finds the actor inside the unit of work. Endpoints in
    ``open_endpoints`` need none; every other one answers 401 (API) or the sign-in page to a stranger.
    ``recorder`` stores refusals in a unit of their own after the rollback.
    """

    authenticator: Authenticator | None = None
    recorder: Recorder | None = None
    open_endpoints: frozenset[str] = frozenset()
    # Endpoints that open their own short units: streams, whose answer outlives the request, and health.
    unitless_endpoints: frozenset[str] = frozenset()
    # Those that write although they are asked with GET: they leave an audit entry of what was read.
    writing_endpoints: frozenset[str] = frozenset()

    def dispatch_request(self) -> ResponseReturnValue:
        """Wrap the view in its unit of work and tenant scope."""
        endpoint = request.endpoint or ""
        if request.routing_exception is not None:
            self._recognise()
            return super().dispatch_request()
        if endpoint in self.unitless_endpoints:
            return super().dispatch_request()
        with self.request_unit():
            # The answer is made inside, so that lazy parts of a page fail here and not after the commit.
            return self.make_response(super().dispatch_request())

    def _recognise(self) -> None:
        """Find out who asks for an address that does not exist, so that the page about it has its navigation."""
        if self.authenticator is None or is_api_path(request.path) or request.method not in READING:
            return
        try:
            with unit_of_work(writes=False):
                g.actor = self.authenticator()
        except Exception:  # whatever is wrong with the sender: the answer is about the address
            g.actor = None

    @contextmanager
    def request_unit(self) -> Iterator[None]:
        """Open this request's unit of work with its actor and tenant scope; record a refusal after the rollback.

        For views in ``unitless_endpoints`` that need one for a moment (streams).
        """
        try:
            writes = request.method not in READING or request.endpoint in self.writing_endpoints
            with unit_of_work(writes=writes):
                self._authenticate(request.endpoint or "")
                yield
        except Exception as error:
            if self.recorder is not None:
                self.recorder(optional_actor(), error)
            raise
        finally:
            leave_scope()

    def _authenticate(self, endpoint: str) -> None:
        actor = self.authenticator() if self.authenticator is not None else None
        g.actor = actor
        if actor is not None:
            enter_tenant(actor.tenant_id)
            log_context.add(tenant_id=actor.tenant_id, user_id=actor.user_id or 0)
        elif endpoint not in self.open_endpoints:
            raise NotSignedIn
