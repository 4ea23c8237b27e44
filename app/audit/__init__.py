"""Append-only audit log: a keyed hash chain per tenant, written as the last statements of a unit of work."""
