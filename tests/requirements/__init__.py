"""The rules of the core requirements, and the tests that hold them (core.toml; ``make requirements`` prints it)."""
