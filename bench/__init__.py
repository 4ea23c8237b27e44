"""Measurements: ``python -m bench [row ...]`` (``make bench``). Each module offers ``ROWS``: name -> function."""
