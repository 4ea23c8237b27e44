"""Counts and series for the first page; no models of its own."""
