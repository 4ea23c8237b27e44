"""The product's version; the same as in pyproject.toml (a test holds them equal)."""

VERSION = "0.1.0"
