"""``make chaos``: a real platform under seeded faults, judged by oracles of its own (docs/reliability.md)."""
