"""Signals of the inventory: how slices above say that a server is still needed."""

from __future__ import annotations

from dataclasses import dataclass

from blinker import Signal


@dataclass(frozen=True, slots=True)
class ServerLeaving:
    """A server is about to be deactivated, or a page asks what that would hit."""

    tenant_id: int
    server_id: int


# Sender: the ServerLeaving payload. A receiver returns None, or one sentence that says why the server has to stay
# ("2 jobs are open on it. ..."); it only reads.
server_leaving: Signal = Signal("server_leaving")


def reasons_to_stay(tenant_id: int, server_id: int) -> list[str]:
    """Ask every slice; return the sentences that speak against deactivating."""
    answers = server_leaving.send(ServerLeaving(tenant_id, server_id))
    return [str(sentence) for _receiver, sentence in answers if sentence]
