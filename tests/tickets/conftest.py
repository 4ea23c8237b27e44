"""One tenant for the tests of tickets."""

from __future__ import annotations

import pytest
from flask import Flask

from tests.tickets.world import World


@pytest.fixture
def world(app_context: Flask) -> World:
    return World()
