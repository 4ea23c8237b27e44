"""The cases, R1 to R26."""
