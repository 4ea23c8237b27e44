"""Signals of the accounts: how slices above give a new tenant what it must have."""

from __future__ import annotations

from blinker import Signal

# Sender: the new tenant's system actor, inside the tenant's scope and the unit of work that makes the tenant. A
# receiver adds rows (the sample project); when it raises, there is no tenant.
tenant_created: Signal = Signal("tenant_created")
