"""The REST face of launches, jobs and logs."""

from __future__ import annotations
