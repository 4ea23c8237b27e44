"""What every test can use; each module of tests/support says what its fixtures give."""

from __future__ import annotations

pytest_plugins = [
    "tests.support.parts",
    "tests.support.databases",
    "tests.support.application",
    "tests.support.hosts",
    "tests.support.chroot_hosts",
    "tests.support.redis",
    "tests.support.stack",
    "tests.support.statements",
]
