"""Tickets: one per real problem, opened on failure, joined by repeats, resolved by the next green run."""
